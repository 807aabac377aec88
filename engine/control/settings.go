package control

import (
	"fmt"
	"time"
)

// Settings are what a person may change while a node runs.
type Settings struct {
	// Accepted is when somebody agreed to this computer being a peer. A node
	// that asks first has no peer traffic while it is zero.
	Accepted   time.Time `json:"accepted,omitzero"`
	DiskBudget int64     `json:"disk_budget"` // bytes
	UpLimit    int64     `json:"up_limit"`    // bytes per second to peers; 0: none
	DownLimit  int64     `json:"down_limit"`  // bytes per second from peers; 0: none
	// MonthLimit is how many bytes, up and down together, a calendar month may
	// take until the node pauses; 0: no limit.
	MonthLimit     int64 `json:"month_limit"`
	PauseOnBattery bool  `json:"pause_on_battery"`
	PauseOnMetered bool  `json:"pause_on_metered"`
	Volunteer      bool  `json:"volunteer"` // keep other people's sites
	Share          Share `json:"share"`
	// HTTPS says that the root certificate is trusted here: plain http sends
	// browsers to https.
	HTTPS bool `json:"https"`
}

// The least values that a Setting other than 0 may have: below them a node
// could no longer do its work.
const (
	MinDiskBudget = 1 << 20 // bytes
	MinRate       = 8 << 10 // bytes per second
	MinMonth      = 1 << 20 // bytes
)

// Check returns an ErrInvalid that names the first field that cannot be so.
func (s Settings) Check() error {
	for _, n := range []struct {
		field       string
		value, from int64
		zero        bool
	}{
		{"disk budget", s.DiskBudget, MinDiskBudget, false},
		{"up limit", s.UpLimit, MinRate, true},
		{"down limit", s.DownLimit, MinRate, true},
		{"month limit", s.MonthLimit, MinMonth, true},
	} {
		if n.value < n.from && !(n.zero && n.value == 0) {
			return fmt.Errorf("the %s of %d is below %d: %w", n.field, n.value, n.from, ErrInvalid)
		}
	}
	switch s.Share {
	case ShareNever, ShareVisiting, ShareAlways:
		return nil
	}
	return fmt.Errorf("share is %q, %q or %q, not %q: %w", ShareNever, ShareVisiting, ShareAlways, s.Share, ErrInvalid)
}

// Share says whether sites that were visited are handed on to others, which
// tells them that somebody here read them.
type Share string

// The choices of Share.
const (
	ShareNever    Share = "never"    // what was read is nobody's business
	ShareVisiting Share = "visiting" // while it is being read
	ShareAlways   Share = "always"   // as long as it is here
)

// Host says which process a node lives in.
type Host string

// The processes that a node may live in.
const (
	HostAgent   Host = "agent"   // of one desktop session
	HostService Host = "service" // of the whole computer
	HostCommand Host = "command" // started by hand
)

// Paused tells why a node that wants to be online has no peer traffic.
type Paused struct {
	Until  time.Time   `json:"until,omitzero"` // zero: until the reason is gone
	Reason PauseReason `json:"reason"`
}

// PauseReason is why a node pauses.
type PauseReason string

// The reasons to pause.
const (
	PauseUser    PauseReason = "user"
	PauseBattery PauseReason = "battery"
	PauseMetered PauseReason = "metered"
	PauseMonth   PauseReason = "month"
)

// Reach says how peers get to a node.
type Reach string

// The ways to reach a node.
const (
	ReachUnknown Reach = "unknown" // nobody has tried yet
	ReachDirect  Reach = "direct"
	ReachRelay   Reach = "relay"
	ReachNone    Reach = "none"
)

// NoticeKind says what a Notice is about.
type NoticeKind string

// The kinds of notice.
const (
	NoticePublished    NoticeKind = "published"     // another peer confirmed the first complete copy of a version
	NoticeCopiesLow    NoticeKind = "copies-low"    // a site of the person's had two copies on other peers and has fewer now
	NoticeExpiring     NoticeKind = "expiring"      // the record of an own or pinned site ends soon
	NoticeOwnerChanged NoticeKind = "owner-changed" // a name that was opened here before has another owner
	NoticeSiteUpdated  NoticeKind = "site-updated"  // a pinned site has a new version
	NoticeTwoDevices   NoticeKind = "two-devices"   // another device published a newer version of an own site
	NoticeDiskFull     NoticeKind = "disk-full"
	NoticeMonthLimit   NoticeKind = "month-limit" // the month's traffic is used up
	NoticeOther        NoticeKind = "other"
)

// Notice is something that a person should read, told once per event.
type Notice struct {
	Kind NoticeKind `json:"kind"`
	Name string     `json:"name,omitempty"` // of the site, where it is about one
	Text string     `json:"text"`           // plain English, for who knows no better words for Kind
}

// MaxLogs bounds the lines that Logs returns.
const MaxLogs = 1000

// LogLine is one line of the log.
type LogLine struct {
	Time  time.Time `json:"time"`
	Level string    `json:"level"` // "DEBUG", "INFO", "WARN", "ERROR"
	Text  string    `json:"text"`  // message and attributes
}

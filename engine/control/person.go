package control

import "time"

const (
	// ActivityDays is how many days Activity looks back.
	ActivityDays = 90
	// PreviewTime is how long a preview stays open.
	PreviewTime = time.Hour
)

// Activity is what became of a site over time, without a trace of who read it.
type Activity struct {
	Visits []DayCount `json:"visits,omitempty"` // through this node's gateway; days without are left out
	Copies []Sample   `json:"copies,omitempty"` // when their number changed
}

// DayCount counts one day.
type DayCount struct {
	Day   string `json:"day"`   // 2006-01-02
	Pages int64  `json:"pages"` // number
	Bytes int64  `json:"bytes"`
}

// Sample is the number of complete copies on other peers at a time.
type Sample struct {
	Time   time.Time `json:"time"`
	Copies int       `json:"copies"`
}

// Visited is a site that the caller opened.
type Visited struct {
	Name    string    `json:"name"`
	Title   string    `json:"title,omitempty"` // of the page opened last
	Address string    `json:"address"`         // key address
	Root    string    `json:"root"`            // hex
	Last    time.Time `json:"last"`
	Times   int       `json:"times"`
	Pinned  bool      `json:"pinned"`
}

// Blocked is something that is kept out of this node.
type Blocked struct {
	Target string    `json:"target"`         // name, key address or content root
	Name   string    `json:"name,omitempty"` // under which a person knew it
	Since  time.Time `json:"since"`
}

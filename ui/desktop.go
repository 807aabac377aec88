package ui

import (
	"context"
	"errors"
	"time"
)

var (
	// ErrNoPicker reports a system whose own folder picker cannot be had; the
	// window then shows its own.
	ErrNoPicker = errors.New("the system's folder picker cannot be used")
	// ErrNoAuthentication reports a system that cannot ask who is there.
	ErrNoAuthentication = errors.New("the system cannot ask for your password here")
	// ErrDataAway, ErrDataTaken and ErrDataClosed are why a node cannot use its
	// data: the disk is not connected, another process has it, or rights forbid.
	ErrDataAway   = errors.New("the disk with the data is not connected")
	ErrDataTaken  = errors.New("another process uses the data")
	ErrDataClosed = errors.New("the folder with the data may not be used")
	// ErrRefused reports that the person declined what the system asked.
	ErrRefused = errors.New("declined")
)

// Desktop is what the window asks of the computer around it. Its methods may
// wait (a password prompt, a disk) and are called away from the goroutine that
// draws, but for Prefs and ChangePrefs. They are safe for concurrent use.
type Desktop interface {
	// Prefs reads the preferences; the zero value where there are none yet.
	Prefs() (Prefs, error)
	// ChangePrefs applies a change under a lock that the agent respects too,
	// and returns what was saved.
	ChangePrefs(change func(*Prefs)) (Prefs, error)

	// OpenURL opens the person's browser.
	OpenURL(url string) error
	// ShowFolder opens the person's file manager.
	ShowFolder(path string) error
	// PickFolder asks for a folder with the system's own dialog. Errors are
	// ErrNoPicker, or ErrRefused where it was closed without a choice.
	PickFolder(ctx context.Context, title string) (string, error)
	// Authenticate makes the system ask for the person's password or finger.
	// Errors wrap ErrNoAuthentication or ErrRefused.
	Authenticate(ctx context.Context, reason string) error

	// Autostart reports whether AltNet starts at login.
	Autostart() (bool, error)
	// SetAutostart changes that.
	SetAutostart(on bool) error

	// WatchFolders calls tell with the watched folders (absolute paths) that
	// changed since they were published: at once, and when that changes, until
	// ctx ends.
	WatchFolders(ctx context.Context, tell func(changed []string))

	// PlanSetup says what Setup would do with this choice, changing nothing.
	PlanSetup(ctx context.Context, choice SetupChoice) (SetupPlan, error)
	// Setup makes .alt work in this person's browsers. A way that fails is
	// told in the result; the error is for what kept setup from being tried.
	Setup(ctx context.Context, choice SetupChoice, step func(SetupStep)) (SetupResult, error)
	// UndoSetup takes back all that Setup changed, for good.
	UndoSetup(ctx context.Context) error
	// Doctor examines the computer.
	Doctor(ctx context.Context) ([]Check, error)
	// Fix mends what a Check found, by its ID.
	Fix(ctx context.Context, id string) error

	// MoveData moves the node's data below dest, verifies it there and only
	// then removes the old; the node restarts on it.
	MoveData(ctx context.Context, dest string, progress func(done, total int64)) error
	// Restart starts the node, or starts it anew: the agent's, or the service.
	Restart(ctx context.Context) error
	// WhyStopped is the reason why the agent's node does not run, nil where there
	// is none or nobody to ask. Errors wrap ErrDataAway, ErrDataTaken,
	// ErrDataClosed or control.ErrFull where they fit.
	WhyStopped(ctx context.Context) error
	// Quit ends the agent, and the node in it. A service goes on.
	Quit(ctx context.Context) error
}

// Prefs are the window's and the agent's preferences, one file in the profile.
type Prefs struct {
	Welcomed bool      `json:"welcomed,omitempty"`  // the first start was seen through
	Browsing bool      `json:"browsing,omitempty"`  // .alt opens in this person's browsers, as Setup verified
	Theme    string    `json:"theme,omitempty"`     // "": as the system, "light", "dark"
	Language string    `json:"language,omitempty"`  // BCP 47; "": as the system
	Watched  []string  `json:"watched,omitempty"`   // folders, absolute
	Followed []string  `json:"followed,omitempty"`  // sites whose updates are told of
	BackedUp time.Time `json:"backed_up,omitzero"`  // when a restore test last passed
	TraySaid bool      `json:"tray_said,omitempty"` // that there is no tray was said once
}

// SetupChoice is what the person wants of Setup.
type SetupChoice struct {
	Browsing bool // .alt in the browsers' address bars
	Trust    bool // the installation's certificate, for https
}

// SetupPlan is what Setup would do.
type SetupPlan struct {
	Changes []SetupChange
	Prompts int    // passwords that the system will ask for
	Door    string // how names would get in: "pac", "nrpt", "resolved", "hook", "macos", "localhost"
	InWay   []Text // what keeps a better way from being used, and what to do; none if nothing
}

// SetupChange is one thing that Setup changes.
type SetupChange struct {
	ID       string // stable word, names the text in the catalogue as setup.change.ID
	Text     Text
	Elevated bool // needs an administrator
	Trust    bool // belongs to the certificate
}

// SetupStep is how far Setup has come.
type SetupStep struct {
	Change SetupChange
	Done   bool
	Err    error
}

// SetupResult is what Setup brought about, verified.
type SetupResult struct {
	Browsing bool   // .alt opens in the browsers
	Trusted  bool   // https without a warning
	Door     string // as in SetupPlan
	Why      string // why Browsing is false, for people
}

// CheckState is what a Check found.
type CheckState string

// The states of a Check.
const (
	CheckOK      CheckState = "ok"
	CheckWarning CheckState = "warning"
	CheckBroken  CheckState = "broken"
	CheckUnknown CheckState = "unknown" // could not be examined
)

// Check is one thing that the doctor looked at.
type Check struct {
	ID      string // stable, for Fix
	Title   Text   // what was looked at
	State   CheckState
	Found   Text // what is there
	Meaning Text // what it means for the person
	Remedy  Text // what to do
	Fixable bool // Fix can do it
	Prompts bool // Fix asks for a password
}

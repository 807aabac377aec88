package setup

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"altnet/platform/browser"
)

// State is what a check found.
type State string

// The states of a check.
const (
	OK      State = "ok"
	Warn    State = "warn"    // works, but not for everything or not for long
	Bad     State = "bad"     // does not work
	Unknown State = "unknown" // could not be examined
)

// Check is one thing that the doctor looked at.
type Check struct {
	ID     string `json:"id"`    // lasting: "doh:…", "trust:…" for one of several
	Title  Text   `json:"title"` // what was looked at
	State  State  `json:"state"`
	Found  Text   `json:"found"`             // what is there
	Means  Text   `json:"means,omitzero"`    // what that means for the person, where not ok
	Remedy Text   `json:"remedy,omitzero"`   // what to do
	Prompt bool   `json:"prompts,omitempty"` // Fix asks for an administrator
	Fixed  bool   `json:"fixed,omitempty"`   // set by who ran Fix
	// Fix mends it, where this program can.
	Fix func(context.Context) error `json:"-"`
}

// Node is what the doctor is told of the node.
type Node struct {
	Running   bool
	Failed    string // why it could not be asked; empty: it does not run
	Online    bool
	Connected bool
	Gateway   string // host:port, empty: closed
	HTTPS     string
	DNS       string
	Data      string    // its folder
	Needs     int64     // bytes that it may still want to store
	Built     time.Time // of the program; the clock cannot be before it
}

// Facts are what the doctor asks of the world around it, beside the Setup.
// Every field may be nil: what it would tell counts as unknown.
type Facts struct {
	Node      func(context.Context) Node
	StartNode func(context.Context) error
	// Lookup asks for a name as any program on this computer does.
	Lookup    func(ctx context.Context, host string) ([]string, error)
	Get       func(ctx context.Context, url string) (status int, err error) // without a proxy
	Free      func(dir string) (int64, error)                               // bytes
	Clock     func(context.Context) (synchronised bool, err error)
	Tunnels   func(context.Context) ([]string, error) // interfaces of a default route that are tunnels
	Antivirus func(context.Context) ([]string, error)
	Browsers  func() []browser.Browser
}

// patience bounds one check.
const patience = 20 * time.Second

// Doctor examines the computer: node, ports, doors, resolver, encrypted DNS
// and proxies of browsers, trust, clock, VPN, disk and antivirus, in this
// order.
func (s *Setup) Doctor(ctx context.Context, f Facts) []Check {
	var node Node
	if f.Node != nil {
		node = f.Node(ctx)
	}
	e := &examination{Setup: s, Facts: f, node: node}
	rounds := []func(context.Context) []Check{
		e.checkNode, e.checkPorts, e.checkDoors, e.checkResolver, e.checkBrowsers,
		e.checkTrust, e.checkClock, e.checkVPN, e.checkDisk, e.checkAntivirus,
	}
	found := make([][]Check, len(rounds))
	var wait sync.WaitGroup
	for i, round := range rounds {
		wait.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, patience)
			defer cancel()
			found[i] = round(ctx)
		})
	}
	wait.Wait()
	return slices.Concat(found...)
}

// Worst returns the gravest state of some checks.
func Worst(checks []Check) State {
	order := []State{OK, Unknown, Warn, Bad}
	worst := OK
	for _, c := range checks {
		if slices.Index(order, c.State) > slices.Index(order, worst) {
			worst = c.State
		}
	}
	return worst
}

type examination struct {
	*Setup
	Facts
	node Node
}

// check makes a Check whose texts are named after what was found: ID is
// doctor.TOPIC.FOUND, with .means and .remedy beside it where there are any.
func check(id, topic, found string, state State, args ...string) Check {
	base := "doctor." + topic
	return Check{
		ID: cmp.Or(id, topic), Title: say(base, args...), State: state,
		Found: say(base+"."+found, args...), Means: sayIf(base+"."+found+".means", args...), Remedy: sayIf(base+"."+found+".remedy", args...),
	}
}

// sayIf is say where there is such a text.
func sayIf(id string, args ...string) Text {
	t := say(id, args...)
	if t.English == "" {
		return Text{}
	}
	return t
}

func unknown(topic string, err error) []Check {
	c := check("", topic, "unknown", Unknown, "why", fmt.Sprint(err))
	if all := sayIf("doctor." + topic + ".all"); all.ID != "" {
		c.Title = all // of several things none could be looked at
	}
	return []Check{c}
}

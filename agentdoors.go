package main

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"altnet/engine/control"
)

// address is what a browser opens for a site: the name where it was set up,
// else the door that works without.
func (a *agent) address(name string) string {
	if a.browsing {
		return "http://" + strings.TrimSuffix(name, "."+suffix) + "." + suffix + "/"
	}
	return secondDoor(name, a.state.Status.Doors.Gateway)
}

// openDoors leads the person's browsers to the gateway again, where they
// agreed to that once: from the start, and anew when the gateway has moved or
// another node has taken the place of the one before.
func (a *agent) openDoors(ctx context.Context) {
	st := a.state.Status
	if st.Doors.Gateway == "" || st.Doors.Gateway == a.gateway && st.NodeID == a.ledTo {
		return
	}
	if a.letGo != nil {
		a.letGo()
	}
	if former := a.ledTo; former != "" && former != st.NodeID {
		a.atDoors(func() { a.takeBack(context.WithoutCancel(ctx), former) })
	}
	a.gateway, a.ledTo = st.Doors.Gateway, st.NodeID
	var keeping context.Context
	keeping, a.letGo = context.WithCancel(ctx)
	of := setupOf{node: a.host.client, status: st, service: st.Host == control.HostService, follows: a.home.Former, log: a.log}
	a.atDoors(func() {
		a.lend(of.lasting(of.gateway(keeping)), st.NodeID)
		keepDoors(keeping, of)
	})
}

// atDoors does work at the doors, one after the other, away from the loop.
func (a *agent) atDoors(work func()) {
	before, done := a.doorWork, make(chan struct{})
	a.doorWork = done
	a.tasks.Go(func() {
		defer close(done)
		if before != nil {
			<-before
		}
		work()
	})
}

// shutDoors takes back what leads to a node that no longer answers: its port is
// anybody's on this computer by now. They are opened again when it is back.
func (a *agent) shutDoors(ctx context.Context) {
	if a.gateway == "" {
		return
	}
	a.gateway = ""
	a.letGo()
	node := a.ledTo
	a.atDoors(func() { a.takeBack(context.WithoutCancel(ctx), node) })
}

// takeBack takes back the doors to a node.
func (a *agent) takeBack(ctx context.Context, node string) {
	ctx, cancel := context.WithTimeout(ctx, takeBackTime)
	defer cancel()
	if err := stopDoors(ctx, node, a.log); err != nil {
		sayLeft(a.log, err)
	}
}

// The doors are the agent's to take back but those to a service's own port:
// those stay open while no agent runs. What it would leave if it were killed
// right now is noted in a file and known to its guard.

// lentFile holds the ID of the node whose doors end with the agent.
func lentFile(profile string) string { return filepath.Join(agentDir(profile), "lent") }

// lend prepares for doors to a node being opened. It is work at the doors.
func (a *agent) lend(lasting bool, node string) {
	if lasting {
		node = ""
	}
	if node == a.lent {
		return
	}
	a.guard.dismiss()
	a.guard, a.lent = nil, node
	if node == "" {
		os.Remove(lentFile(a.profile))
		return
	}
	if err := os.WriteFile(lentFile(a.profile), []byte(node), 0o600); err != nil {
		a.log.Warn("a kill of the agent may leave its doors", "err", err)
	}
	var err error
	if a.guard, err = startGuard(a.program, a.opts.passOn(), node, agentDir(a.profile), a.log); err != nil {
		a.log.Warn("a kill of the agent leaves its doors to the next start", "err", err)
	}
}

// closeDoors takes back what leads to a node that ends with the agent: a proxy
// script without its server would be in everybody's way. All work at the doors
// is done.
func (a *agent) closeDoors() {
	if a.lent == "" {
		return
	}
	a.takeBack(context.Background(), a.lent)
	a.lend(true, "")
}

// cleanDoors takes back what an agent left that was killed, and whose guard
// went with it.
func (a *agent) cleanDoors(ctx context.Context) {
	node, err := os.ReadFile(lentFile(a.profile))
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	if err == nil {
		err = takeBackDoors(ctx, agentDir(a.profile), string(node), nil, a.log)
	}
	if err != nil {
		a.log.Warn("take back what an agent left that was killed", "err", err)
	}
}

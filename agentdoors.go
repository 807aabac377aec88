package main

import (
	"context"
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
// agreed to that once: from the start, and anew when the gateway has moved.
func (a *agent) openDoors(ctx context.Context) {
	st := a.state.Status
	if st.Doors.Gateway == "" || st.Doors.Gateway == a.gateway {
		return
	}
	a.gateway = st.Doors.Gateway
	if a.letGo != nil {
		a.letGo()
	}
	ctx, a.letGo = context.WithCancel(ctx)
	a.atDoors(func() {
		keepDoors(ctx, setupOf{node: a.host.client, status: st, service: st.Host == control.HostService, log: a.log})
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
	a.atDoors(func() { a.takeBack(context.WithoutCancel(ctx)) })
}

// closeDoors takes back what leads to an engine that ends with the agent: a
// proxy script without its server would be in everybody's way.
func (a *agent) closeDoors() {
	if !a.host.service() {
		a.takeBack(context.Background())
	}
}

func (a *agent) takeBack(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, takeBackTime)
	defer cancel()
	su, err := newSetup(ctx, setupOf{log: a.log})
	if err == nil {
		err = su.Stop(ctx)
	}
	if err != nil {
		sayLeft(a.log, err)
	}
}

// guardDoors takes back what an agent left that was killed, and has a guard do
// so for this one. It returns what dismisses the guard. The doors to a service
// stay open while no agent runs: the service does not end with it.
func (a *agent) guardDoors(ctx context.Context) (dismiss func()) {
	if a.host.service() {
		return func() {}
	}
	if err := takeBackDoors(ctx, a.profile, nil, a.log); err != nil {
		a.log.Warn("take back what an agent left that was killed", "err", err)
	}
	g, err := startGuard(a.program, a.opts.passOn(), a.log)
	if err != nil {
		a.log.Warn("a kill of the agent leaves its doors to the next start", "err", err)
	}
	return g.dismiss
}

package main

import (
	"context"
	"strings"
	"time"

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
// agreed to that once: at the start, and when the gateway has moved.
func (a *agent) openDoors(ctx context.Context) {
	st := a.state.Status
	if st.Doors.Gateway == "" || st.Doors.Gateway == a.gateway {
		return
	}
	a.gateway = st.Doors.Gateway
	a.tasks.Go(func() {
		su, err := newSetup(setupOf{status: st, service: st.Host == control.HostService, log: a.log})
		if err != nil {
			a.log.Warn("browsers are not led to AltNet", "err", err)
			return
		}
		r, err := su.Start(ctx)
		if err != nil || r.Why != "" {
			a.log.Warn("browsers are not led to AltNet", "err", err, "why", r.Why)
		}
	})
}

// closeDoors takes back what leads to an engine that ends with the agent: a
// proxy script without its server would be in everybody's way.
func (a *agent) closeDoors() {
	if a.host.service() {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	su, err := newSetup(setupOf{log: a.log})
	if err == nil {
		err = su.Stop(ctx)
	}
	if err != nil {
		a.log.Warn("browsers are still led to AltNet, which has ended; altnet undo takes that back", "err", err)
	}
}

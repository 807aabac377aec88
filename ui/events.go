package ui

import (
	"context"
	"errors"
	"time"

	"altnet/engine/control"
)

// Waits between attempts to reach a node that does not answer.
const (
	retryFirst = 500 * time.Millisecond
	retryMost  = 5 * time.Second
)

// follow applies the node's events until Close, and says when it is gone.
func (a *App) follow() {
	wait := retryFirst
	for a.ctx.Err() == nil {
		err := a.stream(func() { wait = retryFirst })
		if a.ctx.Err() != nil {
			return
		}
		if err == nil {
			err = control.ErrClosed
		}
		a.do(func() { a.lost(err) })
		select {
		case <-time.After(wait):
		case <-a.ctx.Done():
		}
		wait = min(2*wait, retryMost)
	}
}

// stream reads one connection's events until it ends.
func (a *App) stream(alive func()) error {
	for event, err := range a.ctl.Events(a.ctx) {
		if err != nil {
			return err
		}
		alive()
		a.do(func() { a.apply(event) })
	}
	return nil
}

// apply shows what an event says, here and on the pages.
func (a *App) apply(e control.Event) {
	if a.ctx.Err() != nil {
		return
	}
	if e.Kind == control.EventStatus && e.Status != nil {
		a.noteMove(*e.Status)
		a.status, a.down, a.known, a.why = *e.Status, nil, true, nil
		a.askAnew()
		a.refreshStatus()
	}
	a.nav.apply(e)
}

// unasked reports whether nobody has agreed yet that the node is a peer, where
// this person could: another node may have taken the place of the one that they
// agreed to. What moves takes the agreement along, which has its time.
func (a *App) unasked() bool {
	s := a.status
	return a.known && a.down == nil && s.NodeID != "" && s.Operator && !s.Accepted && a.moved == "" && !a.agreed
}

// askAnew shows the first start again to a person whose node nobody agreed to,
// and takes it away when somebody did elsewhere.
func (a *App) askAnew() {
	ask := a.unasked()
	if ask && a.welcome == nil && a.publishing == nil || !ask && a.welcome != nil && a.welcome.outcome == nil && a.prefs.Welcomed {
		a.arrange()
	}
}

// noteMove notices that a service has taken the place of the agent's node, or
// the other way round.
func (a *App) noteMove(now control.Status) {
	was := a.status.Host
	if was != "" && now.Host != "" && was != now.Host && (was == control.HostService || now.Host == control.HostService) {
		a.moved = now.Host
	}
}

// askWhy asks the agent why its node does not run.
func (a *App) askWhy() {
	if a.asking {
		return
	}
	a.asking = true
	a.act(func(ctx context.Context) error {
		ctx, stop := withTimeout(ctx)
		defer stop()
		return a.desk.WhyStopped(ctx)
	}, func(why error) {
		a.asking = false
		if a.down != nil && !errors.Is(why, context.DeadlineExceeded) {
			a.why = why
			a.banner.update()
		}
	})
}

// member reports whether this person uses the computer's service, which somebody
// else operates.
func (a *App) member() bool { return a.status.Host == control.HostService && !a.status.Operator }

// lost notes that the node does not answer.
func (a *App) lost(err error) {
	a.down, a.known = err, true
	a.askWhy()
	a.log.Debug("the node does not answer", "err", err)
	a.refreshStatus()
	a.nav.apply(control.Event{Kind: control.EventStatus})
}

// refreshStatus draws what hangs on the status around the pages.
func (a *App) refreshStatus() {
	a.banner.update()
	a.nav.refresh()
	if a.welcome != nil {
		a.welcome.update()
	}
}

// followFolders learns from the desktop which watched folders changed.
func (a *App) followFolders() {
	a.desk.WatchFolders(a.ctx, func(folders []string) {
		a.do(func() { a.foldersChanged(folders) })
	})
}

func (a *App) foldersChanged(folders []string) {
	clear(a.changed)
	for _, f := range folders {
		a.changed[f] = true
	}
	a.nav.apply(control.Event{})
}

// withTimeout bounds a question that a person waits for.
func withTimeout(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, 20*time.Second)
}

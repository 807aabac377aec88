package main

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"sync"
	"time"

	"altnet/assets"
	"altnet/engine/control"
	"altnet/engine/publisher"
	"altnet/platform/desktop"
	"altnet/platform/instance"
	"altnet/platform/notify"
	"altnet/platform/service"
	"altnet/platform/setup"
	"altnet/ui/tray"
)

// agent is the process of one desktop session. One goroutine, the loop, owns
// its state: everything else posts to it.
type agent struct {
	opts    *options
	profile string
	program string
	log     *slog.Logger
	prefs   prefsFile
	host    *host
	window  *windowProcess

	inbox   chan func()
	views   chan tray.View
	stopped chan struct{}   // the loop is over, or never began
	tasks   sync.WaitGroup  // goroutines besides the loop
	life    context.Context // ends with the agent
	stop    context.CancelCauseFunc

	// Of the loop.
	state     tray.State
	texts     assets.Texts
	notes     *notify.Notifier // nil: the desktop shows none
	folders   *folders         // nil: the system watches none
	browsing  bool             // .alt opens in the browsers
	gateway   string           // that the doors were led to last; "" while they are shut
	ledTo     string           // ID of the node that they were led to last
	home      home             // the node that the agent has, or had last
	fetching  bool             // what was on the node before is being brought here
	noted     time.Time        // when the settings were
	letGo     func()           // ends keeping the doors open; nil: never begun
	doorWork  chan struct{}    // closed when the last work at the doors is done
	listeners map[chan []string]bool
	told      bool   // that the service is down
	whyDown   string // what was said last of a node that does not run; "" while it does
	shown     bool   // somebody shows tray icons
	looked    bool   // and that is known

	// Of the work at the doors.
	lent  string // ID of the node whose doors end with the agent; "" for none
	guard *guard // nil: nobody takes them back when the agent is killed
}

// run starts everything, shows the tray on this goroutine, and ends everything.
func (a *agent) run(want show) error {
	ctx := a.life
	a.cleanDoors(ctx)
	a.host.start(ctx)
	defer a.host.stop()
	defer a.closeDoors()
	a.startDesktop(ctx)
	a.tasks.Go(func() { a.loop(ctx) })
	if want.window {
		r := want.request()
		a.post(ctx, func() { a.openWindow(ctx, r) })
	}
	a.trayUntil(ctx)
	<-ctx.Done()
	a.window.quit()
	a.tasks.Wait()
	a.closeDesktop()
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, context.Canceled) {
		return cause
	}
	return nil
}

// startDesktop starts what hangs on the person's desktop. None of it is needed
// by the node.
func (a *agent) startDesktop(ctx context.Context) {
	var err error
	clicked := func(subject string) { a.post(ctx, func() { a.noteClicked(ctx, subject) }) }
	if a.notes, err = notify.Open(trayIcons()[tray.Online], clicked, a.log); err != nil {
		a.log.Info("no notifications", "err", err)
	}
	changed := func(folder string) { a.post(ctx, func() { a.folderChanged(ctx, folder) }) }
	if a.folders, err = openFolders(changed, a.log); err != nil {
		a.log.Warn("folders are not watched", "err", err)
	}
	a.tasks.Go(func() { a.follow(ctx) })
	a.tasks.Go(func() { a.keep(ctx) })
	a.tasks.Go(func() { a.watchProgram(ctx) })
	a.tasks.Go(func() { a.followSites(ctx) })
	a.post(ctx, func() { a.readPrefs(ctx) })
}

func (a *agent) closeDesktop() {
	if a.notes != nil {
		a.notes.Close()
	}
	if a.folders != nil {
		a.folders.Close()
	}
}

// keep renews the person's sites, through whatever node there is.
func (a *agent) keep(ctx context.Context) {
	p, err := publisher.Open(a.profile)
	if err != nil {
		a.log.Warn("sites are not renewed", "err", err)
		return
	}
	publisher.Keep(ctx, p, a.host.client, a.log)
}

// trayUntil shows the tray where there is a bus for it, else it only waits.
func (a *agent) trayUntil(ctx context.Context) {
	present := make(chan bool)
	failed := make(chan struct{})
	a.tasks.Go(func() {
		defer close(failed)
		err := tray.Watch(ctx, func(shown bool) {
			a.post(ctx, func() { a.trayShown(ctx, shown) })
			select {
			case present <- shown:
			case <-ctx.Done():
			}
		})
		if err != nil {
			a.log.Info("no tray", "err", err)
			a.post(ctx, func() { a.trayShown(ctx, false) })
		}
	})
	select {
	case <-present:
	case <-failed:
		return
	case <-ctx.Done():
		return
	}
	a.tasks.Go(func() { // who else comes and goes is for the loop
		for {
			select {
			case <-present:
			case <-failed:
				return
			}
		}
	})
	tray.Run(ctx, tray.Config{Icons: trayIcons(), Views: a.views, Clicked: func(action tray.Action, arg string) {
		a.post(ctx, func() { a.clicked(ctx, action, arg) })
	}})
}

// post hands work to the loop.
func (a *agent) post(ctx context.Context, work func()) {
	select {
	case a.inbox <- work:
	case <-ctx.Done():
	case <-a.stopped:
	}
}

// redrawAfter is how soon a task that nobody speaks of, or a pause that ends,
// is looked at again.
const redrawAfter = 10 * time.Second

func (a *agent) loop(ctx context.Context) {
	defer close(a.stopped)
	timer := time.NewTimer(redrawAfter)
	defer timer.Stop()
	for {
		a.draw()
		if len(a.state.Tasks) > 0 || a.state.Status.Paused != nil {
			timer.Reset(redrawAfter)
		} else {
			timer.Stop()
		}
		select {
		case <-ctx.Done():
			return
		case work := <-a.inbox:
			work()
		case <-timer.C:
		}
	}
}

// draw hands the newest view to the tray, in place of one it has not taken.
func (a *agent) draw() {
	view := tray.ViewOf(a.state, a.texts, time.Now())
	select {
	case <-a.views:
	default:
	}
	a.views <- view // the loop alone sends
}

// trayShown learns whether the icon can be seen. Where it cannot, the person
// is told once how to get the window back.
func (a *agent) trayShown(ctx context.Context, shown bool) {
	a.shown, a.looked = shown, true
	prefs, err := a.prefs.load()
	if shown || err != nil || prefs.TraySaid || a.notes == nil || !tray.Available {
		return
	}
	note := notify.Note{Subject: "no-tray", Title: a.texts.Get("note.no-tray.title"), Body: a.texts.Get("note.no-tray.body")}
	a.tasks.Go(func() {
		if a.show(ctx, note) == nil {
			a.prefs.change(func(p *preferences) { p.TraySaid = true })
		}
	})
}

// clicked does what the tray's menu asks.
func (a *agent) clicked(ctx context.Context, action tray.Action, arg string) {
	switch action {
	case tray.OpenWindow:
		a.openWindow(ctx, show{window: true}.request())
	case tray.Publish:
		a.openWindow(ctx, instance.Request{Do: doShow, Env: map[string]string{"publish": "ask"}})
	case tray.GoOnline, tray.GoOffline:
		a.do(ctx, func() error { return a.host.client.SetOnline(ctx, action == tray.GoOnline) })
	case tray.PauseHour:
		a.do(ctx, func() error { return a.host.client.Pause(ctx, time.Now().Add(time.Hour)) })
	case tray.Resume:
		a.do(ctx, func() error { return a.host.client.Pause(ctx, time.Time{}) })
	case tray.OpenSite:
		a.do(ctx, func() error { return desktop.OpenURL(ctx, arg) })
	case tray.StartService:
		a.do(ctx, func() error { return a.host.restart(ctx) })
	case tray.Quit:
		a.quit(ctx)
	}
}

// do does work that may wait, and says when it failed.
func (a *agent) do(ctx context.Context, work func() error) {
	a.tasks.Go(func() {
		err := work()
		if err == nil || ctx.Err() != nil || errors.Is(err, setup.ErrDeclined) {
			return
		}
		a.log.Warn("a click in the tray", "err", err)
		a.show(ctx, notify.Note{Subject: "failed", Title: a.textsNow(ctx, "note.failed.title"), Body: a.textsNow(ctx, "note.failed.body", "why", err.Error())})
	})
}

// textsNow gets a text away from the loop.
func (a *agent) textsNow(ctx context.Context, key string, args ...string) string {
	text := make(chan string, 1)
	a.post(ctx, func() { text <- a.texts.Get(key, args...) })
	select {
	case t := <-text:
		return t
	case <-ctx.Done():
		return ""
	}
}

// quit ends the agent. A service goes on, which is said.
func (a *agent) quit(ctx context.Context) {
	if !a.state.Service || a.notes == nil {
		a.stop(nil)
		return
	}
	note := notify.Note{Subject: "quit", Title: a.texts.Get("note.quit.title"), Body: a.texts.Get("note.quit.service")}
	a.tasks.Go(func() {
		a.show(ctx, note)
		a.stop(nil)
	})
}

// answer does what other processes of this user ask.
func (a *agent) answer(ctx context.Context, r instance.Request, report func(instance.Reply)) error {
	switch r.Do {
	case doShow:
		a.post(ctx, func() { a.openWindow(a.life, r) })
		return nil
	case doPrefs:
		a.post(ctx, func() { a.readPrefs(a.life) })
		return nil
	case doQuit:
		a.stop(nil)
		return nil
	case doRestart:
		return elevationOf(a.host.restart(ctx))
	case doHere:
		return nil
	case doWhy:
		return a.host.why()
	case doFolders:
		return a.tellFolders(ctx, report)
	case doMove:
		return a.moveData(ctx, r, report)
	}
	return &instance.RequestError{Code: "unknown", Text: "the AltNet that runs does not know " + r.Do + ": quit it and start anew"}
}

// tellFolders reports the watched folders with changes, as they change.
func (a *agent) tellFolders(ctx context.Context, report func(instance.Reply)) error {
	changed := make(chan []string, 1)
	a.post(ctx, func() {
		a.listeners[changed] = true
		changed <- a.changedFolders() // the first: there is room
	})
	defer a.post(context.Background(), func() { delete(a.listeners, changed) })
	for {
		select {
		case list := <-changed:
			text, err := json.Marshal(list)
			if err != nil {
				return err
			}
			report(instance.Reply{Text: string(text)})
		case <-ctx.Done():
			return nil
		case <-a.stopped:
			return nil
		}
	}
}

// follow applies the node's events until ctx ends, whatever node that is.
func (a *agent) follow(ctx context.Context) {
	const first, most = 250 * time.Millisecond, 5 * time.Second
	wait := first
	for ctx.Err() == nil {
		for e, err := range a.host.client.Events(ctx) {
			if err != nil {
				a.log.Debug("the node does not answer", "err", err)
				break
			}
			wait = first
			a.post(ctx, func() { a.apply(ctx, e) })
		}
		a.post(ctx, func() { a.lost(ctx) })
		select {
		case <-time.After(wait):
		case <-ctx.Done():
		}
		wait = min(2*wait, most)
	}
}

// apply takes an event of the node.
func (a *agent) apply(ctx context.Context, e control.Event) {
	first := a.state.Link != tray.Up
	a.state = a.state.With(e)
	a.state.Service = a.state.Status.Host == control.HostService
	a.state.Open = a.address
	a.settleIn(ctx)
	a.noteSettings(ctx)
	a.openDoors(ctx)
	a.told, a.whyDown = false, ""
	if first {
		a.tasks.Go(func() { a.learnSites(ctx) })
	}
	if e.Kind == control.EventNotice && e.Notice != nil {
		a.notice(ctx, *e.Notice)
	}
	if e.Kind == control.EventSite || e.Kind == control.EventReceipt {
		a.refreshFolders(ctx)
	}
}

// learnSites asks for the sites, which events only change.
func (a *agent) learnSites(ctx context.Context) {
	sites, err := a.host.client.Sites(ctx)
	if err != nil {
		a.log.Warn("list the sites", "err", err)
		return
	}
	a.post(ctx, func() {
		a.state.Sites = sites
		a.refreshFolders(ctx)
	})
}

// lost notes that no node answers, and says so once where a service is meant
// to.
func (a *agent) lost(ctx context.Context) {
	link := tray.Down
	if a.host.service() {
		link = tray.ServiceDown
	}
	if a.host.starting() {
		link = tray.Starting
	}
	a.state.Link = link
	a.state.Service = link == tray.ServiceDown
	a.shutDoors(ctx)
	if link == tray.ServiceDown && !a.told {
		a.told = true
		a.notify(ctx, notify.Note{Subject: "service-down", Title: a.texts.Get("note.service-down.title"), Body: a.texts.Get("note.service-down.body"), Urgent: true})
	}
}

// engineFailed says why the agent's own node does not run, once for each reason.
func (a *agent) engineFailed(ctx context.Context, why error) {
	text := a.texts.Get("note.node-down.body", "why", why.Error())
	if e, ok := errors.AsType[*instance.RequestError](why); ok && a.texts.Has("note.node-down."+e.Code) {
		text = a.texts.Get("note.node-down." + e.Code)
	}
	if text == a.whyDown {
		return
	}
	a.whyDown = text
	a.notify(ctx, notify.Note{Subject: "node-down", Title: a.texts.Get("note.node-down.title"), Body: text, Urgent: true})
}

// startService starts the installed service, asking for an administrator where
// that takes one.
func startService(ctx context.Context, program string, log *slog.Logger) error {
	m, err := service.New(service.Config{Executable: program, Log: log})
	if err != nil {
		return err
	}
	if err := m.Start(); !errors.Is(err, service.ErrRights) {
		return err
	}
	return setup.Elevate(ctx, elevation(false), nil, program, "service", "start")
}

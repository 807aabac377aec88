// Package ui is AltNet's window: publishing, one's sites, browsing, the
// network, keys, settings and the doctor. It knows a node as control.Control
// alone, signs through the publisher in this process, and asks the desktop
// around it through Desktop.
//
// # One goroutine draws
//
// Everything that touches a widget runs on Fyne's goroutine. Work that may
// wait goes through run, which hands its result back there; events of the node
// arrive there too. So pages need no locks.
package ui

import (
	"context"
	"errors"
	"log/slog"
	"sync"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"

	"altnet/assets"
	"altnet/engine/control"
	"altnet/engine/publisher"
)

// Config is what a window is built from. All but Service and Log must be set.
type Config struct {
	App     fyne.App
	Control control.Control
	Profile *publisher.Profile
	Desktop Desktop
	Version string       // of this program, to notice a service of another one
	Service func() bool  // the node is the installed service, running or not; nil: it never is
	Log     *slog.Logger // nil: discarded
}

// App is the window and what it shows.
type App struct {
	fyne    fyne.App
	ctl     control.Control
	profile *publisher.Profile
	author  *publisher.Author
	desk    Desktop
	version string
	service func() bool
	log     *slog.Logger
	do      func(func()) // on the goroutine that draws

	ctx     context.Context // ends with Close
	cancel  context.CancelFunc
	tasks   sync.WaitGroup
	started bool

	// Of the goroutine that draws.
	win         fyne.Window
	said        assets.Texts         // what the desktop says, in the person's language
	saidEnglish assets.Texts         // and in the language it comes in
	shortcuts   fyne.ShortcutHandler // the window's, for fields that would swallow them
	catalog     *assets.Catalog
	setupSays   *assets.Catalog // of what the desktop says
	texts       assets.Texts
	prefs       Prefs
	status      control.Status
	down        error           // why the node does not answer; nil while it does
	known       bool            // a first status or failure has come
	why         error           // why the agent says that its node does not run; nil: unknown
	asking      bool            // it is being asked
	agreed      bool            // in this window, to be a peer
	moved       control.Host    // the node is in another place since; "" once that was read
	changed     map[string]bool // watched folders with unpublished changes
	waiting     []string        // folders dropped before the first start was seen through
	nav         *navigation
	publishing  *publishPage // publishes right now, in view or not; nil: none does
	banner      *banner
	welcome     *welcome        // the first start, nil once it was seen through
	fitted      fyne.Size       // the room that what is in view needed last
	frame       *fyne.Container // what fills the window: navigation or first start
}

// New builds the window without showing it. Start it, then run the Fyne app.
func New(cfg Config) (*App, error) { return newApp(cfg, fyne.Do) }

// newApp is New with the way onto the goroutine that draws.
func newApp(cfg Config, do func(func())) (*App, error) {
	catalog, err := assets.OpenUI()
	if err != nil {
		return nil, err
	}
	setupSays, err := assets.OpenSetup()
	if err != nil {
		return nil, err
	}
	a := &App{
		fyne: cfg.App, ctl: cfg.Control, profile: cfg.Profile, desk: cfg.Desktop, version: cfg.Version, service: cfg.Service, log: cfg.Log,
		catalog: catalog, setupSays: setupSays, author: publisher.NewAuthor(cfg.Profile, cfg.Control), changed: map[string]bool{},
	}
	if a.service == nil {
		a.service = func() bool { return false }
	}
	if a.log == nil {
		a.log = slog.New(slog.DiscardHandler)
	}
	a.do = func(draw func()) {
		do(func() {
			draw()
			a.fit()
		})
	}
	a.ctx, a.cancel = context.WithCancel(context.Background())
	if a.prefs, err = a.desk.Prefs(); err != nil {
		a.log.Warn("read the window's preferences", "err", err) // the defaults will do
	}
	a.win = a.fyne.NewWindow("AltNet")
	a.win.SetMaster()
	a.win.SetOnDropped(a.dropped)
	a.win.SetCloseIntercept(a.closing)
	a.frame = container.NewStack()
	a.win.SetPadded(false)
	a.win.SetContent(a.frame)
	a.win.Resize(fyne.NewSize(980, 660))
	a.addShortcuts()
	a.restyle()
	return a, nil
}

// Start shows the window and begins to follow the node.
func (a *App) Start() {
	if !a.started {
		a.started = true
		a.tasks.Go(a.follow)
		a.tasks.Go(a.followFolders)
	}
	a.win.Show()
}

// Close ends all work of the window and waits for it. It may be called twice,
// and not from the goroutine that draws.
func (a *App) Close() error {
	a.cancel()
	a.tasks.Wait()
	return nil
}

// Window returns the one window there is.
func (a *App) Window() fyne.Window { return a.win }

// Raise brings the window to the front. Any goroutine may call it.
func (a *App) Raise() {
	a.do(func() {
		a.win.Show()
		a.win.RequestFocus()
	})
}

// Publish offers folders for publishing, as if they were dropped. Any
// goroutine may call it.
func (a *App) Publish(folders []string) {
	a.do(func() { a.publish(folders) })
}

// AddFolder asks for a folder to publish. Any goroutine may call it.
func (a *App) AddFolder() { a.do(a.addFolder) }

// OpenSite shows one of the user's sites. Any goroutine may call it.
func (a *App) OpenSite(name string) {
	a.do(func() {
		if a.prefs.Welcomed {
			a.nav.open(newSitePage(a, name))
		}
	})
}

// restyle builds everything anew in the language and theme of the
// preferences: at the start and when they change.
func (a *App) restyle() {
	a.texts = a.catalog.For(a.language())
	a.said, a.saidEnglish = a.setupSays.For(a.language()), a.setupSays.For(assets.Fallback)
	a.fyne.Settings().SetTheme(newTheme(a.prefs.Theme))
	selected := ""
	if a.nav != nil {
		selected = a.nav.leave()
	}
	a.banner = newBanner(a)
	a.nav = newNavigation(a, a.sections())
	a.nav.selectSection(selected)
	a.arrange()
	a.refreshStatus()
}

// arrange shows the first start until the person has agreed, then the window
// as it always is.
func (a *App) arrange() {
	content := a.nav.view()
	if a.welcome = nil; !a.prefs.Welcomed || a.unasked() {
		a.welcome = newWelcome(a)
		content = a.welcome.view()
	}
	a.frame.Objects = []fyne.CanvasObject{container.NewBorder(a.banner.view(), nil, nil, nil, content)}
	a.frame.Refresh()
}

// setPrefs changes the preferences on the disk and here. It is quick: one
// small file.
func (a *App) setPrefs(change func(*Prefs)) {
	saved, err := a.desk.ChangePrefs(change)
	if err != nil {
		a.fail("error.prefs", err)
		change(&a.prefs) // for this run at least
		return
	}
	a.prefs = saved
}

// closing asks before a window is closed that is publishing.
func (a *App) closing() {
	if a.publishing == nil {
		a.win.Close()
		return
	}
	a.ask(a.t("closing.title"), a.t("closing.text"), a.t("closing.yes"), true, a.win.Close)
}

// run does work that may wait away from the goroutine that draws, and hands
// its result to done on it. After Close, done is not called any more.
func run[T any](a *App, work func(ctx context.Context) (T, error), done func(T, error)) {
	runIn(a, a.ctx, work, done)
}

// runIn is run under a context that the caller can end; done still comes.
func runIn[T any](a *App, ctx context.Context, work func(ctx context.Context) (T, error), done func(T, error)) {
	a.tasks.Go(func() {
		v, err := work(ctx)
		if a.ctx.Err() != nil {
			return
		}
		a.do(func() { done(v, err) })
	})
}

// act is run for work without a result.
func (a *App) act(work func(ctx context.Context) error, done func(error)) {
	run(a, func(ctx context.Context) (struct{}, error) { return struct{}{}, work(ctx) },
		func(_ struct{}, err error) { done(err) })
}

// cancelled reports an error that the person brought about.
func cancelled(err error) bool { return errors.Is(err, context.Canceled) }

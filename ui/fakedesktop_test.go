package ui

import (
	"context"
	"slices"
	"sync"
)

// fakeDesktop is a computer whose every answer a test sets.
type fakeDesktop struct {
	mu      sync.Mutex
	prefs   Prefs
	opened  []string // URLs
	shown   []string // folders
	picked  string
	fail    map[string]error // by method
	plan    SetupPlan
	result  SetupResult
	choices []SetupChoice // Setup was called with
	hold    chan struct{} // Setup waits for it, where it is not nil
	checks  []Check
	fixed   []string
	changed chan []string // for WatchFolders
	auto    bool
	called  []string
}

func newFakeDesktop() *fakeDesktop {
	return &fakeDesktop{
		prefs: Prefs{Welcomed: true, Language: "en", Theme: "light"}, fail: map[string]error{}, changed: make(chan []string, 4),
		plan:   SetupPlan{Changes: []SetupChange{{ID: "pac", Text: Text{English: "proxy"}}}, Prompts: 0, Door: "pac"},
		result: SetupResult{Browsing: true, Door: "pac"},
	}
}

func (d *fakeDesktop) enter(method string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.called = append(d.called, method)
	return d.fail[method]
}

func (d *fakeDesktop) has(method string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Contains(d.called, method)
}

func (d *fakeDesktop) Prefs() (Prefs, error) { return d.prefs, d.fail["Prefs"] }

func (d *fakeDesktop) ChangePrefs(change func(*Prefs)) (Prefs, error) {
	if err := d.enter("ChangePrefs"); err != nil {
		return d.prefs, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	change(&d.prefs)
	return d.prefs, nil
}

func (d *fakeDesktop) OpenURL(url string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.opened = append(d.opened, url)
	return d.fail["OpenURL"]
}

func (d *fakeDesktop) ShowFolder(path string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.shown = append(d.shown, path)
	return d.fail["ShowFolder"]
}

func (d *fakeDesktop) PickFolder(context.Context, string) (string, error) {
	return d.picked, d.enter("PickFolder")
}

func (d *fakeDesktop) Authenticate(context.Context, string) error { return d.enter("Authenticate") }
func (d *fakeDesktop) Autostart() (bool, error)                   { return d.auto, d.enter("Autostart") }

func (d *fakeDesktop) SetAutostart(on bool) error {
	d.auto = on
	return d.enter("SetAutostart")
}

func (d *fakeDesktop) WatchFolders(ctx context.Context, tell func([]string)) {
	for {
		select {
		case folders := <-d.changed:
			tell(folders)
		case <-ctx.Done():
			return
		}
	}
}

func (d *fakeDesktop) PlanSetup(_ context.Context, choice SetupChoice) (SetupPlan, error) {
	plan := d.plan
	if choice.Trust {
		plan.Changes = append(slices.Clone(plan.Changes), SetupChange{ID: "trust-user", Text: Text{English: "certificate"}, Trust: true})
	}
	return plan, d.enter("PlanSetup")
}

func (d *fakeDesktop) Setup(_ context.Context, choice SetupChoice, step func(SetupStep)) (SetupResult, error) {
	if err := d.enter("Setup"); err != nil {
		return SetupResult{}, err
	}
	for _, c := range d.plan.Changes {
		step(SetupStep{Change: c, Done: true})
	}
	if d.hold != nil {
		<-d.hold
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.choices = append(d.choices, choice)
	result := d.result
	result.Trusted = choice.Trust
	return result, nil
}

func (d *fakeDesktop) UndoSetup(context.Context) error         { return d.enter("UndoSetup") }
func (d *fakeDesktop) Doctor(context.Context) ([]Check, error) { return d.checks, d.enter("Doctor") }
func (d *fakeDesktop) Restart(context.Context) error           { return d.enter("Restart") }
func (d *fakeDesktop) WhyStopped(context.Context) error        { return d.enter("WhyStopped") }
func (d *fakeDesktop) Quit(context.Context) error              { return d.enter("Quit") }

func (d *fakeDesktop) Fix(_ context.Context, id string) error {
	d.fixed = append(d.fixed, id)
	return d.enter("Fix")
}

func (d *fakeDesktop) MoveData(_ context.Context, dest string, progress func(done, total int64)) error {
	progress(1, 2)
	progress(2, 2)
	return d.enter("MoveData " + dest)
}

//go:build tour && linux

package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/app"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/lang"
	"fyne.io/fyne/v2/test"
	"fyne.io/fyne/v2/widget"

	"altnet/assets"
	"altnet/engine/control"
	"altnet/engine/publisher"
	"altnet/ui"
)

// programs are what the test binary can be started as. As "tour" it is the
// window, which walks through its screens and takes a picture of each: see
// e2e/desktop/tour.sh.
func programs() map[string]func() { return map[string]func(){"altnet": main, "tour": tour} }

// tourist presses what the window shows, by the texts of its language.
type tourist struct {
	app    *ui.App
	ctl    control.Control
	texts  assets.Texts
	dir    string // where the pictures go
	sites  string // folders to publish
	friend string // the name of a site of somebody else
	agent  int    // process
	shots  int
}

// tour shows the window of the agent that runs, and walks.
func tour() {
	o, _, err := parse(nil)
	dressed := func(err error) {
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	dressed(err)
	_, profile, err := o.folders()
	dressed(err)
	keys, err := publisher.Open(profile)
	dressed(err)
	log, err := o.logger(os.Stderr)
	dressed(err)
	client := control.NewClient(o.dialer())
	app.SetMetadata(fyne.AppMetadata{ID: appID, Name: "AltNet", Version: version, Migrations: map[string]bool{"fyneDo": true}})
	fyneApp := app.NewWithID(appID)
	person := &session{terminal: &terminal{in: os.Stdin, out: os.Stdout, err: os.Stderr}, opts: o, control: client}
	window, err := ui.New(ui.Config{App: fyneApp, Control: client, Profile: keys, Desktop: newDesktop(profile, person, log), Version: version, Log: log})
	dressed(err)
	catalog, err := assets.OpenUI()
	dressed(err)
	t := &tourist{app: window, ctl: client, texts: catalog.For(os.Getenv("TOUR_LANGUAGE")), dir: os.Getenv("TOUR_PICTURES"), sites: os.Getenv("TOUR_SITES"), friend: os.Getenv("TOUR_FRIEND")}
	fmt.Sscan(os.Getenv("TOUR_AGENT"), &t.agent)
	window.Start()
	go func() {
		t.walk()
		fyne.Do(fyneApp.Quit)
	}()
	fyneApp.Run()
	window.Close()
}

// walk is the way through the window.
func (t *tourist) walk() {
	t.firstStart()
	for _, s := range []string{"home", "browse", "network", "keys"} {
		t.section(s)
		t.picture("empty-" + s)
	}
	t.settings()
	t.section("about")
	t.picture("about")
	for _, page := range []string{"about.logs.show", "about.libraries.show", "about.licence.show"} {
		if t.press(page) {
			t.rest(time.Second)
			t.picture(strings.ReplaceAll(page, ".", "-"))
			t.back()
		}
	}
	t.connect()
	t.publish()
	t.site()
	t.keys()
	t.browse()
	t.network()
	t.offline()
}

func (t *tourist) firstStart() {
	t.see("welcome.title")
	t.picture("welcome")
	t.press("welcome.plan")
	t.pictureEnd("welcome-plan")
	t.press("welcome.begin")
	t.see("welcome.ready")
	t.picture("welcome-outcome")
	t.rest(6 * time.Second)
	t.picture("welcome-browsing")
	t.press("trust.no")
	t.pictureEnd("welcome-declined")
	t.press("welcome.continue")
}

func (t *tourist) settings() {
	t.section("settings")
	t.rest(time.Second)
	t.pages("settings")
	t.press("settings.advanced")
	t.rest(time.Second)
	t.pages("advanced")
	t.back()
	t.press("settings.data.move")
	t.rest(3 * time.Second)
	if t.press(lang.L("Open")) {
		t.rest(time.Second)
		t.picture("settings-move")
		t.back()
	}
	t.press("settings.quit")
	t.picture("settings-quit")
	t.press("action.cancel")
	t.section("doctor")
	t.rest(8 * time.Second)
	t.pages("doctor")
	if t.press("doctor.setup") {
		t.rest(3 * time.Second)
		t.pages("doctor-setup")
		t.back()
	}
}

// connect waits for the other computers, which the agent is told of here.
func (t *tourist) connect() {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	for _, addr := range strings.Fields(os.Getenv("TOUR_PEERS")) {
		if _, err := t.ctl.Connect(ctx, addr); err != nil {
			fmt.Fprintln(os.Stderr, "connect:", err)
		}
	}
	t.section("home")
	t.rest(3 * time.Second)
	t.picture("home-connected")
	t.press("home.add")
	t.rest(3 * time.Second)
	t.picture("home-pick")
	t.press("action.cancel") // Fyne's word is the same
}

func (t *tourist) publish() {
	garden := filepath.Join(t.sites, "garden")
	t.app.Publish([]string{garden})
	t.rest(3 * time.Second)
	t.picture("publish")
	t.open("publish.leftout.one", "publish.leftout.other")
	t.pages("publish-leftout")
	t.press("publish.go.one")
	t.picture("publish-progress")
	t.rest(200 * time.Millisecond)
	t.picture("publish-progress2")
	t.see("result.published")
	t.rest(2 * time.Second)
	t.picture("publish-receipt")
	t.press("action.done")
	t.app.Publish([]string{filepath.Join(t.sites, "Fotos von früher"), filepath.Join(t.sites, "con"), filepath.Join(t.sites, "empty")})
	t.rest(4 * time.Second)
	t.pages("publish-several")
	t.open("publish.drop.one")
	t.rest(2 * time.Second)
	t.pages("publish-dropped")
	t.open("publish.go.other")
	t.rest(5 * time.Second)
	t.pages("publish-several-receipts")
	t.back()
	os.WriteFile(filepath.Join(garden, "new.html"), []byte("<title>New</title>New"), 0o644)
	t.rest(3 * time.Second)
	t.app.Publish([]string{garden})
	t.rest(3 * time.Second)
	t.open("changes.added.one", "changes.added.other")
	t.pages("publish-update")
	t.press("publish.go.update.one")
	t.see("result.published")
	t.press("action.done")
	t.app.Publish([]string{os.Getenv("HOME")})
	t.rest(2 * time.Second)
	t.pages("publish-home")
	t.back()
	t.section("home")
	t.rest(2 * time.Second)
	t.picture("home")
}

func (t *tourist) site() {
	exec.Command("curl", "-s", "--max-time", "5", "-A", "Mozilla/5.0", "-H", "Accept: text/html", "-x", "http://"+os.Getenv("TOUR_GATEWAY"), "http://garden.alt/").Run()
	t.app.OpenSite("garden.alt")
	t.rest(2 * time.Second)
	t.pages("site")
	t.open("versions.back.of")
	t.picture("site-back")
	t.press("action.cancel")
	t.press("withdraw.button")
	t.picture("site-withdraw")
	t.press("action.cancel")
	t.back()
}

func (t *tourist) keys() {
	t.section("keys")
	t.rest(time.Second)
	t.pages("keys")
	t.press("keys.phrase.show")
	t.rest(2 * time.Second)
	t.picture("keys-lock")
	t.press("phrase.nolock.show")
	t.rest(time.Second)
	t.pages("keys-phrase")
	t.back()
	for _, page := range []string{"keys.phrase.test", "keys.file.save", "keys.file.test", "keys.restore.phrase", "keys.restore.file"} {
		t.over(page)
	}
	t.press("keys.device.look")
	t.rest(3 * time.Second)
	t.picture("keys-devices")
	t.press("action.close")
}

func (t *tourist) browse() {
	t.section("browse")
	t.write(t.friend)
	t.press("browse.open")
	t.rest(4 * time.Second)
	t.picture("browse-opened")
	t.press("browse.more")
	t.rest(2 * time.Second)
	t.pages("visit")
	t.press("visit.report")
	t.pages("report")
	t.back()
	t.press("visit.block")
	t.picture("block")
	t.back()
	t.back()
	t.write("nobody-has-this")
	t.press("browse.open")
	t.rest(4 * time.Second)
	t.picture("browse-unknown")
	t.section("browse")
	t.open("browse.blocked")
	t.rest(time.Second)
	t.picture("blocked")
	t.back()
}

func (t *tourist) network() {
	t.section("network")
	t.rest(time.Second)
	t.pages("network")
	t.press("network.forget")
	t.picture("network-forget")
	t.press("action.cancel")
	t.open("network.peers.other", "network.peers.one")
	t.rest(2 * time.Second)
	t.picture("peers")
	t.back()
}

// offline ends with a node that is no more.
func (t *tourist) offline() {
	t.section("home")
	t.ctl.Pause(context.Background(), time.Now().Add(time.Hour))
	t.rest(time.Second)
	t.picture("home-paused")
	t.ctl.Pause(context.Background(), time.Time{})
	t.ctl.SetOnline(context.Background(), false)
	t.rest(time.Second)
	t.picture("home-offline")
	exec.Command("kill", "-9", fmt.Sprint(t.agent)).Run()
	t.rest(3 * time.Second)
	t.picture("home-stopped")
	t.section("settings")
	t.rest(time.Second)
	t.picture("settings-stopped")
}

// section goes to an entry of the sidebar.
func (t *tourist) section(id string) { t.press("nav." + id) }

// over takes pictures of a page that a button opens, and comes back.
func (t *tourist) over(key string) {
	if t.press(key) {
		t.rest(time.Second)
		t.pages(strings.ReplaceAll(key, ".", "-"))
		t.back()
	}
}

func (t *tourist) back() { t.press("nav.back") }

// rest lets the window work: what it shows next has no sign to wait for.
func (t *tourist) rest(d time.Duration) { <-time.After(d) }

// press presses what bears the text of a key, or a text.
func (t *tourist) press(key string) bool {
	text := key
	if t.texts.Has(key) {
		text = t.texts.Get(key)
	}
	return t.pressWhere(key, func(label string) bool { return label == text || strings.HasPrefix(label, text+", ") })
}

// open presses what bears one of the texts, whatever stands in its places.
func (t *tourist) open(keys ...string) bool {
	return t.pressWhere(keys[0], func(label string) bool {
		for _, key := range keys {
			text := t.texts.Get(key)
			before, after, _ := strings.Cut(text, "{")
			if before == "" {
				_, after, _ = strings.Cut(after, "}")
				before, _, _ = strings.Cut(after, "{")
				if strings.Contains(label, before) {
					return true
				}
			} else if strings.HasPrefix(label, before) {
				return true
			}
		}
		return false
	})
}

func (t *tourist) pressWhere(what string, is func(label string) bool) bool {
	for range 40 {
		found := false
		fyne.DoAndWait(func() {
			t.visit(func(o fyne.CanvasObject) {
				target, ok := o.(fyne.Tappable)
				if d, can := o.(fyne.Disableable); found || !ok || can && d.Disabled() || !is(labelOf(o)) {
					return
				}
				found = true
				target.Tapped(&fyne.PointEvent{})
			})
		})
		if found {
			t.rest(300 * time.Millisecond)
			return true
		}
		t.rest(100 * time.Millisecond)
	}
	fmt.Fprintln(os.Stderr, "nothing to press:", what)
	return false
}

// see waits for a text.
func (t *tourist) see(key string) {
	for range 100 {
		found := false
		fyne.DoAndWait(func() {
			t.visit(func(o fyne.CanvasObject) {
				if l, ok := o.(*widget.Label); ok && strings.HasPrefix(l.Text, t.texts.Get(key)) {
					found = true
				}
			})
		})
		if found {
			return
		}
		t.rest(100 * time.Millisecond)
	}
	fmt.Fprintln(os.Stderr, "not to be seen:", key)
}

// write types into the first field.
func (t *tourist) write(text string) {
	fyne.DoAndWait(func() {
		done := false
		t.visit(func(o fyne.CanvasObject) {
			if e, ok := o.(interface{ SetText(string) }); ok && !done {
				if _, field := o.(fyne.Focusable); field {
					e.SetText(text)
					done = true
				}
			}
		})
	})
}

func labelOf(o fyne.CanvasObject) string {
	if a, ok := o.(fyne.Accessible); ok {
		return a.AccessibilityLabel()
	}
	switch o := o.(type) {
	case *widget.Button:
		return o.Text
	case *widget.Check:
		return o.Text
	}
	return ""
}

// visit goes through what is in view: the topmost dialog, or the window.
func (t *tourist) visit(see func(fyne.CanvasObject)) {
	c := t.app.Window().Canvas()
	root := c.Overlays().Top()
	if root == nil {
		root = c.Content()
	}
	t.below(root, see)
}

func (t *tourist) below(o fyne.CanvasObject, see func(fyne.CanvasObject)) {
	if o == nil || !o.Visible() {
		return
	}
	see(o)
	var children []fyne.CanvasObject
	switch o := o.(type) {
	case *fyne.Container:
		children = o.Objects
	case fyne.Widget:
		children = test.WidgetRenderer(o).Objects()
	}
	for _, child := range children {
		t.below(child, see)
	}
}

// pages takes pictures of all of a page, however long.
func (t *tourist) pages(name string) {
	t.picture(name)
	for i := 2; i < 8; i++ {
		moved := false
		t.scroll(func(s *container.Scroll) {
			before := s.Offset.Y
			s.Offset.Y = min(before+s.Size().Height*0.9, max(0, s.Content.MinSize().Height-s.Size().Height))
			s.Refresh()
			moved = moved || s.Offset.Y > before+2
		})
		if !moved {
			break
		}
		t.picture(fmt.Sprintf("%s-%d", name, i))
	}
	t.scroll(func(s *container.Scroll) { s.ScrollToTop() })
}

// pictureEnd takes a picture of the end of a page.
func (t *tourist) pictureEnd(name string) {
	t.scroll(func(s *container.Scroll) { s.ScrollToBottom() })
	t.picture(name)
}

// scroll turns to the part of the page that scrolls, if one is longer than
// its room.
func (t *tourist) scroll(turn func(*container.Scroll)) {
	fyne.DoAndWait(func() {
		var longest *container.Scroll
		t.visit(func(o fyne.CanvasObject) {
			s, ok := o.(*container.Scroll)
			if ok && s.Content != nil && s.Content.MinSize().Height > s.Size().Height+2 && (longest == nil || s.Size().Height > longest.Size().Height) {
				longest = s
			}
		})
		if longest != nil {
			turn(longest)
		}
	})
}

// picture takes one of the whole display, as a person sees it.
func (t *tourist) picture(name string) {
	t.rest(400 * time.Millisecond)
	t.shots++
	path := filepath.Join(t.dir, fmt.Sprintf("%02d-%s.png", t.shots, name))
	if out, err := exec.Command("import", "-window", "root", path).CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v %s\n", path, err, out)
	}
}

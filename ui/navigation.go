package ui

import (
	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/driver/desktop"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"

	"altnet/engine/control"
)

// page is one screen. Its methods run on the goroutine that draws.
type page interface {
	// content builds the page; it is called once.
	content() fyne.CanvasObject
	// enter is called each time the page comes into view: the place to load.
	enter()
	// leave is called when it goes out of view: the place to end what only
	// matters while somebody looks.
	leave()
	// apply shows an event of the node, in view or not. A status event without
	// Status says that the node is gone; an empty one that something else
	// changed (watched folders).
	apply(control.Event)
}

// loader is a page that shows what the node says, or why it said nothing.
type loader interface{ load() }

// watcher is a page that follows events before anybody opened it, for its
// badge in the sidebar.
type watcher interface{ watch(control.Event) }

// section is an entry of the sidebar and the page behind it.
type section struct {
	id    string // stable; the catalogue's nav.ID is its text
	icon  fyne.Resource
	page  page
	badge func() string // a short text beside the entry, "" for none; may be nil
}

// sections are the entries of the sidebar, in order.
func (a *App) sections() []section {
	keys := newKeysPage(a)
	return []section{
		{id: "home", icon: theme.HomeIcon(), page: newHomePage(a)},
		{id: "browse", icon: theme.SearchIcon(), page: newBrowsePage(a)},
		{id: "network", icon: theme.GridIcon(), page: newNetworkPage(a)},
		{id: "keys", icon: keyIcon(), page: keys, badge: keys.badge},
		{id: "settings", icon: theme.SettingsIcon(), page: newSettingsPage(a)},
		{id: "doctor", icon: theme.ComputerIcon(), page: newDoctorPage(a)},
		{id: "about", icon: theme.InfoIcon(), page: newAboutPage(a)},
	}
}

// navigation is the sidebar and the page beside it. Pages may be opened over a
// section; Back and Escape close them.
type navigation struct {
	app      *App
	sections []section
	entries  []*navEntry
	current  int
	over     []page // opened over the section, last on top
	built    map[page]fyne.CanvasObject
	stage    *fyne.Container
	root     fyne.CanvasObject
	gone     bool // the node did not answer when it was last heard of
}

type navEntry struct {
	*tappable
	badge *widget.Label
}

func newNavigation(a *App, sections []section) *navigation {
	n := &navigation{app: a, sections: sections, current: -1, built: map[page]fyne.CanvasObject{}, stage: container.NewStack()}
	side := container.NewVBox(spacer(6))
	for i, s := range sections {
		e := n.entry(i, s)
		n.entries = append(n.entries, e)
		side.Add(e)
	}
	sidebar := container.NewStack(newSurface(colorSidebar, "", 0), container.New(&leastLayout{width: sidebarWidth}, container.NewVScroll(inset(8, side))))
	n.root = container.NewBorder(nil, nil, sidebar, nil, n.stage)
	return n
}

func (n *navigation) entry(i int, s section) *navEntry {
	text := n.app.t("nav." + s.id)
	badge := widget.NewLabel("")
	badge.Importance = widget.WarningImportance
	badge.SizeName = theme.SizeNameCaptionText
	badge.Hide()
	content := inset(2, container.NewBorder(nil, nil,
		container.NewHBox(spacerWide(4), widget.NewIcon(s.icon)), nil, container.New(tightLayout{}, widget.NewLabel(text), badge)))
	return &navEntry{tappable: newTappable(text, content, func() { n.show(i) }), badge: badge}
}

// sidebarWidth keeps the sidebar from moving with its badges.
const sidebarWidth = 200

// leastLayout fills its room and asks for a least width.
type leastLayout struct{ width float32 }

// MinSize implements fyne.Layout.
func (l *leastLayout) MinSize(objects []fyne.CanvasObject) fyne.Size {
	return (&insetLayout{}).MinSize(objects).Max(fyne.NewSize(l.width, 0))
}

// Layout implements fyne.Layout.
func (l *leastLayout) Layout(objects []fyne.CanvasObject, size fyne.Size) {
	(&insetLayout{}).Layout(objects, size)
}

// spacerWide is empty room to the side.
func spacerWide(width float32) fyne.CanvasObject { return container.New(&insetLayout{width / 2, 0}) }

func (n *navigation) view() fyne.CanvasObject { return n.root }

// top is the page in view, nil before the first.
func (n *navigation) top() page {
	switch {
	case len(n.over) > 0:
		return n.over[len(n.over)-1]
	case n.current >= 0:
		return n.sections[n.current].page
	}
	return nil
}

// show goes to a section and closes what lies over it.
func (n *navigation) show(i int) {
	n.change(func() {
		n.closeOver(0)
		n.current = i
	})
	for j, e := range n.entries {
		e.selectIt(j == i)
	}
}

// selectSection goes to a section by its id, the first where there is none.
func (n *navigation) selectSection(id string) {
	for i, s := range n.sections {
		if s.id == id {
			n.show(i)
			return
		}
	}
	n.show(0)
}

// open lays a page over the section.
func (n *navigation) open(p page) { n.change(func() { n.over = append(n.over, p) }) }

// replace puts a page in the place of the topmost one that lies over.
func (n *navigation) replace(p page) {
	n.change(func() {
		n.closeOver(max(0, len(n.over)-1))
		n.over = append(n.over, p)
	})
}

// back closes the topmost page.
func (n *navigation) back() {
	if len(n.over) > 0 {
		n.change(func() { n.closeOver(len(n.over) - 1) })
	}
}

func (n *navigation) closeOver(from int) {
	for _, p := range n.over[from:] {
		delete(n.built, p)
	}
	n.over = n.over[:from]
}

// change swaps the page in view.
func (n *navigation) change(swap func()) {
	before := n.top()
	if before != nil {
		before.leave()
	}
	swap()
	p := n.top()
	content, ok := n.built[p]
	if !ok {
		content = p.content()
		n.built[p] = content
	}
	n.stage.Objects = []fyne.CanvasObject{content}
	n.stage.Refresh()
	p.enter()
}

// leave takes everything out of view and returns the section's id.
func (n *navigation) leave() string {
	if p := n.top(); p != nil {
		p.leave()
	}
	if n.current < 0 {
		return ""
	}
	return n.sections[n.current].id
}

// apply hands an event to every page that was built. The one in view asks the
// node anew when it is back: what it shows is that there was none.
func (n *navigation) apply(e control.Event) {
	if e.Kind == control.EventStatus {
		if l, ok := n.top().(loader); ok && n.gone && e.Status != nil {
			l.load()
		}
		n.gone = e.Status == nil
	}
	for _, s := range n.sections {
		if n.built[s.page] != nil {
			s.page.apply(e)
		}
		if w, ok := s.page.(watcher); ok {
			w.watch(e)
		}
	}
	for _, p := range n.over {
		p.apply(e)
	}
	n.refresh()
}

// refresh draws the badges.
func (n *navigation) refresh() {
	for i, s := range n.sections {
		if s.badge == nil {
			continue
		}
		text, label := s.badge(), n.entries[i].badge
		if text == label.Text && label.Visible() == (text != "") {
			continue
		}
		n.entries[i].label = n.app.t("nav." + s.id)
		if text == "" {
			label.Hide()
			continue
		}
		n.entries[i].label += ", " + text
		label.SetText(text)
		label.Show()
		n.entries[i].Refresh()
	}
}

// addShortcuts makes the window usable without a mouse: Escape and Alt+Left
// go back, Ctrl+1 to Ctrl+9 choose a section, Ctrl+N adds a folder.
func (a *App) addShortcuts() {
	c := a.win.Canvas()
	add := func(s fyne.Shortcut, handle func(fyne.Shortcut)) {
		c.AddShortcut(s, handle)
		a.shortcuts.AddShortcut(s, handle)
	}
	c.SetOnTypedKey(func(e *fyne.KeyEvent) {
		if e.Name == fyne.KeyEscape {
			a.nav.back()
		}
	})
	add(&desktop.CustomShortcut{KeyName: fyne.KeyLeft, Modifier: fyne.KeyModifierAlt}, func(fyne.Shortcut) { a.nav.back() })
	add(&desktop.CustomShortcut{KeyName: fyne.KeyN, Modifier: fyne.KeyModifierShortcutDefault}, func(fyne.Shortcut) { a.addFolder() })
	keys := []fyne.KeyName{fyne.Key1, fyne.Key2, fyne.Key3, fyne.Key4, fyne.Key5, fyne.Key6, fyne.Key7, fyne.Key8, fyne.Key9}
	for i, key := range keys {
		add(&desktop.CustomShortcut{KeyName: key, Modifier: fyne.KeyModifierShortcutDefault}, func(fyne.Shortcut) {
			if i < len(a.nav.sections) {
				a.nav.show(i)
			}
		})
	}
}

// titled is the head of a page that lies over a section: back and a title.
func (a *App) titled(title string, right ...fyne.CanvasObject) fyne.CanvasObject {
	back := iconButton(a.t("nav.back"), theme.NavigateBackIcon(), a.nav.back)
	return container.NewBorder(nil, nil, back, container.NewHBox(right...), heading(title))
}

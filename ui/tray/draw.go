package tray

// bar is the part of a tray library that drawing needs.
type bar interface {
	icon(data []byte)
	tooltip(text string)
	reset()
	rule()
	add(parent line, label string) line
}

// line is a line of a menu.
type line interface {
	clicks() <-chan struct{} // closed when the line is gone
	title(text string)
	enable(on bool)
}

// drawer turns views into as few changes as possible: an open menu that is
// rebuilt closes under the person's hand.
type drawer struct {
	bar     bar
	config  Config
	shown   View
	lines   []line // in the order of flatten(shown.Menu), rules left out
	drawn   bool
	painted Icon
}

func (d *drawer) draw(v View) {
	if v.Icon != d.painted {
		d.painted = v.Icon
		d.bar.icon(d.config.Icons[v.Icon])
	}
	if !d.drawn || v.Tooltip != d.shown.Tooltip {
		d.bar.tooltip(v.Tooltip)
	}
	if d.drawn && sameShape(d.shown.Menu, v.Menu) {
		d.retitle(flatten(d.shown.Menu), flatten(v.Menu))
	} else {
		d.rebuild(v.Menu)
	}
	d.shown, d.drawn = v, true
}

func (d *drawer) retitle(old, now []Item) {
	for i, item := range now {
		if item.Label != old[i].Label {
			d.lines[i].title(item.Label)
		}
		if item.Disabled != old[i].Disabled {
			d.lines[i].enable(!item.Disabled)
		}
	}
}

func (d *drawer) rebuild(menu []Item) {
	if d.drawn {
		d.bar.reset()
	}
	d.lines = nil
	d.add(nil, menu)
}

func (d *drawer) add(parent line, menu []Item) {
	for _, item := range menu {
		if item.Label == "" {
			d.bar.rule()
			continue
		}
		l := d.bar.add(parent, item.Label)
		if item.Disabled {
			l.enable(false)
		}
		if item.Action != Nothing {
			go d.listen(l.clicks(), item)
		}
		d.lines = append(d.lines, l)
		d.add(l, item.Items)
	}
}

// listen passes clicks on until the line is gone.
func (d *drawer) listen(clicks <-chan struct{}, item Item) {
	for range clicks {
		d.config.Clicked(item.Action, item.Arg)
	}
}

// flatten lists the lines in the order they are drawn.
func flatten(menu []Item) (all []Item) {
	for _, item := range menu {
		if item.Label != "" {
			all = append(append(all, item), flatten(item.Items)...)
		}
	}
	return all
}

// sameShape reports whether two menus differ in words alone.
func sameShape(a, b []Item) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		same := a[i].Action == b[i].Action && a[i].Arg == b[i].Arg && (a[i].Label == "") == (b[i].Label == "")
		if !same || !sameShape(a[i].Items, b[i].Items) {
			return false
		}
	}
	return true
}

package ui

import (
	"slices"

	"fyne.io/fyne/v2/widget"
)

// watched reports whether the agent looks after a folder.
func (a *App) watched(dir string) bool { return slices.Contains(a.prefs.Watched, dir) }

// setWatched asks the agent to look after a folder, or to let it be.
func (a *App) setWatched(dir string, on bool) {
	a.setPrefs(func(p *Prefs) {
		p.Watched = slices.DeleteFunc(p.Watched, func(w string) bool { return w == dir })
		if on {
			p.Watched = append(p.Watched, dir)
		}
	})
}

// watchCheck is the choice to be told when a folder changes.
func (a *App) watchCheck(dir string) *widget.Check {
	c := widget.NewCheck(a.t("watch.check"), nil)
	c.SetChecked(a.watched(dir))
	c.OnChanged = func(on bool) { a.setWatched(dir, on) }
	return c
}

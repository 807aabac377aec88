package ui

import (
	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
)

// welcome is the first start.
type welcome struct{ app *App }

func newWelcome(a *App) *welcome { return &welcome{a} }

func (w *welcome) view() fyne.CanvasObject {
	a := w.app
	begin := primaryButton(a.t("welcome.begin"), nil, func() {
		a.setPrefs(func(p *Prefs) { p.Welcomed = true })
		a.arrange()
	})
	return container.NewCenter(container.NewVBox(heading(a.t("welcome.title")), begin))
}

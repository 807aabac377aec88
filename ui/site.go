package ui

import (
	"fyne.io/fyne/v2"

	"altnet/engine/control"
)

// sitePage is everything about one of the user's sites.
type sitePage struct {
	app  *App
	name string
}

func newSitePage(a *App, name string) *sitePage { return &sitePage{app: a, name: name} }

func (p *sitePage) content() fyne.CanvasObject { return pageBody(p.app.titled(p.name)) }
func (p *sitePage) enter()                     {}
func (p *sitePage) leave()                     {}
func (p *sitePage) apply(control.Event)        {}

package ui

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"

	"altnet/engine/control"
	"altnet/engine/publisher"
)

// phrasePage shows the words, once the system has asked who is there.
type phrasePage struct {
	app    *App
	safety publisher.Safety
	body   *fyne.Container
	ctx    context.Context // of the question; ends when the page is left
	cancel context.CancelFunc
}

func newPhrasePage(a *App, s publisher.Safety) *phrasePage { return &phrasePage{app: a, safety: s} }

func (p *phrasePage) content() fyne.CanvasObject {
	p.body = container.NewVBox()
	return pageBody(p.app.titled(p.app.t("phrase.title")), p.body)
}

func (p *phrasePage) enter() {
	p.ctx, p.cancel = context.WithCancel(p.app.ctx)
	p.authenticate()
}

// leave takes the words off the screen and out of the widgets.
func (p *phrasePage) leave() {
	p.cancel()
	p.body.RemoveAll()
}

func (p *phrasePage) apply(control.Event) {}

func (p *phrasePage) set(content ...fyne.CanvasObject) {
	p.body.Objects = content
	p.body.Refresh()
}

func (p *phrasePage) authenticate() {
	a, ctx := p.app, p.ctx
	p.set(prose(a.t("phrase.asking")))
	runIn(a, ctx, func(ctx context.Context) (struct{}, error) {
		return struct{}{}, a.desk.Authenticate(ctx, a.t("phrase.reason"))
	}, func(_ struct{}, err error) {
		switch {
		case ctx.Err() != nil:
		case err == nil:
			p.reveal()
		case errors.Is(err, ErrNoAuthentication) && p.safety.Tested.IsZero():
			// The words have to be written down once, and this system has no
			// lock to put before them.
			p.set(warn(a.t("phrase.nolock"), a.t("phrase.nolock.more"), newButton(a.t("phrase.nolock.show"), nil, p.reveal)))
		default:
			p.set(a.problem(err, newButton(a.t("action.retry"), nil, p.authenticate)))
		}
	})
}

func (p *phrasePage) reveal() {
	a, ctx := p.app, p.ctx
	runIn(a, ctx, func(context.Context) (string, error) { return a.profile.Phrase() }, func(phrase string, err error) {
		switch {
		case ctx.Err() != nil:
		case err != nil:
			p.set(a.problem(err))
		default:
			p.words(strings.Fields(phrase))
		}
	})
}

func (p *phrasePage) words(words []string) {
	a := p.app
	grid := container.New(&flowLayout{gap: 6})
	for i, w := range words {
		grid.Add(newWord(i+1, w))
	}
	test := primaryButton(a.t("phrase.written"), theme.ConfirmIcon(), func() { a.nav.replace(newPhraseTestPage(a)) })
	p.set(prose(a.t("phrase.how")), grid, note(a.t("phrase.warning")),
		actions(test, newButton(a.t("phrase.hide"), theme.VisibilityOffIcon(), a.nav.back)))
}

// newWord is one word with its number, all of the same width so that they
// stand in columns.
func newWord(number int, word string) fyne.CanvasObject {
	n := wordNumber(number)
	w := widget.NewLabelWithStyle(word, fyne.TextAlignLeading, fyne.TextStyle{Bold: true, Monospace: true})
	width := widget.NewLabelWithStyle("mmmmmmmm", fyne.TextAlignLeading, fyne.TextStyle{Bold: true, Monospace: true}).MinSize()
	return container.NewStack(newSurface(colorCard, colorOutline, 6),
		container.NewHBox(n, container.New(&fixedLayout{width}, w)))
}

func wordNumber(number int) *widget.Label {
	l := widget.NewLabelWithStyle(fmt.Sprintf("%2d", number), fyne.TextAlignTrailing, fyne.TextStyle{Monospace: true})
	l.Importance = widget.LowImportance
	return l
}

// fixedLayout gives its content one size, whatever it would take.
type fixedLayout struct{ size fyne.Size }

func (l *fixedLayout) MinSize([]fyne.CanvasObject) fyne.Size { return l.size }

func (l *fixedLayout) Layout(objects []fyne.CanvasObject, size fyne.Size) {
	for _, o := range objects {
		o.Move(fyne.NewPos(0, 0))
		o.Resize(size)
	}
}

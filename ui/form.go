package ui

import (
	"context"
	"strings"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"

	"altnet/engine/control"
)

// formPage is a page that asks for something, does one thing with it, and
// tells how that went in place.
type formPage struct {
	app    *App
	title  string
	lead   string
	fields []fyne.CanvasObject
	first  fyne.Focusable // gets the focus when the page opens; may be nil
	submit *button
	// begin reads the fields and returns what is to be done away from the
	// goroutine that draws. A nil return keeps the page as it is.
	begin    func() func(ctx context.Context) error
	progress fyne.CanvasObject // shown while it is under way; nil: one without an end
	// done is what stands in the place of the form once it worked.
	done func() []fyne.CanvasObject

	body   *fyne.Container
	state  *fyne.Container
	ctx    context.Context // ends when the page is left
	cancel context.CancelFunc
	stop   context.CancelFunc // ends what is under way
	busy   bool
}

// newFormPage makes a page that the button of this title leads to, whose fields, begin and done the caller sets.
func newFormPage(a *App, title, lead, action string) *formPage {
	p := &formPage{app: a, title: strings.TrimRight(title, " …"), lead: lead}
	p.submit = primaryButton(action, nil, p.run)
	return p
}

func (p *formPage) content() fyne.CanvasObject {
	p.state = container.NewVBox()
	p.body = container.NewVBox(prose(p.lead))
	for _, f := range p.fields {
		p.body.Add(f)
	}
	p.body.Add(actions(p.submit))
	p.body.Add(p.state)
	return pageBody(p.app.titled(p.title), p.body)
}

func (p *formPage) enter() {
	p.ctx, p.cancel = context.WithCancel(p.app.ctx)
	if p.first != nil {
		p.app.win.Canvas().Focus(p.first)
	}
}

func (p *formPage) leave() { p.cancel() }

func (p *formPage) apply(control.Event) {}

// say puts something below the form.
func (p *formPage) say(objects ...fyne.CanvasObject) {
	p.state.Objects = objects
	p.state.Refresh()
}

func (p *formPage) run() {
	if p.busy {
		return
	}
	work := p.begin()
	if work == nil {
		return
	}
	p.busy = true
	p.submit.Disable()
	ctx, cancel := context.WithCancel(p.ctx)
	p.stop = cancel
	var progress fyne.CanvasObject = widget.NewProgressBarInfinite()
	if p.progress != nil {
		progress = p.progress
	}
	p.say(progress, actions(newButton(p.app.t("action.cancel"), theme.CancelIcon(), p.stop)))
	runIn(p.app, ctx, func(ctx context.Context) (struct{}, error) { return struct{}{}, work(ctx) },
		func(_ struct{}, err error) {
			cancel()
			p.ended(err)
		})
}

func (p *formPage) ended(err error) {
	p.busy = false
	p.submit.Enable()
	switch {
	case p.ctx.Err() != nil: // the page was left
	case cancelled(err):
		p.say()
	case err != nil:
		p.say(p.app.problem(err))
	default:
		p.body.Objects = p.done()
		p.body.Refresh()
	}
}

// closing is the button that ends a form that worked.
func (p *formPage) closing() fyne.CanvasObject {
	return actions(primaryButton(p.app.t("action.done"), nil, p.app.nav.back))
}

// good is a panel that says that something worked.
func good(head, text string, buttons ...fyne.CanvasObject) fyne.CanvasObject {
	return panel(colorGoodBg, theme.ColorNameSuccess, theme.NewSuccessThemedResource(theme.ConfirmIcon()), head, text, buttons...)
}

// warn is a panel that says what to beware of.
func warn(head, text string, buttons ...fyne.CanvasObject) fyne.CanvasObject {
	return panel(colorWarnBg, theme.ColorNameWarning, theme.NewWarningThemedResource(theme.WarningIcon()), head, text, buttons...)
}

// plain is a panel that just tells.
func plain(head, text string, buttons ...fyne.CanvasObject) fyne.CanvasObject {
	return panel(colorCard, colorOutline, theme.InfoIcon(), head, text, buttons...)
}

// panel is a message on a page: what is so, what it means, what to do.
func panel(fill, edge fyne.ThemeColorName, icon fyne.Resource, head, text string, buttons ...fyne.CanvasObject) fyne.CanvasObject {
	title := prose(head)
	title.TextStyle.Bold = true
	words := container.New(tightLayout{}, title)
	if text != "" {
		words.Add(prose(text))
	}
	box := container.NewVBox(words)
	if len(buttons) > 0 {
		box.Add(actions(buttons...))
	}
	return container.NewStack(newSurface(fill, edge, cardRadius), inset(8, container.NewBorder(nil, nil, sign(icon), nil, box)))
}

// field is an input below its name.
func field(label string, input fyne.CanvasObject) fyne.CanvasObject {
	name := prose(label)
	name.TextStyle.Bold = true
	if e, ok := input.(*entry); ok {
		e.label = label
	}
	return container.NewVBox(name, input)
}

// labelledLayout puts an input beside its name where there is room for both,
// else below it. Inputs below each other begin at one line.
type labelledLayout struct{ width float32 }

// nameWidth is what a name gets beside its input.
const nameWidth = 300

func (l *labelledLayout) beside(input fyne.CanvasObject, width float32) bool {
	return width == 0 || width >= nameWidth+input.MinSize().Width
}

// MinSize implements fyne.Layout.
func (l *labelledLayout) MinSize(objects []fyne.CanvasObject) fyne.Size {
	name, input := objects[0].MinSize(), objects[1].MinSize()
	if l.beside(objects[1], l.width) {
		return fyne.NewSize(input.Width, max(name.Height, input.Height))
	}
	return fyne.NewSize(input.Width, name.Height+input.Height)
}

// Layout implements fyne.Layout.
func (l *labelledLayout) Layout(objects []fyne.CanvasObject, size fyne.Size) {
	l.width = size.Width
	name, input := objects[0], objects[1]
	name.Move(fyne.NewPos(0, 0))
	if !l.beside(input, size.Width) {
		name.Resize(fyne.NewSize(size.Width, name.MinSize().Height))
		input.Move(fyne.NewPos(0, name.MinSize().Height))
		input.Resize(input.MinSize())
		return
	}
	name.Resize(fyne.NewSize(nameWidth, size.Height))
	input.Move(fyne.NewPos(nameWidth, 0))
	input.Resize(input.MinSize())
}

package ui

import (
	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/layout"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"
)

// surface is a coloured rectangle that follows the theme. It carries no
// meaning of its own.
type surface struct {
	widget.BaseWidget
	fill, edge fyne.ThemeColorName // edge "" for none
	radius     float32
}

func newSurface(fill, edge fyne.ThemeColorName, radius float32) *surface {
	s := &surface{fill: fill, edge: edge, radius: radius}
	s.ExtendBaseWidget(s)
	return s
}

// recolour changes the fill.
func (s *surface) recolour(fill, edge fyne.ThemeColorName) {
	s.fill, s.edge = fill, edge
	s.Refresh()
}

// CreateRenderer implements fyne.Widget.
func (s *surface) CreateRenderer() fyne.WidgetRenderer {
	r := &surfaceRenderer{s: s, rect: canvas.NewRectangle(theme.Color(s.fill))}
	r.Refresh()
	return r
}

type surfaceRenderer struct {
	s    *surface
	rect *canvas.Rectangle
}

func (r *surfaceRenderer) Destroy()                     {}
func (r *surfaceRenderer) Layout(size fyne.Size)        { r.rect.Resize(size) }
func (r *surfaceRenderer) MinSize() fyne.Size           { return fyne.Size{} }
func (r *surfaceRenderer) Objects() []fyne.CanvasObject { return []fyne.CanvasObject{r.rect} }

func (r *surfaceRenderer) Refresh() {
	r.rect.FillColor, r.rect.CornerRadius = theme.Color(r.s.fill), r.s.radius
	r.rect.StrokeWidth = 0
	if r.s.edge != "" {
		r.rect.StrokeColor, r.rect.StrokeWidth = theme.Color(r.s.edge), 1
	}
	r.rect.Refresh()
}

// cardRadius rounds what stands on the background.
const cardRadius = 10

// card puts content on a surface of its own.
func card(content ...fyne.CanvasObject) *fyne.Container {
	return container.NewStack(newSurface(colorCard, colorOutline, cardRadius), inset(10, container.NewVBox(content...)))
}

// inset leaves room around content.
func inset(space float32, content fyne.CanvasObject) *fyne.Container {
	return container.New(&insetLayout{space, space}, content)
}

// insetLayout leaves room at the sides and above and below.
type insetLayout struct{ x, y float32 }

func (l *insetLayout) MinSize(objects []fyne.CanvasObject) fyne.Size {
	var size fyne.Size
	for _, o := range objects {
		size = size.Max(o.MinSize())
	}
	return size.AddWidthHeight(2*l.x, 2*l.y)
}

func (l *insetLayout) Layout(objects []fyne.CanvasObject, size fyne.Size) {
	for _, o := range objects {
		o.Move(fyne.NewPos(l.x, l.y))
		o.Resize(size.SubtractWidthHeight(2*l.x, 2*l.y))
	}
}

// measure is the widest a page's text runs: longer lines are hard to read.
const measure = 820

// columnLayout centres its content and keeps it at most measure wide.
type columnLayout struct{ most float32 }

func (l columnLayout) MinSize(objects []fyne.CanvasObject) fyne.Size {
	return (&insetLayout{}).MinSize(objects)
}

func (l columnLayout) Layout(objects []fyne.CanvasObject, size fyne.Size) {
	width := min(size.Width, l.most)
	for _, o := range objects {
		o.Move(fyne.NewPos((size.Width-width)/2, 0))
		o.Resize(fyne.NewSize(width, size.Height))
	}
}

// pageGap is between the parts of a page.
const pageGap = 12

// pageBody is the body of a page: a column that scrolls.
func pageBody(content ...fyne.CanvasObject) fyne.CanvasObject {
	return container.NewVScroll(container.New(columnLayout{measure}, inset(20, container.New(layout.NewCustomPaddedVBoxLayout(pageGap), content...))))
}

// fit lays the page in view out again where the room that it needs has
// changed. Fyne does so by itself for one change between two frames, and loses
// the first of two.
func (a *App) fit() {
	body := a.inView()
	if body == nil {
		return
	}
	if least := body.MinSize(); least != a.fitted {
		body.Refresh()
		a.fitted = body.MinSize() // what wraps has found its height meanwhile
	}
}

// inView is what scrolls of the page in view.
func (a *App) inView() fyne.CanvasObject {
	stage := a.nav.stage
	if a.welcome != nil {
		stage = a.welcome.stage
	}
	if len(stage.Objects) == 0 {
		return nil
	}
	if scroll, ok := stage.Objects[0].(*container.Scroll); ok {
		return scroll.Content
	}
	return stage.Objects[0]
}

// spacer is empty room.
func spacer(height float32) fyne.CanvasObject {
	return container.New(&insetLayout{0, height / 2})
}

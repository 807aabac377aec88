package ui

import (
	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"
)

// chart draws one value per day as bars, or as a line of steps. What it shows
// is also said in words: its label, which stands below it for everybody.
type chart struct {
	widget.BaseWidget
	values []int64
	steps  bool
	label  string
	top    string // the highest value, written at the axis
	from   string // the first day
	to     string // the last
}

var _ fyne.Accessible = (*chart)(nil)

func newChart(values []int64, steps bool, label, top, from, to string) *chart {
	c := &chart{values: values, steps: steps, label: label, top: top, from: from, to: to}
	c.ExtendBaseWidget(c)
	return c
}

// AccessibilityLabel implements fyne.Accessible.
func (c *chart) AccessibilityLabel() string { return c.label }

// AccessibilityRole implements fyne.Accessible.
func (c *chart) AccessibilityRole() fyne.AccessibleRole { return fyne.AccessibleRoleText }

// highest is the largest value, at least 1.
func (c *chart) highest() int64 {
	most := int64(1)
	for _, v := range c.values {
		most = max(most, v)
	}
	return most
}

// CreateRenderer implements fyne.Widget.
func (c *chart) CreateRenderer() fyne.WidgetRenderer {
	r := &chartRenderer{chart: c, base: canvas.NewLine(nil), ceiling: canvas.NewLine(nil)}
	for _, text := range []string{c.top, c.from, c.to} {
		t := canvas.NewText(text, nil)
		t.TextSize = theme.CaptionTextSize()
		r.texts = append(r.texts, t)
	}
	for range c.values {
		mark := canvas.NewRectangle(nil)
		r.marks = append(r.marks, mark)
	}
	r.Refresh()
	return r
}

type chartRenderer struct {
	chart         *chart
	base, ceiling *canvas.Line
	texts         []*canvas.Text // top, from, to
	marks         []*canvas.Rectangle
}

func (r *chartRenderer) Destroy()           {}
func (r *chartRenderer) MinSize() fyne.Size { return fyne.NewSize(240, 120) }

func (r *chartRenderer) Objects() []fyne.CanvasObject {
	objects := []fyne.CanvasObject{r.base, r.ceiling}
	for _, m := range r.marks {
		objects = append(objects, m)
	}
	for _, t := range r.texts {
		objects = append(objects, t)
	}
	return objects
}

func (r *chartRenderer) Layout(size fyne.Size) {
	caption := r.texts[0].MinSize().Height
	top, bottom := caption+2, size.Height-caption-4
	r.ceiling.Position1, r.ceiling.Position2 = fyne.NewPos(0, top), fyne.NewPos(size.Width, top)
	r.base.Position1, r.base.Position2 = fyne.NewPos(0, bottom), fyne.NewPos(size.Width, bottom)
	r.texts[0].Move(fyne.NewPos(0, 0))
	r.texts[1].Move(fyne.NewPos(0, bottom+4))
	r.texts[2].Move(fyne.NewPos(size.Width-r.texts[2].MinSize().Width, bottom+4))
	r.layoutMarks(size.Width, top, bottom)
}

func (r *chartRenderer) layoutMarks(width, top, bottom float32) {
	n, most := float32(max(1, len(r.marks))), float32(r.chart.highest())
	slot, gap := width/n, float32(2)
	if r.chart.steps {
		gap = 0
	}
	for i, m := range r.marks {
		high := (bottom - top) * float32(r.chart.values[i]) / most
		if r.chart.values[i] > 0 {
			high = max(high, 2)
		}
		thick := high
		if r.chart.steps {
			thick = 3
		}
		m.Move(fyne.NewPos(float32(i)*slot+gap/2, bottom-high))
		m.Resize(fyne.NewSize(max(1, slot-gap), thick))
	}
}

func (r *chartRenderer) Refresh() {
	for _, l := range []*canvas.Line{r.base, r.ceiling} {
		l.StrokeColor, l.StrokeWidth = theme.Color(colorOutline), 1
		l.Refresh()
	}
	for i, m := range r.marks {
		m.FillColor = theme.Color(theme.ColorNamePrimary)
		if !r.chart.steps {
			m.CornerRadius = 2
		}
		m.Hidden = r.chart.values[i] < 0 || r.chart.values[i] == 0 && !r.chart.steps
		m.Refresh()
	}
	for _, t := range r.texts {
		t.Color = theme.Color(colorMuted)
		t.Refresh()
	}
	r.Layout(r.chart.Size())
}

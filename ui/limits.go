package ui

import (
	"math"
	"strconv"
	"strings"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"

	"altnet/engine/control"
)

// Units that people give limits in, of 1000s as everywhere in the window.
const (
	megabyte = 1_000_000
	gigabyte = 1_000_000_000
)

// numberWidth is room for any number that somebody would give.
const numberWidth = 130

// limits are the numbers among the settings. They are put in force together,
// by a button, so that half a number typed counts for nothing.
type limits struct {
	page   *settingsPage
	fields []limitField
	save   *button
	state  *widget.Label
}

// limitField is one number with its unit.
type limitField struct {
	key   string
	unit  int64 // bytes
	least int64 // bytes, below which no limit but none may be
	none  bool  // empty means no limit
	of    func(*control.Settings) *int64
	entry *entry
}

func newLimits(p *settingsPage) *limits {
	l := &limits{page: p, state: note("")}
	l.fields = []limitField{
		{"settings.disk", gigabyte, control.MinDiskBudget, false, func(s *control.Settings) *int64 { return &s.DiskBudget }, nil},
		{"settings.up", megabyte, control.MinRate, true, func(s *control.Settings) *int64 { return &s.UpLimit }, nil},
		{"settings.down", megabyte, control.MinRate, true, func(s *control.Settings) *int64 { return &s.DownLimit }, nil},
		{"settings.month", gigabyte, control.MinMonth, true, func(s *control.Settings) *int64 { return &s.MonthLimit }, nil},
	}
	l.save = primaryButton(p.app.t("settings.save"), theme.ConfirmIcon(), l.put)
	l.save.Disable()
	return l
}

func (l *limits) view() fyne.CanvasObject {
	a := l.page.app
	box := container.NewVBox(subheading(a.t("settings.limits")))
	for i := range l.fields {
		f := &l.fields[i]
		f.entry = a.newEntry()
		f.entry.label = a.t(f.key)
		f.entry.SetText(l.written(*f, *f.of(&l.page.now)))
		if f.none {
			f.entry.SetPlaceHolder(a.t("settings.nolimit"))
		}
		f.entry.OnChanged = func(string) { l.changed() }
		f.entry.OnSubmitted = func(string) { l.put() }
		size := fyne.NewSize(numberWidth, f.entry.MinSize().Height)
		input := container.NewHBox(container.NewGridWrap(size, f.entry), widget.NewLabel(a.t(f.key+".unit")))
		box.Add(container.New(&labelledLayout{}, prose(a.t(f.key)), input))
	}
	box.Add(l.state)
	box.Add(actions(l.save))
	l.state.Hide()
	return card(box)
}

// written is a limit as it stands in its field.
func (l *limits) written(f limitField, bytes int64) string {
	if bytes == 0 && f.none {
		return ""
	}
	v, scale := float64(bytes)/float64(f.unit), 1000.0
	if v >= 10 {
		scale = 10 // what nobody touches keeps its last byte all the same
	}
	v = math.Round(v*scale) / scale
	return strings.Replace(strconv.FormatFloat(v, 'f', -1, 64), ".", l.page.app.t("format.decimal"), 1)
}

// read understands a field.
func (f limitField) read() (bytes int64, ok bool) {
	text := strings.Replace(strings.TrimSpace(f.entry.Text), ",", ".", 1)
	if text == "" {
		return 0, f.none
	}
	v, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(v) || v < 0 || v > math.MaxInt64/2/float64(f.unit) {
		return 0, false
	}
	bytes = int64(math.Round(v * float64(f.unit)))
	return bytes, bytes >= f.least || bytes == 0 && f.none
}

// changed says what is wrong while it is typed.
func (l *limits) changed() {
	a := l.page.app
	for _, f := range l.fields {
		if _, ok := f.read(); !ok {
			l.state.SetText(a.t("settings.limit.bad", "field", a.t(f.key), "least", a.bytes(f.least)))
			l.state.Importance = widget.DangerImportance
			l.state.Show()
			l.save.Disable()
			return
		}
	}
	l.state.Hide()
	l.save.Enable()
}

// put puts the numbers in force.
func (l *limits) put() {
	if l.save.Disabled() {
		return
	}
	a := l.page.app
	l.save.Disable()
	l.page.change(func(s *control.Settings) {
		for _, f := range l.fields {
			now := f.of(s)
			if l.written(f, *now) != f.entry.Text { // what was not touched keeps its last byte
				*now, _ = f.read()
			}
		}
	}, func(err error) {
		if err != nil {
			l.save.Enable()
			a.fail("error.settings", err)
			return
		}
		l.state.SetText(a.t("settings.saved"))
		l.state.Importance = widget.SuccessImportance
		l.state.Show()
	})
}

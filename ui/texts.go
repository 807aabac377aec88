package ui

import (
	"math"
	"strconv"
	"strings"
	"time"

	"fyne.io/fyne/v2/lang"
)

// language is what the texts are chosen by.
func (a *App) language() string {
	if a.prefs.Language != "" {
		return a.prefs.Language
	}
	return string(lang.SystemLocale())
}

// t returns the text of key with {placeholders} filled in: args are pairs of
// a placeholder's name and its value.
func (a *App) t(key string, args ...string) string { return a.texts.Get(key, args...) }

// tn is t for a number of things: the text of key.one or key.other, with {n}.
func (a *App) tn(key string, n int, args ...string) string {
	form := ".other"
	if n == 1 {
		form = ".one"
	}
	return a.t(key+form, append(args, "n", a.number(int64(n)))...)
}

// number writes a whole number with the language's separators.
func (a *App) number(n int64) string {
	digits := strconv.FormatInt(n, 10)
	sign, digits := digits[:len(digits)-len(strings.TrimPrefix(digits, "-"))], strings.TrimPrefix(digits, "-")
	if len(digits) < 5 {
		return sign + digits
	}
	var b strings.Builder
	for i, d := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 {
			b.WriteString(a.t("format.thousands"))
		}
		b.WriteRune(d)
	}
	return sign + b.String()
}

// bytes writes a size as people read it: 1.2 GB, of 1000s as in file managers.
func (a *App) bytes(n int64) string {
	if n > -1000 && n < 1000 {
		return a.tn("unit.bytes", int(n))
	}
	units := []string{"unit.kB", "unit.MB", "unit.GB", "unit.TB"}
	v, i := float64(n)/1000, 0
	for math.Abs(v) >= 999.5 && i < len(units)-1 {
		v, i = v/1000, i+1
	}
	text := strconv.FormatFloat(v, 'f', 0, 64)
	if math.Abs(v) < 9.95 {
		text = strings.Replace(strconv.FormatFloat(v, 'f', 1, 64), ".", a.t("format.decimal"), 1)
	}
	return text + " " + a.t(units[i])
}

// speed writes bytes per second.
func (a *App) speed(perSecond int64) string { return a.t("unit.speed", "n", a.bytes(perSecond)) }

// duration writes a length of time in its largest unit.
func (a *App) duration(d time.Duration) string {
	switch {
	case d < time.Minute:
		return a.tn("duration.seconds", int(max(1, d.Round(time.Second)/time.Second)))
	case d < time.Hour:
		return a.tn("duration.minutes", int(d.Round(time.Minute)/time.Minute))
	case d < 48*time.Hour:
		return a.tn("duration.hours", int(d.Round(time.Hour)/time.Hour))
	}
	return a.tn("duration.days", int(d/(24*time.Hour)))
}

// ago writes a moment in the past.
func (a *App) ago(then time.Time) string {
	d := time.Since(then)
	if d < time.Minute {
		return a.t("time.now")
	}
	return a.t("time.ago", "d", a.duration(d))
}

// date writes a day.
func (a *App) date(t time.Time) string { return t.Local().Format(a.t("format.date")) }

// moment writes a day and the time of day.
func (a *App) moment(t time.Time) string { return t.Local().Format(a.t("format.moment")) }

package ui

import (
	"time"

	"fyne.io/fyne/v2"

	"altnet/engine/control"
)

// shownDays is how far back the charts look.
const shownDays = 30

// showActivity draws visits and copies over time.
func (p *sitePage) showActivity(activity control.Activity) {
	a := p.app
	days := lastDays(time.Now(), shownDays)
	visits, copies := visitsPerDay(days, activity.Visits), copiesPerDay(days, activity.Copies)
	p.activity.Objects = []fyne.CanvasObject{
		card(append([]fyne.CanvasObject{subheading(a.t("visits.title")), note(a.t("visits.note"))}, a.visitsChart(days, visits)...)...),
		card(append([]fyne.CanvasObject{subheading(a.t("copies.title")), note(a.t("copies.note"))}, a.copiesChart(days, copies)...)...),
	}
	p.activity.Refresh()
}

// lastDays lists the days up to today, oldest first, at midnight of here.
func lastDays(now time.Time, n int) []time.Time {
	y, m, d := now.Local().Date()
	days := make([]time.Time, n)
	for i := range days {
		days[i] = time.Date(y, m, d-(n-1-i), 0, 0, 0, 0, time.Local)
	}
	return days
}

// visitsPerDay fills in the days without a visit.
func visitsPerDay(days []time.Time, counted []control.DayCount) []int64 {
	of := map[string]int64{}
	for _, c := range counted {
		of[c.Day] += c.Pages
	}
	values := make([]int64, len(days))
	for i, d := range days {
		values[i] = of[d.Format(time.DateOnly)]
	}
	return values
}

// notKnown is the value of a day of which nothing is known.
const notKnown = -1

// copiesPerDay is how many copies there were at the end of each day.
func copiesPerDay(days []time.Time, samples []control.Sample) []int64 {
	values := make([]int64, len(days))
	for i, d := range days {
		values[i] = notKnown
		for _, s := range samples {
			if s.Time.Before(d.AddDate(0, 0, 1)) {
				values[i] = int64(s.Copies)
			}
		}
	}
	return values
}

func (a *App) visitsChart(days []time.Time, values []int64) []fyne.CanvasObject {
	var sum, most int64
	var busiest time.Time
	for i, v := range values {
		if sum += v; v > most {
			most, busiest = v, days[i]
		}
	}
	if sum == 0 {
		return []fyne.CanvasObject{prose(a.t("visits.none"))}
	}
	label := a.tn("visits.label", int(sum), "most", a.number(most), "day", a.date(busiest))
	return []fyne.CanvasObject{a.chartOf(days, values, false, label), note(label)}
}

func (a *App) copiesChart(days []time.Time, values []int64) []fyne.CanvasObject {
	least, most := values[len(values)-1], int64(0)
	for _, v := range values {
		if v != notKnown {
			least, most = min(least, v), max(most, v)
		}
	}
	if most == 0 {
		return []fyne.CanvasObject{prose(a.t("copies.none"))}
	}
	key := "copies.label"
	if least == most {
		key = "copies.steady"
	}
	label := a.t(key, "now", a.number(values[len(values)-1]), "least", a.number(least), "most", a.number(most))
	return []fyne.CanvasObject{a.chartOf(days, values, true, label), note(label)}
}

func (a *App) chartOf(days []time.Time, values []int64, steps bool, label string) *chart {
	c := newChart(values, steps, label, "", a.date(days[0]), a.t("time.today"))
	c.top = a.number(c.highest())
	return c
}

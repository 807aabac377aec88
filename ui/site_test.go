package ui

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"fyne.io/fyne/v2"

	"altnet/engine/control"
	"altnet/engine/publisher"
)

// onSite publishes a folder and opens its page.
func onSite(t *testing.T, prepare func(*fakeControl), body func(w *opened, s publisher.Site, dir string)) {
	t.Helper()
	dir := folder(t, "site", "index.html", "one")
	inWindow(t, func(f *fakeControl, _ *fakeDesktop) {
		f.receipt = confirmed(2)
		if prepare != nil {
			prepare(f)
		}
	}, func(w *opened) {
		s := w.published(dir)
		w.tap("action.done")
		w.ctl.set(func(f *fakeControl) { f.receipt.Name = s.Bare() + suffix })
		w.OpenSite(s.Bare() + suffix)
		w.settle()
		body(w, s, dir)
	})
}

func TestPageOfASite(t *testing.T) {
	onSite(t, nil, func(w *opened, s publisher.Site, dir string) {
		w.want(s.Bare()+suffix, "3 copies, confirmed by 2 other peers.", dir, "visits.none", "copies.none", "withdraw.note")
		w.tap("action.copydoor")
		if got, want := w.fyne.Clipboard().Content(), "http://"+s.Bare()+"-alt.localhost:8080/"; got != want {
			t.Errorf("copied %s", got)
		}
		w.tap("site.showfolder")
		if !slices.Equal(w.desk.shown, []string{dir}) {
			t.Errorf("shown %v", w.desk.shown)
		}
		r := control.Receipt{Name: s.Bare() + suffix, Copies: 1, Sleeps: true}
		w.tell(control.Event{Kind: control.EventReceipt, Receipt: &r})
		w.want("2 copies, confirmed by 1 other peer. Goes offline when this computer sleeps.")
		r.Copies = 0
		w.tell(control.Event{Kind: control.EventReceipt, Receipt: &r})
		w.want("result.waiting.do")
		w.desk.changed <- []string{dir}
		w.settle()
		w.want("site.changed")
		w.tap("site.again")
		w.want("publish.title.update", "publish.nochange")
	})
}

func TestDropOnASiteUpdatesIt(t *testing.T) {
	onSite(t, nil, func(w *opened, s publisher.Site, _ string) {
		w.drop(folder(t, "elsewhere", "index.html", "three", "b.html", "b"))
		w.want("publish.title.update", "1 new file (1 byte), 1 changed (5 bytes)")
		w.nav.back()
		w.settle()
		w.desk.picked = folder(t, "third", "index.html", "x")
		w.tap("site.otherfolder")
		w.want("publish.title.update", "third")
		w.tap("publish.go.update.one")
		w.tap("result.details")
		w.want("third")
	})
}

func TestVersions(t *testing.T) {
	now := time.Date(2026, 3, 4, 5, 6, 0, 0, time.Local)
	onSite(t, nil, func(w *opened, s publisher.Site, dir string) {
		first := s.Versions[0]
		put(t, dir, "index.html", "two")
		w.tap("site.again")
		w.tap("publish.go.update.one")
		w.tap("action.done")
		again, err := w.profile.Site(s.Bare())
		if err != nil {
			t.Fatal(err)
		}
		w.ctl.set(func(f *fakeControl) {
			f.versions = []control.Version{
				{Seq: again.Versions[0].Seq, Root: again.Versions[0].Root.String(), Time: now, Size: 2e6, Current: true},
				{Seq: first.Seq, Root: first.Root.String(), Time: now.AddDate(0, 0, -1), Size: 1e6, Note: "before the frost"},
			}
		})
		w.OpenSite(s.Bare() + suffix)
		w.settle()
		w.want("4 Mar 2026, 05:06", "Online now · 2.0 MB", "1.0 MB · before the frost")
		w.tap("Preview of the version of 3 Mar 2026, 05:06")
		if want := fmt.Sprintf("http://token%d.localhost:8080/", first.Seq); !slices.Equal(w.desk.opened, []string{want}) {
			t.Errorf("opened %v, want %s", w.desk.opened, want)
		}
		before := len(w.ctl.published)
		w.tap("Go back to the version of 3 Mar 2026, 05:06")
		w.want("versions.back.title")
		w.tap("action.cancel")
		w.tap("Go back to the version of 3 Mar 2026, 05:06")
		w.tap("versions.back.yes")
		if len(w.ctl.published) != before+1 {
			t.Error("nothing was published")
		}
		w.tap("Delete the version of 3 Mar 2026, 05:06")
		w.tap("versions.drop.yes")
		if calls := w.ctl.calls("DropVersion"); len(calls) != 1 || !strings.HasSuffix(calls[0], fmt.Sprint(first.Seq)) {
			t.Errorf("%v", calls)
		}
	})
}

func TestVersionsThatFail(t *testing.T) {
	onSite(t, func(f *fakeControl) {
		f.versions = []control.Version{{Seq: 2, Current: true, Root: strings.Repeat("0", 64)}, {Seq: 1, Root: strings.Repeat("1", 64)}}
		for _, m := range []string{"Preview", "DropVersion", "Withdraw"} {
			f.fail[m] = control.ErrNotFound
		}
	}, func(w *opened, _ publisher.Site, _ string) {
		w.tap("Preview of the version of 1 Jan 0001, 00:00")
		w.want("error.preview", "cause.notfound")
		w.tap("action.close")
		w.tap("Delete the version of 1 Jan 0001, 00:00")
		w.tap("versions.drop.yes")
		w.want("error.drop")
		w.tap("action.close")
		w.tap("Go back to the version of 1 Jan 0001, 00:00")
		w.tap("versions.back.yes")
		w.want("error.rollback", "cause.noversion")
		w.tap("action.close")
		w.tap("withdraw.button")
		w.tap("withdraw.yes")
		w.want("error.withdraw")
	})
}

func TestWithdraw(t *testing.T) {
	onSite(t, nil, func(w *opened, s publisher.Site, dir string) {
		w.tap("withdraw.button")
		w.want("withdraw.text")
		w.tap("action.cancel")
		if len(w.ctl.calls("Withdraw")) != 0 {
			t.Error("withdrawn without a yes")
		}
		w.tap("withdraw.button")
		w.ctl.set(func(f *fakeControl) { f.receipt.Withdrawn = true })
		w.tap("withdraw.yes")
		w.want("site.withdrawn.note")
		w.mustNotPress("withdraw.button")

		// Publishing the same folder brings it back.
		w.ctl.set(func(f *fakeControl) { f.receipt.Withdrawn = false })
		w.tap("site.again")
		w.wantNot("publish.nochange")
		w.tap("publish.go.update.one")
		w.want("result.published")
	})
}

func TestSiteOfAnotherDevice(t *testing.T) {
	inWindow(t, func(f *fakeControl, _ *fakeDesktop) { f.receipt = control.Receipt{Name: "garden.alt", Copies: 3} }, func(w *opened) {
		w.OpenSite("garden.alt")
		w.settle()
		w.want("site.elsewhere", "4 copies, confirmed by 3 other peers.")
		w.mustNotPress("withdraw.button")
		w.publishTo("garden.alt", t.TempDir())
		w.settle()
		w.want("error.update")
		w.tap("action.close")
		w.ctl.set(func(f *fakeControl) { f.fail["Receipt"] = control.ErrNotRunning })
		w.tell(control.Event{Kind: control.EventSite, Site: &control.Site{Name: "garden.alt"}})
		w.want("cause.stopped", "action.retry")
		w.ctl.set(func(f *fakeControl) { delete(f.fail, "Receipt") })
		w.tap("action.retry")
		w.wantNot("cause.stopped")
	})
}

func TestCharts(t *testing.T) {
	onSite(t, func(f *fakeControl) {
		now := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC) // where virtual time begins
		f.activity = control.Activity{
			Visits: []control.DayCount{{Day: now.AddDate(0, 0, -200).Format(time.DateOnly), Pages: 99}, {Day: now.AddDate(0, 0, -3).Format(time.DateOnly), Pages: 20}, {Day: now.Format(time.DateOnly), Pages: 5}},
			Copies: []control.Sample{{Time: now.AddDate(0, 0, -60), Copies: 1}, {Time: now.AddDate(0, 0, -10), Copies: 4}, {Time: now.AddDate(0, 0, -2), Copies: 3}},
		}
	}, func(w *opened, _ publisher.Site, _ string) {
		var labels []string
		w.visible(func(o fyne.CanvasObject) bool {
			if c, ok := o.(*chart); ok {
				labels = append(labels, c.AccessibilityLabel())
			}
			return true
		})
		want := []string{"25 pages in 30 days, most on 29 Dec 1999: 20", "Now 3; between 1 and 4 in 30 days"}
		if !slices.Equal(labels, want) {
			t.Errorf("%q", labels)
		}
		w.want(want...)
	})
}

func TestValuesPerDay(t *testing.T) {
	now := time.Date(2026, 3, 31, 12, 0, 0, 0, time.Local)
	days := lastDays(now, 3)
	if got := days[0].Format(time.DateOnly); got != "2026-03-29" || days[2].Day() != 31 {
		t.Errorf("%v", days)
	}
	visits := visitsPerDay(days, []control.DayCount{{Day: "2026-03-30", Pages: 4}, {Day: "2026-01-01", Pages: 9}})
	if !slices.Equal(visits, []int64{0, 4, 0}) {
		t.Errorf("visits: %v", visits)
	}
	copies := copiesPerDay(days, []control.Sample{{Time: now.AddDate(0, -1, 0), Copies: 2}, {Time: now.AddDate(0, 0, -1), Copies: 5}})
	if !slices.Equal(copies, []int64{2, 5, 5}) {
		t.Errorf("copies: %v", copies)
	}
	if copies := copiesPerDay(days, []control.Sample{{Time: now, Copies: 1}}); !slices.Equal(copies, []int64{notKnown, notKnown, 1}) {
		t.Errorf("copies of a new site: %v", copies)
	}
}

package ui

import (
	"path/filepath"
	"strings"

	"altnet/engine/control"
	"altnet/engine/publisher"
)

// overPages brings the pages that lie over the sections into view.
func (w *opened) overPages(show func(w *opened, screen string)) {
	a, browse := w.App, newBrowsePage(w.App)
	site := control.Visited{Name: "xn--bcher-kva.alt", Address: strings.Repeat("a2b3c4d5", 7), Root: strings.Repeat("ab", 32)}
	dir := filepath.Join(w.t.TempDir(), "keys.age")
	type over struct {
		name string
		page page
	}
	pages := []over{
		{"visit", newVisitPage(browse, site)}, {"block", newBlockPage(a, site)},
		{"blocked", newBlockedPage(a)}, {"peers", newPeersPage(a)}, {"move", newMovePage(a, "/mnt/big")},
		{"setup", newSetupPage(a)}, {"phrase test", newPhraseTestPage(a)}, {"file test", newFileTestPage(a, dir)},
		{"restore by words", newRestorePage(a, false)}, {"restore by file", newRestorePage(a, true)},
	}
	if strings.HasPrefix(a.t("nav.back"), "B") || strings.HasPrefix(a.t("nav.back"), "Z") { // foreign words are no translations
		pages = append(pages, over{"report", newReportPage(a, site, control.Resolution{})}, over{"advanced", newAdvancedPage(a)}, over{"phrase", newPhrasePage(a, publisher.Safety{})}, over{"backup", newBackupPage(a)},
			over{"logs", newLogsPage(a)}, over{"libraries", newLibrariesPage(a)}, over{"licence", newLicencePage(a, "GPL", func() string { return "GPL" })})
	}
	for _, o := range pages {
		a.nav.open(o.page)
		show(w, o.name)
		a.nav.back()
	}
	w.settle()
}

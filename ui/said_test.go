package ui

import "testing"

func TestWhatTheDesktopSaysIsTranslated(t *testing.T) {
	inWindow(t, func(_ *fakeControl, d *fakeDesktop) { d.prefs.Language = "de" }, func(w *opened) {
		for want, text := range map[string]Text{
			"Uhr":                 {ID: "doctor.clock", English: "Clock"},
			"2 GB frei für /home": {ID: "doctor.disk.ok", English: "{free} free for {folder}", Args: map[string]string{"free": "2 GB", "folder": "/home"}},
			"Er führt nicht zu AltNet: name-alt.localhost öffnet sich ohne jede Änderung": {ID: "doctor.door.closed", English: "It does not lead to AltNet: {why}", Args: map[string]string{"why": "name-alt.localhost opens without any change"}},
			"ein VPN ist an; manche ändern den Namensdienst, solange sie an sind (tun0)": {
				ID: "names.reason.vpn", English: "a VPN is active; some change the resolver while they are on (tun0)", Args: map[string]string{"what": "tun0"}},
			"of tomorrow: x": {ID: "doctor.tomorrow", English: "of tomorrow: {y}", Args: map[string]string{"y": "x"}},
			"":               {},
		} {
			if got := w.say(text); got != want {
				t.Errorf("%q, want %q", got, want)
			}
		}
		for english, want := range map[string]string{
			"this system has no resolver":                                    "dieses System hat keinen Namensdienst",
			"this system has no resolver (really)":                           "dieses System hat keinen Namensdienst (really)",
			"something that nobody translated (yet)":                         "something that nobody translated (yet)",
			"This system has no resolver. Open sites at name-alt.localhost.": "Dieses System hat keinen Namensdienst. Öffne Seiten unter name-alt.localhost.",
			"This system has no resolver. Nobody knows why.":                 "Dieses System hat keinen Namensdienst. Nobody knows why.",
		} {
			if got := w.sayEnglish(english); got != want {
				t.Errorf("%q, want %q", got, want)
			}
		}
		if got := w.sayAll([]Text{{ID: "names.reason.no-resolver"}, {ID: "names.advice.use-localhost"}, said("über"), {}}); got != "Dieses System hat keinen Namensdienst. Öffne Seiten unter name-alt.localhost\nüber\n" {
			t.Errorf("%q", got)
		}
	})
}

package splitdns

import (
	"encoding/json"
	"path/filepath"
	"regexp"
	"strings"
)

// lookBrowsers finds the browsers of a Linux and what in their profiles goes
// around the doors.
func lookBrowsers(env Env) []Browser {
	var found []Browser
	for _, b := range []struct{ name, program, snap, flatpak string }{
		{"firefox", "firefox", "firefox", "org.mozilla.firefox"},
		{"firefox", "firefox-esr", "", ""},
		{"chromium", "chromium", "chromium", "org.chromium.Chromium"},
		{"chrome", "google-chrome", "", "com.google.Chrome"},
		{"edge", "microsoft-edge", "", "com.microsoft.Edge"},
		{"brave", "brave-browser", "brave", "com.brave.Browser"},
	} {
		if b.flatpak != "" && (env.Exists("/var/lib/flatpak/app/"+b.flatpak) || env.Home != "" && env.Exists(filepath.Join(env.Home, ".local/share/flatpak/app", b.flatpak))) {
			found = append(found, Browser{Name: b.name, Sandbox: "flatpak"})
		}
		switch {
		case b.snap != "" && env.Exists("/snap/bin/"+b.snap):
			found = append(found, Browser{Name: b.name, Sandbox: "snap"})
		case env.Installed(b.program):
			found = append(found, Browser{Name: b.name})
		}
	}
	if env.Home == "" {
		return found
	}
	for i := range found {
		lookProfile(env, &found[i])
	}
	return found
}

// lookProfile reads what a person set in a browser.
func lookProfile(env Env, b *Browser) {
	for _, path := range env.Glob(filepath.Join(env.Home, profiles(*b))) {
		data, err := env.ReadFile(path)
		if err != nil {
			continue
		}
		if b.Name == "firefox" {
			own, doh := firefoxPrefs(string(data))
			b.OwnProxy, b.DoH = b.OwnProxy || own, b.DoH || doh
		} else {
			b.DoH = b.DoH || chromiumDoH(data)
		}
	}
}

// profiles is the pattern of a browser's settings below the home folder.
func profiles(b Browser) string {
	switch b.Name + "/" + b.Sandbox {
	case "firefox/":
		return ".mozilla/firefox/*/prefs.js"
	case "firefox/snap":
		return "snap/firefox/common/.mozilla/firefox/*/prefs.js"
	case "firefox/flatpak":
		return ".var/app/org.mozilla.firefox/.mozilla/firefox/*/prefs.js"
	case "chromium/":
		return ".config/chromium/Local State"
	case "chromium/snap":
		return "snap/chromium/common/chromium/Local State"
	case "chromium/flatpak":
		return ".var/app/org.chromium.Chromium/config/chromium/Local State"
	case "chrome/":
		return ".config/google-chrome/Local State"
	case "edge/":
		return ".config/microsoft-edge/Local State"
	case "brave/":
		return ".config/BraveSoftware/Brave-Browser/Local State"
	}
	return "nowhere"
}

// firefoxPrefs reads prefs.js: a proxy type other than the system's (5), and a
// forced DNS over HTTPS (modes 2 and 3) that does not leave out our suffix.
func firefoxPrefs(text string) (ownProxy, doh bool) {
	number := func(name string) string {
		m := regexp.MustCompile(`user_pref\("` + regexp.QuoteMeta(name) + `", (\d+)\)`).FindStringSubmatch(text)
		if m == nil {
			return ""
		}
		return m[1]
	}
	proxy, mode := number("network.proxy.type"), number("network.trr.mode")
	excluded := regexp.MustCompile(`user_pref\("network\.trr\.excluded-domains", "([^"]*)"\)`).FindStringSubmatch(text)
	left := excluded != nil && strings.Contains(","+strings.ReplaceAll(excluded[1], " ", "")+",", ",alt,")
	return proxy != "" && proxy != "5", (mode == "2" || mode == "3") && !left
}

func chromiumDoH(localState []byte) bool {
	var s struct {
		DNS struct {
			Mode string `json:"mode"`
		} `json:"dns_over_https"`
	}
	return json.Unmarshal(localState, &s) == nil && s.DNS.Mode == "secure"
}

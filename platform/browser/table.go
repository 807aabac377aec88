package browser

import (
	"path/filepath"
	"strings"
)

// vendor is one Chromium: how its folders are called on each system.
type vendor struct {
	name                   string
	programs               []string // Linux
	linux, windows, darwin string   // folder of its profiles
	snap, flatpak          string
	exe                    string // below Program Files
}

func chromiums() []vendor {
	return []vendor{
		{name: "Chromium", programs: []string{"chromium", "chromium-browser"}, linux: "chromium", windows: "Chromium/User Data", darwin: "Chromium", snap: "chromium", flatpak: "org.chromium.Chromium", exe: "Chromium/Application/chrome.exe"},
		{name: "Chrome", programs: []string{"google-chrome", "google-chrome-stable", "google-chrome-beta"}, linux: "google-chrome", windows: "Google/Chrome/User Data", darwin: "Google/Chrome", flatpak: "com.google.Chrome", exe: "Google/Chrome/Application/chrome.exe"},
		{name: "Edge", programs: []string{"microsoft-edge", "microsoft-edge-stable"}, linux: "microsoft-edge", windows: "Microsoft/Edge/User Data", darwin: "Microsoft Edge", flatpak: "com.microsoft.Edge", exe: "Microsoft/Edge/Application/msedge.exe"},
		{name: "Brave", programs: []string{"brave-browser", "brave"}, linux: "BraveSoftware/Brave-Browser", windows: "BraveSoftware/Brave-Browser/User Data", darwin: "BraveSoftware/Brave-Browser", snap: "brave", flatpak: "com.brave.Browser", exe: "BraveSoftware/Brave-Browser/Application/brave.exe"},
		{name: "Vivaldi", programs: []string{"vivaldi", "vivaldi-stable"}, linux: "vivaldi", windows: "Vivaldi/User Data", darwin: "Vivaldi", flatpak: "com.vivaldi.Vivaldi", exe: "Vivaldi/Application/vivaldi.exe"},
		{name: "Opera", programs: []string{"opera", "opera-stable"}, linux: "opera", darwin: "com.operasoftware.Opera", snap: "opera", flatpak: "com.opera.Opera"},
	}
}

// table lists the ways browsers are installed on the system of env.
func table(env Env) []known {
	switch env.GOOS {
	case "windows":
		return windowsTable(env)
	case "darwin":
		return darwinTable(env)
	default:
		return linuxTable(env)
	}
}

func linuxTable(env Env) []known {
	home := func(parts ...string) string { return filepath.Join(append([]string{env.Home}, parts...)...) }
	config, share := xdg(env, "XDG_CONFIG_HOME", ".config"), xdg(env, "XDG_DATA_HOME", ".local/share")
	var list []known
	for _, v := range chromiums() {
		list = append(list, known{
			name: v.name, family: Chromium, programs: v.programs, data: []string{filepath.Join(config, v.linux)},
			nss: []string{".pki/nssdb", below(env.Home, filepath.Join(share, "pki/nssdb"))},
		})
		if v.snap != "" {
			list = append(list, known{
				name: v.name + " (snap)", family: Chromium, data: []string{home("snap", v.snap, "common", v.linux)},
				nss: []string{"snap/" + v.snap + "/current/.pki/nssdb", "snap/" + v.snap + "/current/.local/share/pki/nssdb"},
			})
		}
		if v.flatpak != "" {
			list = append(list, known{
				name: v.name + " (flatpak)", family: Chromium, data: []string{home(".var/app", v.flatpak, "config", v.linux)},
				nss: []string{".var/app/" + v.flatpak + "/.pki/nssdb", ".var/app/" + v.flatpak + "/data/pki/nssdb"},
			})
		}
	}
	firefox := func(name string, programs []string, data ...string) {
		for _, dir := range data {
			list = append(list, known{name: name, family: Firefox, programs: programs, data: []string{dir}})
			programs = nil // counted once
		}
	}
	firefox("Firefox", []string{"firefox", "firefox-esr"}, home(".mozilla/firefox"), filepath.Join(config, "mozilla/firefox"))
	firefox("Firefox (snap)", nil, home("snap/firefox/common/.mozilla/firefox"), home("snap/firefox/common/.config/mozilla/firefox"))
	firefox("Firefox (flatpak)", nil, home(".var/app/org.mozilla.firefox/.mozilla/firefox"), home(".var/app/org.mozilla.firefox/config/mozilla/firefox"))
	firefox("LibreWolf", []string{"librewolf"}, home(".librewolf"), filepath.Join(config, "librewolf/librewolf"))
	firefox("LibreWolf (flatpak)", nil, home(".var/app/io.gitlab.librewolf-community/.librewolf"))
	firefox("Floorp", []string{"floorp"}, home(".floorp"))
	firefox("Waterfox", []string{"waterfox"}, home(".waterfox"))
	return list
}

func windowsTable(env Env) []known {
	local, roaming := env.Getenv("LocalAppData"), env.Getenv("AppData")
	var list []known
	for _, v := range chromiums() {
		if v.windows == "" {
			continue
		}
		k := known{name: v.name, family: Chromium, data: []string{filepath.Join(local, filepath.FromSlash(v.windows))}}
		for _, base := range []string{env.Getenv("ProgramFiles"), env.Getenv("ProgramFiles(x86)"), local} {
			if base != "" && v.exe != "" {
				k.programs = append(k.programs, filepath.Join(base, filepath.FromSlash(v.exe)))
			}
		}
		list = append(list, k)
	}
	return append(list, known{
		name: "Firefox", family: Firefox, data: []string{filepath.Join(roaming, "Mozilla", "Firefox")},
		programs: []string{filepath.Join(env.Getenv("ProgramFiles"), "Mozilla Firefox", "firefox.exe")},
	})
}

func darwinTable(env Env) []known {
	support := filepath.Join(env.Home, "Library", "Application Support")
	app := func(name string) []string { return []string{env.Root + "/Applications/" + name + ".app"} }
	apps := map[string]string{"Chromium": "Chromium", "Chrome": "Google Chrome", "Edge": "Microsoft Edge", "Brave": "Brave Browser", "Vivaldi": "Vivaldi", "Opera": "Opera"}
	var list []known
	for _, v := range chromiums() {
		list = append(list, known{name: v.name, family: Chromium, programs: app(apps[v.name]), data: []string{filepath.Join(support, v.darwin)}})
	}
	return append(list, known{name: "Firefox", family: Firefox, programs: app("Firefox"), data: []string{filepath.Join(support, "Firefox")}})
}

// xdg resolves a base directory; a relative value is invalid and ignored.
func xdg(env Env, variable, fallback string) string {
	if dir := env.Getenv(variable); filepath.IsAbs(dir) {
		return dir
	}
	return filepath.Join(env.Home, fallback)
}

// below returns path relative to home, the way it is joined again later.
func below(home, path string) string {
	rel, err := filepath.Rel(home, path)
	if err != nil {
		return strings.TrimPrefix(path, home)
	}
	return rel
}

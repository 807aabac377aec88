package trust

import (
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"altnet/platform/browser"
)

// Env is what trust asks of the system, so that any machine can be described
// in a test. Here returns the one of this process.
type Env struct {
	browser.Env
	Suffix string // the only top-level name the root may vouch for
	Run    Runner
}

// Look describes the machine and writes nothing.
func Look(env Env) Description {
	d := Description{GOOS: env.GOOS, Home: env.Home, HomeMine: mine(env.Home)}
	if env.GOOS == "windows" || env.GOOS == "darwin" {
		return d // Firefox follows the system there, and Chromium always did
	}
	d.Certutil, _ = env.LookPath("certutil")
	if d.Certutil == "" {
		d.Package = installHint(env)
	}
	d.Anchors = findAnchors(env)
	browsers := browser.Find(env.Env)
	for _, b := range browsers {
		d.Browsers = append(d.Browsers, engineOf(b))
	}
	d.Policies, d.Broken = policies(env, browsers)
	return d
}

func engineOf(b browser.Browser) Engine {
	e := Engine{Name: b.Name, Chromium: b.Family == browser.Chromium, Version: b.Version, Used: b.Data != ""}
	for _, dir := range b.NSS {
		e.Databases = append(e.Databases, database(dir, ""))
	}
	if !e.Chromium {
		for _, p := range b.Profiles {
			e.Databases = append(e.Databases, database(p.Dir, p.Name))
		}
	}
	return e
}

func database(dir, profile string) Database {
	_, err := os.Stat(filepath.Join(dir, "cert9.db"))
	return Database{Dir: dir, Profile: profile, Exists: err == nil, Mine: mine(nearest(dir))}
}

// nearest returns path or the first folder above it that exists.
func nearest(path string) string {
	for {
		if _, err := os.Lstat(path); err == nil || path == filepath.Dir(path) {
			return path
		}
		path = filepath.Dir(path)
	}
}

// mine reports whether path and where its links lead belong to whoever runs
// this process. Systems without user numbers keep others out by themselves.
func mine(path string) bool {
	if runtime.GOOS == "windows" {
		return true
	}
	info, err := os.Lstat(path)
	if err != nil || owner(info) != os.Geteuid() {
		return false
	}
	target, err := os.Stat(path)
	return err == nil && owner(target) == os.Geteuid()
}

// anchorTable lists the distributions' ways. The order tells apart those that
// have several of the folders.
func anchorTable() []Anchor {
	return []Anchor{
		{ // Fedora, RHEL
			Dir: "/etc/pki/ca-trust/source/anchors", Ext: ".pem", Refresh: []string{"update-ca-trust", "extract"},
			Bundle: "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
		},
		{ // Arch
			Dir: "/etc/ca-certificates/trust-source/anchors", Ext: ".crt", Refresh: []string{"update-ca-trust"},
			Bundle: "/etc/ca-certificates/extracted/tls-ca-bundle.pem",
		},
		{ // SUSE
			Dir: "/etc/pki/trust/anchors", Ext: ".pem", Refresh: []string{"update-ca-certificates"},
			Bundle: "/var/lib/ca-certificates/ca-bundle.pem",
		},
		{ // Debian, Ubuntu, Alpine, Gentoo, Void
			Dir: "/usr/local/share/ca-certificates", Ext: ".crt", Refresh: []string{"update-ca-certificates"},
			Bundle: "/etc/ssl/certs/ca-certificates.crt",
		},
	}
}

func findAnchors(env Env) *Anchor {
	for _, a := range anchorTable() {
		dir := filepath.Join(env.Root, a.Dir)
		if info, err := os.Stat(dir); err != nil || !info.IsDir() {
			continue
		}
		if path, err := env.LookPath(a.Refresh[0]); err == nil {
			a.Found, a.Refresh = true, append([]string{path}, a.Refresh[1:]...)
		}
		a.Dir, a.ReadOnly, a.Bundle = dir, readOnly(dir), filepath.Join(env.Root, a.Bundle)
		return &a
	}
	return nil
}

// policies finds the file of Firefox's policies where a Firefox is installed
// that reads it; flatpaks do not.
func policies(env Env, browsers []browser.Browser) (path string, broken bool) {
	reads := false
	for _, b := range browsers {
		reads = reads || b.Name == "Firefox" && b.Installed || b.Name == "Firefox (snap)"
	}
	if !reads {
		return "", false
	}
	path = filepath.Join(env.Root, "/etc/firefox/policies/policies.json")
	text, err := os.ReadFile(path)
	if err != nil {
		return path, false
	}
	var object map[string]json.RawMessage
	return path, json.Unmarshal(text, &object) != nil
}

// installHint says how certutil comes to this distribution.
func installHint(env Env) string {
	text, err := os.ReadFile(filepath.Join(env.Root, "/etc/os-release"))
	if err != nil {
		return ""
	}
	return packageCommand(string(text))
}

func packageCommand(release string) string {
	var ids []string
	for line := range strings.Lines(release) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		if key == "ID" || key == "ID_LIKE" {
			ids = append(ids, strings.Fields(strings.Trim(value, `"'`))...)
		}
	}
	for _, id := range ids {
		switch id {
		case "debian", "ubuntu":
			return "sudo apt install libnss3-tools"
		case "fedora", "rhel", "centos":
			return "sudo dnf install nss-tools"
		case "suse", "opensuse":
			return "sudo zypper install mozilla-nss-tools"
		case "arch":
			return "sudo pacman -S nss"
		case "alpine":
			return "doas apk add nss-tools"
		}
	}
	return ""
}

package trust

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
)

// brief writes stores in a line each: scope, place, and what is in the way.
func brief(stores []Store) []string {
	var list []string
	for _, s := range stores {
		line := fmt.Sprintf("%s %s", s.Scope, s.ID)
		if s.Fresh {
			line += " fresh"
		}
		if s.Blocked != "" {
			line += " !" + string(s.Blocked)
		}
		list = append(list, line)
	}
	return list
}

func TestDecide(t *testing.T) {
	debian := &Anchor{Dir: "/usr/local/share/ca-certificates", Found: true}
	old, moved := Database{Dir: "/h/.pki/nssdb", Mine: true}, Database{Dir: "/h/.local/share/pki/nssdb", Mine: true}
	there := func(db Database) Database { db.Exists = true; return db }
	chromium := func(version int, dbs ...Database) Engine {
		return Engine{Name: "Chromium", Chromium: true, Version: version, Used: version > 0, Databases: dbs}
	}
	profile := Database{Dir: "/h/.mozilla/firefox/p", Profile: "default", Exists: true, Mine: true}
	firefox := Engine{Name: "Firefox", Used: true, Databases: []Database{profile}}
	linux := func(change func(*Description)) Description {
		d := Description{GOOS: "linux", Home: "/h", HomeMine: true, Certutil: "/usr/bin/certutil", Anchors: debian}
		change(&d)
		return d
	}
	const anchorLine, oldLine, movedLine = "machine anchors", "user nss:/h/.pki/nssdb", "user nss:/h/.local/share/pki/nssdb"
	for _, tt := range []struct {
		name string
		d    Description
		want []string
	}{
		{"windows", Description{GOOS: "windows", Home: `C:\h`}, []string{"machine windows-machine", "user windows-user"}},
		{"macOS", Description{GOOS: "darwin", Home: "/h", HomeMine: true}, []string{"machine system-keychain", "user login-keychain"}},
		{"macOS service", Description{GOOS: "darwin"}, []string{"machine system-keychain"}},
		{"macOS root in a user's home", Description{GOOS: "darwin", Home: "/h"}, []string{"machine system-keychain", "user login-keychain !not-yours"}},
		{"server without browsers", linux(func(d *Description) {}), []string{anchorLine}},
		{"unknown distribution", linux(func(d *Description) { d.Anchors = nil }), nil},
		{"read-only /etc", linux(func(d *Description) { d.Anchors = &Anchor{Dir: "/x", Found: true, ReadOnly: true} }), []string{"machine anchors !read-only"}},
		{"no ca-certificates", linux(func(d *Description) { d.Anchors = &Anchor{Dir: "/x"} }), []string{"machine anchors !refresh"}},
		{"chromium never ran", linux(func(d *Description) { d.Browsers = []Engine{chromium(0, old, moved)} }), []string{anchorLine, oldLine + " fresh"}},
		{"old chromium", linux(func(d *Description) { d.Browsers = []Engine{chromium(120, old, moved)} }), []string{anchorLine, oldLine + " fresh"}},
		{"new chromium", linux(func(d *Description) { d.Browsers = []Engine{chromium(146, old, moved)} }), []string{anchorLine, movedLine + " fresh"}},
		{"old database", linux(func(d *Description) { d.Browsers = []Engine{chromium(150, there(old), moved)} }), []string{anchorLine, oldLine}},
		{"new database", linux(func(d *Description) { d.Browsers = []Engine{chromium(0, old, there(moved))} }), []string{anchorLine, movedLine}},
		{"both databases", linux(func(d *Description) { d.Browsers = []Engine{chromium(150, there(old), there(moved))} }), []string{anchorLine, oldLine, movedLine}},
		{"two browsers share one", linux(func(d *Description) {
			d.Browsers = []Engine{chromium(150, old, moved), {Name: "Chrome", Chromium: true, Version: 0, Databases: []Database{old, moved}}}
		}), []string{anchorLine, movedLine + " fresh"}},
		{"firefox", linux(func(d *Description) { d.Browsers = []Engine{firefox}; d.Policies = "/etc/p" }), []string{anchorLine, "user nss:/h/.mozilla/firefox/p"}},
		{"firefox without certutil", linux(func(d *Description) {
			d.Browsers, d.Policies, d.Certutil, d.Package = []Engine{firefox}, "/etc/p", "", "apt install it"
		}), []string{anchorLine, "user nss:/h/.mozilla/firefox/p !certutil", "machine firefox-policy"}},
		{"broken policies", linux(func(d *Description) { d.Policies, d.Broken, d.Certutil = "/etc/p", true, "" }), []string{anchorLine, "machine firefox-policy !not-json"}},
		{"firefox never ran", linux(func(d *Description) { d.Browsers = []Engine{{Name: "Firefox"}} }), []string{anchorLine}},
		{"sudo with the user's home", linux(func(d *Description) { d.HomeMine = false; d.Browsers = []Engine{firefox} }), []string{anchorLine, "user nss:/h/.mozilla/firefox/p !not-yours"}},
		{"profile of another user", linux(func(d *Description) {
			other := profile
			other.Mine = false
			d.Browsers = []Engine{{Name: "Firefox", Databases: []Database{other}}}
		}), []string{anchorLine, "user nss:/h/.mozilla/firefox/p !not-yours"}},
		{"service without a home", linux(func(d *Description) { d.Home = ""; d.Browsers = []Engine{firefox} }), []string{anchorLine}},
		{"snap and native", linux(func(d *Description) {
			snap := Database{Dir: "/h/snap/chromium/current/.pki/nssdb", Mine: true, Exists: true}
			d.Browsers = []Engine{chromium(150, there(old), moved), {Name: "Chromium (snap)", Chromium: true, Databases: []Database{snap, {Dir: "/h/snap/x", Mine: true}}}}
		}), []string{anchorLine, oldLine, "user nss:/h/snap/chromium/current/.pki/nssdb"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := brief(Decide(tt.d)); !reflect.DeepEqual(got, tt.want) {
				t.Errorf("\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(tt.want, "\n"))
			}
		})
	}
}

func TestSharedDatabaseNamesBoth(t *testing.T) {
	db := Database{Dir: "/h/.pki/nssdb", Mine: true, Exists: true}
	stores := Decide(Description{GOOS: "linux", Home: "/h", HomeMine: true, Certutil: "c", Browsers: []Engine{
		{Name: "Chromium", Chromium: true, Databases: []Database{db}}, {Name: "Brave", Chromium: true, Databases: []Database{db}},
	}})
	if len(stores) != 1 || stores[0].Name != "Chromium, Brave" {
		t.Errorf("%+v", stores)
	}
}

func TestPackageCommand(t *testing.T) {
	for release, want := range map[string]string{
		"ID=debian\n": "sudo apt install libnss3-tools",
		"NAME=x\nID=linuxmint\nID_LIKE=\"ubuntu debian\"\n": "sudo apt install libnss3-tools",
		"ID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"\n":    "sudo dnf install nss-tools",
		"ID=opensuse-leap\nID_LIKE='suse opensuse'\n":       "sudo zypper install mozilla-nss-tools",
		"ID=alpine": "doas apk add nss-tools", "ID=arch": "sudo pacman -S nss", "ID=plan9": "", "": "",
	} {
		if got := packageCommand(release); got != want {
			t.Errorf("%q: %q, want %q", release, got, want)
		}
	}
}

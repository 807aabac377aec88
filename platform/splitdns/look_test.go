package splitdns

import (
	"context"
	"errors"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// fakeEnv is a computer made of maps.
type fakeEnv struct {
	goos     string
	root     bool
	vars     map[string]string
	files    map[string]string
	links    map[string]string
	readOnly []string
	programs map[string]string // command line to output
	system   []string          // names on the system bus; nil: there is none
	session  []string
	dnsMode  string
	up       []string
	noLinks  bool
	loopback bool
	values   map[string]string   // hive\key\name to value
	keys     map[string][]string // hive\key to subkeys
}

func (f fakeEnv) env() Env {
	paths := func() []string {
		var all []string
		for p := range f.files {
			all = append(all, p)
		}
		return all
	}
	return Env{
		GOOS: f.goos, Home: "/home/anna", Root: f.root,
		Getenv: func(name string) string { return f.vars[name] },
		ReadFile: func(path string) ([]byte, error) {
			if text, found := f.files[path]; found {
				return []byte(text), nil
			}
			return nil, &fs.PathError{Op: "open", Path: path, Err: os.ErrNotExist}
		},
		Readlink: func(path string) (string, error) {
			if target, found := f.links[path]; found {
				return target, nil
			}
			return "", os.ErrInvalid
		},
		Exists: func(path string) bool {
			return slices.ContainsFunc(paths(), func(p string) bool { return p == path || strings.HasPrefix(p, path+"/") })
		},
		Glob: func(pattern string) []string {
			var found []string
			for _, p := range paths() {
				for at := p; at != "/" && at != "."; at = filepath.Dir(at) {
					if ok, _ := filepath.Match(pattern, at); ok && !slices.Contains(found, at) {
						found = append(found, at)
					}
				}
			}
			return found
		},
		Writable:  func(folder string) bool { return !slices.Contains(f.readOnly, folder) },
		Installed: func(program string) bool { _, found := f.programs[program]; return found },
		Run: func(_ context.Context, program string, args ...string) ([]byte, error) {
			if out, found := f.programs[strings.Join(append([]string{program}, args...), " ")]; found {
				return []byte(out), nil
			}
			return nil, errors.New("no such program")
		},
		BusNames: func(_ context.Context, session bool) ([]string, error) {
			names := f.system
			if session {
				names = f.session
			}
			if names == nil {
				return nil, errors.New("no bus")
			}
			return names, nil
		},
		DNSMode:    func(context.Context) string { return f.dnsMode },
		Interfaces: func() []string { return f.up },
		MakesLinks: func() bool { return !f.noLinks },
		Loopback:   func() bool { return f.loopback },
		Value: func(hive, key, name string) (string, bool) {
			value, found := f.values[hive+`\`+key+`\`+name]
			return value, found
		},
		Keys: func(hive, key string) ([]string, bool) {
			names, found := f.keys[hive+`\`+key]
			return names, found
		},
	}
}

const (
	debianHosts = "passwd: files\nhosts: files resolve [!UNAVAIL=return] dns # as Debian has it\n"
	plainHosts  = "hosts: files dns\n"
)

func testWant() Want {
	return Want{Suffix: "alt", Gateway: netip.MustParseAddrPort("127.0.0.1:8080")}
}

var gnomeSession = map[string]string{"XDG_CURRENT_DESKTOP": "ubuntu:GNOME", "WAYLAND_DISPLAY": "wayland-0"}

func settings(more ...string) map[string]string {
	all := map[string]string{
		"gsettings get org.gnome.system.proxy mode": "'none'\n", "gsettings writable org.gnome.system.proxy mode": "true\n",
	}
	for i := 0; i < len(more); i += 2 {
		all[more[i]] = more[i+1]
	}
	return all
}

func TestLook(t *testing.T) {
	for name, c := range map[string]struct {
		env  fakeEnv
		want string // Decide for a service
		test func(Machine) bool
	}{
		"Debian 12 with GNOME": {
			env: fakeEnv{goos: "linux", root: true, vars: gnomeSession, system: []string{"org.freedesktop.resolve1"}, session: []string{"org.kde.StatusNotifierWatcher"},
				links:    map[string]string{"/etc/resolv.conf": "../run/systemd/resolve/stub-resolv.conf"},
				programs: settings("resolvectl --version", "systemd 252 (252.39-1~deb12u2)\n+PAM", "firefox-esr", ""),
				files: map[string]string{"/etc/resolv.conf": "nameserver 127.0.0.53\n", "/etc/nsswitch.conf": debianHosts, "/etc/os-release": "NAME=x\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\n",
					"/home/anna/x": "", "/home/ben/x": ""}},
			want: "pac-gnome private-link localhost",
			test: func(m Machine) bool {
				return m.System == "Debian GNU/Linux 12 (bookworm)" && m.Users == 2 && m.Tools.Tray && len(m.Browsers) == 1
			},
		},
		"Debian testing, a server": {
			env: fakeEnv{goos: "linux", root: true, system: []string{"org.freedesktop.resolve1"},
				programs: map[string]string{"systemctl --version": "systemd 259~rc1 (259~rc1-1)\n"},
				files:    map[string]string{"/etc/resolv.conf": "nameserver 127.0.0.53\n"}},
			want: "resolve-hook localhost -pac-gnome:no-desktop",
		},
		"read-only /run": {
			env: fakeEnv{goos: "linux", root: true, system: []string{"org.freedesktop.resolve1"}, readOnly: []string{"/run/systemd", "/run/systemd/resolve.hook"},
				programs: map[string]string{"resolvectl --version": "systemd 260 (260)\n"},
				files:    map[string]string{"/etc/resolv.conf": "nameserver 127.0.0.53\n"}},
			want: "localhost -pac-gnome:no-desktop -resolve-hook:folder-read-only",
		},
		"Fedora: nsswitch alone asks resolved": {
			env: fakeEnv{goos: "linux", root: true, system: []string{"org.freedesktop.resolve1"},
				programs: map[string]string{"resolvectl --version": "systemd 254 (254.1)\n"},
				links:    map[string]string{"/etc/resolv.conf": "/run/systemd/resolve/resolv.conf"},
				files:    map[string]string{"/etc/resolv.conf": "nameserver 192.0.2.1\n", "/etc/nsswitch.conf": "hosts: mymachines resolve [!UNAVAIL=return] files myhostname dns\n"}},
			want: "private-link localhost -pac-gnome:no-desktop",
		},
		"uplink list": {
			env: fakeEnv{goos: "linux", root: true, system: []string{"org.freedesktop.resolve1"},
				programs: map[string]string{"resolvectl --version": "systemd 254 (254.1)\n"},
				links:    map[string]string{"/etc/resolv.conf": "/run/systemd/resolve/resolv.conf"},
				files:    map[string]string{"/etc/resolv.conf": "nameserver 192.0.2.1\n", "/etc/nsswitch.conf": plainHosts}},
			want: "localhost -pac-gnome:no-desktop -resolve-hook:resolved-not-asked",
		},
		"no right to make interfaces": {
			env: fakeEnv{goos: "linux", root: true, noLinks: true, system: []string{"org.freedesktop.resolve1"},
				programs: map[string]string{"resolvectl --version": "systemd 252 (252)\n"},
				files:    map[string]string{"/etc/resolv.conf": "nameserver 127.0.0.53\n"}},
			want: "localhost -pac-gnome:no-desktop -private-link:no-links",
		},
		"Alpine": {
			env:  fakeEnv{goos: "linux", root: true, files: map[string]string{"/lib/ld-musl-x86_64.so.1": "", "/etc/resolv.conf": "nameserver 192.0.2.1\n"}},
			want: "localhost -pac-gnome:no-desktop -private-link:cannot-split",
			test: func(m Machine) bool { return m.Musl && !m.SystemBus },
		},
		"NetworkManager with dnsmasq": {
			env: fakeEnv{goos: "linux", root: true, system: []string{"org.freedesktop.NetworkManager"}, dnsMode: "dnsmasq",
				files: map[string]string{"/etc/resolv.conf": "# Generated by NetworkManager\nnameserver 127.0.0.1\n"}},
			want: "networkmanager-dnsmasq localhost -pac-gnome:no-desktop",
		},
		"a drop-in of others": {
			env: fakeEnv{goos: "linux", root: true, system: []string{"org.freedesktop.NetworkManager"}, dnsMode: "dnsmasq",
				files: map[string]string{"/etc/resolv.conf": "nameserver 127.0.0.1\n", "/etc/NetworkManager/dnsmasq.d/altnet.conf": "server=/alt/192.0.2.1\n"}},
			want: "localhost -pac-gnome:no-desktop -networkmanager-dnsmasq:file-of-others",
		},
		"NixOS with dnsmasq": {
			env: fakeEnv{goos: "linux", root: true, readOnly: []string{"/etc"}, system: []string{"org.freedesktop.NetworkManager"}, dnsMode: "dnsmasq",
				files: map[string]string{"/etc/resolv.conf": "nameserver 127.0.0.1\n"}},
			want: "localhost -pac-gnome:no-desktop -networkmanager-dnsmasq:folder-read-only",
		},
		"unbound": {
			env:  fakeEnv{goos: "linux", root: true, files: map[string]string{"/etc/resolv.conf": "nameserver ::1\n", "/run/unbound.pid": "7"}},
			want: "localhost -pac-gnome:no-desktop -private-link:local-server",
			test: func(m Machine) bool { return m.Resolver.Local == "unbound" },
		},
		"WSL": {
			env: fakeEnv{goos: "linux", root: true, files: map[string]string{"/proc/version": "Linux version 5.15-Microsoft-standard-WSL2",
				"/etc/resolv.conf": "# This file was automatically generated by WSL.\nnameserver 172.20.0.1\n"}},
			want: "localhost -pac-gnome:no-desktop -private-link:cannot-split !inside-windows",
		},
		"container": {
			env:  fakeEnv{goos: "linux", root: true, files: map[string]string{"/etc/resolv.conf": "# Generated by Docker Engine.\nnameserver 127.0.0.11\n"}},
			want: "localhost -pac-gnome:no-desktop -private-link:cannot-split",
			test: func(m Machine) bool { return m.Resolver.Manager == ManagerContainer },
		},
		"KDE with a proxy, Firefox snap and DoH": {
			env: fakeEnv{goos: "linux", vars: map[string]string{"XDG_CURRENT_DESKTOP": "KDE", "DISPLAY": ":0", "http_proxy": "http://proxy:3128"}, session: []string{}, up: []string{"eth0", "wg0"},
				files: map[string]string{"/etc/resolv.conf": "nameserver 192.0.2.1\n", "/home/anna/.config/kioslaverc": "[Proxy Settings]\nProxyType=1\nhttpProxy=http://proxy 3128\n",
					"/snap/bin/firefox": "", "/home/anna/snap/firefox/common/.mozilla/firefox/x.default/prefs.js": `user_pref("network.proxy.type", 1);` + "\n" + `user_pref("network.trr.mode", 3);`}},
			want: "localhost -pac-kde:other-proxy -private-link:cannot-split !environment-proxy",
			test: func(m Machine) bool {
				return m.VPN && m.Proxy.What == "http://proxy 3128" && slices.Equal(m.Browsers, []Browser{{Name: "firefox", Sandbox: "snap", OwnProxy: true, DoH: true}})
			},
		},
		"GNOME with a corporate script, locked": {
			env: fakeEnv{goos: "linux", vars: gnomeSession, session: []string{}, files: map[string]string{"/var/lib/flatpak/app/org.chromium.Chromium/x": ""},
				programs: map[string]string{"gsettings get org.gnome.system.proxy mode": "'auto'", "gsettings writable org.gnome.system.proxy mode": "false\n"}},
			want: "localhost -pac-gnome:proxy-by-policy -private-link:no-resolver",
			test: func(m Machine) bool {
				return slices.Equal(m.Browsers, []Browser{{Name: "chromium", Sandbox: "flatpak"}})
			},
		},
		"XFCE": {
			env:  fakeEnv{goos: "linux", vars: map[string]string{"XDG_CURRENT_DESKTOP": "XFCE", "DISPLAY": ":0"}, files: map[string]string{"/etc/resolv.conf": "nameserver 192.0.2.1\n"}},
			want: "localhost -pac-gnome:no-proxy-settings -private-link:cannot-split",
		},
		"Windows 11 in a domain": {
			env: fakeEnv{goos: "windows", loopback: true,
				values: map[string]string{`HKLM\` + windowsNow + `\ProductName`: "Windows 10 Pro", `HKLM\` + windowsNow + `\CurrentBuildNumber`: "22631",
					`HKLM\` + policyRules + `\{corp}\Name`: ".corp.example"},
				keys: map[string][]string{`HKLM\` + profileList: {"S-1-5-18", "S-1-5-21-1", "S-1-12-1-2"}, `HKLM\` + policyRules: {"{corp}"}, `HKLM\` + localRules: {ruleID}}},
			want: "nrpt pac-windows? localhost !policy-rules",
			test: func(m Machine) bool { return m.System == "Windows 11 Pro" && m.Major == 11 && m.Users == 2 },
		},
		"Windows with a rule of others": {
			env: fakeEnv{goos: "windows", loopback: true,
				values: map[string]string{`HKLM\` + localRules + `\{other}\Name`: ".corp.example\n.ALT", `HKCU\` + proxySettings + `\AutoConfigURL`: "http://127.0.0.1:8080/proxy.pac?altnet"},
				keys:   map[string][]string{`HKLM\` + localRules: {"{other}"}}},
			want: "pac-windows localhost -nrpt:rules-of-others",
			test: func(m Machine) bool { return m.Proxy.Mode == ProxyOurs },
		},
		"Windows with WSL and a proxy": {
			env: fakeEnv{goos: "windows", values: map[string]string{`HKCU\` + proxySettings + `\ProxyEnable`: "1", `HKCU\` + proxySettings + `\ProxyServer`: "proxy:3128"},
				keys: map[string][]string{`HKLM\` + sharingKey: {"Parameters"}}},
			want: "localhost -nrpt:port-taken -pac-windows:other-proxy",
			test: func(m Machine) bool { return strings.Contains(m.Windows.Port53, "WSL") },
		},
		"Windows with a proxy policy": {
			env:  fakeEnv{goos: "windows", loopback: true, values: map[string]string{`HKLM\` + proxyPolicy + `\ProxySettingsPerUser`: "0"}},
			want: "nrpt localhost -pac-windows:proxy-by-policy",
		},
		"Windows Server Core": {
			env:  fakeEnv{goos: "windows", loopback: true, values: map[string]string{`HKLM\` + windowsNow + `\InstallationType`: "Server Core"}},
			want: "nrpt localhost -pac-windows:no-desktop",
		},
		"macOS 15 with a VPN": {
			env: fakeEnv{goos: "darwin", root: true, programs: map[string]string{
				"sw_vers -productVersion": "15.6.1\n", "scutil --nc list": "* (Connected)  ABC PPP \"Company\"\n", "scutil --proxy": "<dictionary> {\n  HTTPEnable : 0\n  ProxyAutoConfigEnable : 0\n}\n",
				"defaults read /Applications/Safari.app/Contents/Info CFBundleShortVersionString": "18.6\n"},
				files: map[string]string{"/Users/anna/x": "", "/Users/Shared/x": ""}},
			want: "resolver-file pac-macos? localhost !vpn",
			test: func(m Machine) bool {
				return m.Major == 15 && m.Users == 1 && slices.Equal(m.Browsers, []Browser{{Name: "safari", Major: 18}})
			},
		},
		"macOS with a SOCKS proxy and a file of others": {
			env: fakeEnv{goos: "darwin", root: true, files: map[string]string{"/etc/resolver/alt": "nameserver 192.0.2.1\n"},
				programs: map[string]string{"scutil --proxy": "  SOCKSEnable : 1\n  SOCKSPort : 1080\n  SOCKSProxy : proxy\n"}},
			want: "localhost -resolver-file:file-of-others -pac-macos:other-proxy",
			test: func(m Machine) bool { return m.Proxy.What == "proxy:1080" },
		},
		"macOS with detection": {
			env:  fakeEnv{goos: "darwin", root: true, programs: map[string]string{"scutil --proxy": "  ProxyAutoDiscoveryEnable : 1\n"}},
			want: "resolver-file pac-macos? localhost !proxy-detected",
		},
	} {
		t.Run(name, func(t *testing.T) {
			m := Look(t.Context(), c.env.env())
			if got := short(Decide(m, Want{Suffix: "alt", Service: true})); got != c.want {
				t.Errorf("got  %s\nwant %s\nfor %+v", got, c.want, m)
			}
			if c.test != nil && !c.test(m) {
				t.Errorf("the machine is %+v", m)
			}
		})
	}
}

func TestSystemdVersion(t *testing.T) {
	for text, want := range map[string]int{
		"systemd 252 (252.39-1~deb12u2)\n+PAM": 252, "systemd 259~rc1 (x)": 259, "systemd 262": 262, "systemd": 0, "": 0, "dinit 9": 0, "systemd x": 0,
	} {
		if got := systemdVersion(text); got != want {
			t.Errorf("%q is version %d, want %d", text, got, want)
		}
	}
}

func TestOurScript(t *testing.T) {
	w := testWant()
	for address, want := range map[string]bool{
		PACURL(w): true, ServedPACURL(w): true,
		ServedPACURL(Want{Gateway: w.Gateway, Script: "/proxy-abc234.pac"}): true,
		"http://127.0.0.1:8080/a/proxy-abc234.pac?altnet":                   false,
		"http://127.0.0.1:8080/proxyabc.pac?altnet":                         false,
		"http://127.0.0.1:8080/proxy.pac":                                   false, // of a program like ours
		"http://pac.corp.example/proxy.pac?altnet":                          false,
		"https://127.0.0.1/proxy.pac?altnet":                                false,
		"data:application/x-ns-proxy-autoconfig;base64,x":                   false,
		"": false, ":": false,
	} {
		if OurScript(address) != want {
			t.Errorf("%q counts as ours: %v", address, !want)
		}
	}
}

func TestEveryTextIsThere(t *testing.T) {
	for reason, text := range reasonTexts() {
		if text == "" || reason.Text("x") != text+" (x)" {
			t.Errorf("%q says %q", reason, reason.Text("x"))
		}
	}
	if len(adviceTexts()) == 0 || Reason("new").Text("x") != "" {
		t.Error("what is not known has a text")
	}
}

package splitdns

import (
	"slices"
	"strings"
	"testing"
)

// linux is an ordinary Linux desktop to start from.
func linux(changes ...func(*Machine)) Machine {
	m := Machine{
		GOOS: "linux", EtcWritable: true, Users: 1, SystemBus: true, SessionBus: true,
		Resolver: Resolver{Manager: ManagerPlain}, Desktop: GNOME, Tools: Tools{GSettings: true},
	}
	return with(m, changes)
}

func win(changes ...func(*Machine)) Machine {
	return with(Machine{GOOS: "windows", Major: 11, Users: 1, Desktop: WindowsShell, Windows: Windows{Loopback: true}}, changes)
}

func mac(changes ...func(*Machine)) Machine {
	return with(Machine{GOOS: "darwin", Major: 15, Users: 1, EtcWritable: true, Desktop: Aqua}, changes)
}

func with(m Machine, changes []func(*Machine)) Machine {
	for _, c := range changes {
		c(&m)
	}
	return m
}

// resolved is systemd-resolved of a version behind its stub.
func resolved(version int) func(*Machine) {
	return func(m *Machine) {
		m.Resolver.Manager = ManagerResolved
		m.Resolved = Resolved{Running: true, Version: version, Hooks: true, Links: true}
	}
}

func proxy(mode ProxyMode, what string) func(*Machine) {
	return func(m *Machine) { m.Proxy = Proxy{Mode: mode, What: what} }
}

func desktop(d Desktop) func(*Machine) { return func(m *Machine) { m.Desktop = d } }
func manager(r Manager) func(*Machine) { return func(m *Machine) { m.Resolver.Manager = r } }
func browser(b Browser) func(*Machine) {
	return func(m *Machine) { m.Browsers = append(m.Browsers, b) }
}
func users(n int) func(*Machine)                { return func(m *Machine) { m.Users = n } }
func readOnly(m *Machine)                       { m.EtcWritable = false }
func noBus(m *Machine)                          { m.SystemBus, m.SessionBus = false, false }
func vpn(m *Machine)                            { m.VPN = true }
func networkManager(m *Machine)                 { m.NetworkManager = NetworkManager{Running: true, DNS: "dnsmasq"} }
func file(o Owner) func(*Machine)               { return func(m *Machine) { m.ResolverFile = o } }
func inWindows(f func(*Windows)) func(*Machine) { return func(m *Machine) { f(&m.Windows) } }

func TestDecide(t *testing.T) {
	for _, c := range []struct {
		name    string
		machine Machine
		service bool
		want    string
	}{
		// systemd-resolved of every age
		{"Debian 12, resolved 252", linux(resolved(252)), true, "pac-gnome private-link localhost"},
		{"Debian 12, no service", linux(resolved(252)), false, "pac-gnome localhost -private-link:needs-service"},
		{"Ubuntu 22.04, resolved 249", linux(resolved(249)), true, "pac-gnome private-link localhost"},
		{"resolved 254", linux(resolved(254)), true, "pac-gnome private-link localhost"},
		{"Ubuntu 24.04, resolved 255", linux(resolved(255)), true, "pac-gnome localhost -resolve-hook:resolved-refuses"},
		{"Debian 13, resolved 257", linux(resolved(257)), true, "pac-gnome localhost -resolve-hook:resolved-refuses"},
		{"Fedora, resolved 258", linux(resolved(258)), true, "pac-gnome localhost -resolve-hook:resolved-refuses"},
		{"resolved 259", linux(resolved(259)), true, "pac-gnome resolve-hook localhost"},
		{"Debian testing, resolved 262", linux(resolved(262)), true, "pac-gnome resolve-hook localhost"},
		{"resolved 262, no service", linux(resolved(262)), false, "pac-gnome localhost -resolve-hook:needs-service"},
		{"resolved 262, /run cannot be written to", linux(resolved(262), func(m *Machine) { m.Resolved.Hooks = false }), true, "pac-gnome localhost -resolve-hook:folder-read-only"},
		{"resolved of an unknown version", linux(resolved(0)), true, "pac-gnome localhost -private-link:resolved-unknown"},
		{"resolved 252, no interface can be made", linux(resolved(252), func(m *Machine) { m.Resolved.Links = false }), true, "pac-gnome localhost -private-link:no-links"},
		{"resolved runs, resolv.conf goes around it", linux(resolved(262), manager(ManagerUplink)), true, "pac-gnome localhost -resolve-hook:resolved-not-asked"},
		{"Fedora: nsswitch asks resolved", linux(resolved(262), manager(ManagerUplink), func(m *Machine) { m.Resolver.NSSResolve = true }), true, "pac-gnome resolve-hook localhost"},
		{"musl beside resolved, a plain file", linux(resolved(262), manager(ManagerPlain), func(m *Machine) { m.Musl, m.Resolver.NSSResolve = true, true }), true, "pac-gnome localhost -resolve-hook:resolved-not-asked"},
		{"a server with resolved 252, no desktop", linux(resolved(252), desktop(NoDesktop)), true, "private-link localhost -pac-gnome:no-desktop"},
		{"a server with resolved 257, no desktop", linux(resolved(257), desktop(NoDesktop)), true, "localhost -pac-gnome:no-desktop -resolve-hook:resolved-refuses"},

		// other resolvers
		{"NetworkManager with dnsmasq", linux(manager(ManagerNetworkManager), networkManager), true, "pac-gnome networkmanager-dnsmasq localhost"},
		{"NetworkManager with dnsmasq, no service", linux(manager(ManagerNetworkManager), networkManager), false, "pac-gnome localhost -networkmanager-dnsmasq:needs-service"},
		{"NetworkManager with dnsmasq, read-only /etc", linux(manager(ManagerNetworkManager), networkManager, readOnly), true, "pac-gnome localhost -networkmanager-dnsmasq:folder-read-only"},
		{"NetworkManager with dnsmasq, a file of others", linux(manager(ManagerNetworkManager), networkManager, file(Theirs)), true, "pac-gnome localhost -networkmanager-dnsmasq:file-of-others"},
		{"NetworkManager alone", linux(manager(ManagerNetworkManager), func(m *Machine) { m.NetworkManager.Running = true }), true, "pac-gnome localhost -private-link:cannot-split"},
		{"resolvconf", linux(manager(ManagerResolvconf)), true, "pac-gnome localhost -private-link:cannot-split"},
		{"plain resolv.conf", linux(), true, "pac-gnome localhost -private-link:cannot-split"},
		{"an own unbound", linux(func(m *Machine) { m.Resolver.Local = "unbound" }), true, "pac-gnome localhost -private-link:local-server"},
		{"Alpine with KDE", linux(desktop(KDE), func(m *Machine) { m.Musl = true }), true, "pac-kde localhost -private-link:cannot-split"},
		{"Alpine, a server", linux(desktop(NoDesktop), func(m *Machine) { m.Musl = true }), true, "localhost -pac-gnome:no-desktop -private-link:cannot-split"},
		{"NixOS, resolved 257", linux(resolved(257), readOnly), true, "pac-gnome localhost -resolve-hook:resolved-refuses"},
		{"an image with read-only /etc, resolved 262", linux(resolved(262), readOnly), true, "pac-gnome resolve-hook localhost"},
		{"container without D-Bus", linux(noBus, desktop(NoDesktop), manager(ManagerContainer)), true, "localhost -pac-gnome:no-desktop -private-link:cannot-split"},
		{"container with resolved 252 and no D-Bus", linux(resolved(252), noBus, desktop(NoDesktop)), true, "localhost -pac-gnome:no-desktop -private-link:no-system-bus"},
		{"no resolver at all", linux(manager(ManagerNone), desktop(NoDesktop)), true, "localhost -pac-gnome:no-desktop -private-link:no-resolver"},
		{"WSL itself", linux(manager(ManagerWSL), desktop(NoDesktop), func(m *Machine) { m.WSL = true }), false, "localhost -pac-gnome:no-desktop -private-link:cannot-split !inside-windows"},

		// desktops and their proxy settings
		{"GNOME without a tray", linux(resolved(262), func(m *Machine) { m.Tools.Tray = false }), false, "pac-gnome localhost -resolve-hook:needs-service"},
		{"GNOME without gsettings", linux(func(m *Machine) { m.Tools.GSettings = false }), false, "localhost -pac-gnome:no-settings-tool -private-link:cannot-split"},
		{"GNOME without a session bus", linux(func(m *Machine) { m.SessionBus = false }), false, "localhost -pac-gnome:no-session-bus -private-link:cannot-split"},
		{"KDE", linux(resolved(257), desktop(KDE)), false, "pac-kde localhost -resolve-hook:resolved-refuses"},
		{"KDE with Firefox", linux(desktop(KDE), browser(Browser{Name: "firefox"})), false, "pac-kde pac-gnome localhost -private-link:cannot-split"},
		{"XFCE, resolved 257", linux(resolved(257), desktop(XFCE)), true, "localhost -pac-gnome:no-proxy-settings -resolve-hook:resolved-refuses"},
		{"XFCE, resolved 252", linux(resolved(252), desktop(XFCE)), true, "private-link localhost -pac-gnome:no-proxy-settings"},
		{"sway", linux(desktop(OtherDesktop)), false, "localhost -pac-gnome:no-proxy-settings -private-link:cannot-split"},
		{"a corporate PAC on GNOME", linux(resolved(257), proxy(ProxyPAC, "http://pac.corp.example/p.pac")), true, "localhost -pac-gnome:other-script -resolve-hook:resolved-refuses"},
		{"a manual proxy on GNOME", linux(resolved(252), proxy(ProxyManual, "http://proxy:3128")), true, "private-link localhost -pac-gnome:other-proxy !other-proxy"},
		{"WPAD on GNOME", linux(proxy(ProxyDetect, "")), false, "localhost -pac-gnome:proxy-detected -private-link:cannot-split"},
		{"proxy locked by dconf", linux(proxy(ProxyEnforced, "")), false, "localhost -pac-gnome:proxy-by-policy -private-link:cannot-split"},
		{"proxy settings that cannot be read", linux(proxy(ProxyUnknown, "")), false, "localhost -pac-gnome:proxy-unreadable -private-link:cannot-split"},
		{"our script of an earlier run", linux(proxy(ProxyOurs, "")), false, "pac-gnome localhost -private-link:cannot-split"},
		{"http_proxy in the environment", linux(func(m *Machine) { m.EnvProxy = "http://proxy:3128" }), false, "pac-gnome localhost -private-link:cannot-split !environment-proxy"},
		{"snap Firefox", linux(resolved(255), browser(Browser{Name: "firefox", Sandbox: "snap"})), false, "pac-gnome localhost -resolve-hook:resolved-refuses"},
		{"flatpak Chromium", linux(browser(Browser{Name: "chromium", Sandbox: "flatpak"})), false, "pac-gnome localhost -private-link:cannot-split !sandboxed-browser"},
		{"Firefox with a proxy of its own", linux(browser(Browser{Name: "firefox", OwnProxy: true})), false, "pac-gnome localhost -private-link:cannot-split !browser-own-proxy"},
		{"two users, no service", linux(resolved(257), users(2)), false, "pac-gnome localhost -resolve-hook:resolved-refuses !one-user-only"},
		{"two users and the service", linux(resolved(262), users(2)), true, "pac-gnome resolve-hook localhost"},
		{"forced DoH, XFCE", linux(resolved(252), desktop(XFCE), browser(Browser{Name: "firefox", DoH: true})), true, "private-link localhost -pac-gnome:no-proxy-settings !browser-doh"},
		{"forced DoH beside the script", linux(resolved(252), browser(Browser{Name: "firefox", DoH: true})), true, "pac-gnome private-link localhost"},
		{"VPN on Linux", linux(resolved(252), vpn), true, "pac-gnome private-link localhost !vpn"},

		// Windows
		{"Windows 11", win(), false, "pac-windows localhost -nrpt:needs-service"},
		{"Windows 11 with the service", win(), true, "nrpt pac-windows? localhost"},
		{"Windows 10 with the service", win(func(m *Machine) { m.Major = 10 }), true, "nrpt pac-windows? localhost"},
		{"Windows Server, core", win(desktop(NoDesktop)), true, "nrpt localhost -pac-windows:no-desktop"},
		{"domain-joined with a policy key", win(inWindows(func(w *Windows) { w.PolicyKey = true })), true, "nrpt pac-windows? localhost !policy-rules"},
		{"a policy with a rule for .alt", win(inWindows(func(w *Windows) { w.PolicyKey, w.Rules = true, 1 })), true, "pac-windows localhost -nrpt:rules-of-others"},
		{"WSL2 holds port 53, 127.x is free", win(inWindows(func(w *Windows) { w.Port53 = "Internet Connection Sharing" })), true, "nrpt pac-windows? localhost"},
		{"WSL2 holds port 53 everywhere", win(inWindows(func(w *Windows) { w.Port53, w.Loopback = "Internet Connection Sharing", false })), true, "pac-windows localhost -nrpt:port-taken"},
		{"a corporate PAC on Windows", win(proxy(ProxyPAC, "http://pac.corp.example/p.pac")), false, "localhost -nrpt:needs-service -pac-windows:other-script"},
		{"a corporate PAC on Windows with the service", win(proxy(ProxyPAC, "http://pac.corp.example/p.pac")), true, "nrpt localhost -pac-windows:other-script"},
		{"a manual proxy on Windows with the service", win(proxy(ProxyManual, "proxy:3128")), true, "nrpt localhost -pac-windows:other-proxy !other-proxy"},
		{"automatic detection on Windows", win(proxy(ProxyDetect, "")), false, "pac-windows localhost -nrpt:needs-service !proxy-detected"},
		{"proxy by group policy", win(proxy(ProxyEnforced, "")), false, "localhost -nrpt:needs-service -pac-windows:proxy-by-policy"},
		{"two users of Windows", win(users(2)), false, "pac-windows localhost -nrpt:needs-service !one-user-only"},

		// macOS
		{"macOS 13", mac(func(m *Machine) { m.Major = 13 }, browser(Browser{Name: "safari", Major: 18})), false, "pac-macos localhost -resolver-file:needs-service"},
		{"macOS 15 with the service", mac(browser(Browser{Name: "safari", Major: 18})), true, "resolver-file pac-macos? localhost"},
		{"macOS 26 with the service", mac(func(m *Machine) { m.Major = 26 }, browser(Browser{Name: "safari", Major: 26})), true, "resolver-file pac-macos? localhost"},
		{"macOS 15, corporate PAC, old Safari", mac(proxy(ProxyPAC, "http://pac/"), browser(Browser{Name: "safari", Major: 18})), false, "localhost -resolver-file:needs-service -pac-macos:other-script !safari-localhost"},
		{"macOS 26, corporate PAC, new Safari", mac(proxy(ProxyPAC, "http://pac/"), browser(Browser{Name: "safari", Major: 26})), false, "localhost -resolver-file:needs-service -pac-macos:other-script"},
		{"macOS with a VPN", mac(vpn), true, "resolver-file pac-macos? localhost !vpn"},
		{"macOS, a resolver file of others", mac(file(Theirs)), true, "pac-macos localhost -resolver-file:file-of-others"},
		{"macOS, our resolver file", mac(file(Ours)), true, "resolver-file pac-macos? localhost"},

		// nothing we know
		{"Android", Machine{GOOS: "android"}, false, "localhost !unknown-system"},
		{"FreeBSD", Machine{GOOS: "freebsd", Desktop: KDE}, true, "localhost !unknown-system"},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := Decide(c.machine, Want{Suffix: "alt", Service: c.service})
			if got := short(d); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
			explained(t, d)
		})
	}
}

// short writes a decision in one line: doors (? for a fallback), refused doors
// (-) and notes (!).
func short(d Decision) string {
	var words []string
	for _, c := range d.Doors {
		word := string(c.Door)
		if c.Fallback {
			word += "?"
		}
		words = append(words, word)
	}
	for _, r := range d.Not {
		words = append(words, "-"+string(r.Door)+":"+string(r.Why))
	}
	for _, n := range d.Notes {
		words = append(words, "!"+string(n.About))
	}
	return strings.Join(words, " ")
}

// explained holds a decision to saying everything in words.
func explained(t *testing.T, d Decision) {
	t.Helper()
	for _, r := range d.Not {
		if r.Why.Text(r.What) == "" || r.Do != "" && r.Do.Text() == "" {
			t.Errorf("%s: %q and %q have no text", r.Door, r.Why, r.Do)
		}
	}
	for _, n := range d.Notes {
		if n.About.Text(n.What) == "" || n.Do != "" && n.Do.Text() == "" {
			t.Errorf("%q and %q have no text", n.About, n.Do)
		}
	}
	if last := d.Doors[len(d.Doors)-1]; last.Door != Localhost || last.Fallback {
		t.Errorf("the last door is %v", last)
	}
}

// TestNeverAgainstTheUser combines every machine trait with every other and
// holds Decide to what may never happen.
func TestNeverAgainstTheUser(t *testing.T) {
	traits := []func(*Machine){
		resolved(252), resolved(257), resolved(262), networkManager, readOnly, noBus, vpn, users(3), file(Theirs), file(Ours),
		desktop(NoDesktop), desktop(KDE), desktop(XFCE), proxy(ProxyPAC, "x"), proxy(ProxyManual, "x"), proxy(ProxyEnforced, ""), proxy(ProxyUnknown, ""),
		inWindows(func(w *Windows) { w.Rules = 1 }), inWindows(func(w *Windows) { w.Loopback = false }),
	}
	for _, base := range []Machine{linux(), win(), mac()} {
		for _, a := range traits {
			for _, b := range traits {
				m := with(base, []func(*Machine){a, b})
				for _, service := range []bool{false, true} {
					d := Decide(m, Want{Suffix: "alt", Service: service})
					explained(t, d)
					taken := slices.Contains([]ProxyMode{ProxyPAC, ProxyManual, ProxyEnforced, ProxyUnknown}, m.Proxy.Mode)
					if d.has(Name.Proxy) && taken {
						t.Errorf("a proxy setting of the user would be overwritten: %+v", m)
					}
					if d.has(Name.Machinewide) && !service {
						t.Errorf("a machine-wide door without the service: %+v", m)
					}
				}
			}
		}
	}
}

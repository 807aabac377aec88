package splitdns

import (
	"context"
	"net/netip"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Env is how Look asks about a computer. Functions must not be nil; they answer
// with the zero value where they cannot know.
type Env struct {
	GOOS       string
	Home       string // of the person; "" for a service
	Root       bool   // the process may change the system
	Getenv     func(name string) string
	ReadFile   func(path string) ([]byte, error)
	Readlink   func(path string) (string, error)
	Exists     func(path string) bool
	Glob       func(pattern string) []string
	Writable   func(folder string) bool
	Installed  func(program string) bool
	Run        Run
	BusNames   func(ctx context.Context, session bool) ([]string, error)
	DNSMode    func(ctx context.Context) string // NetworkManager's
	Interfaces func() []string                  // names of network interfaces that are up and have an address
	MakesLinks func() bool
	Loopback   func() bool // see Windows.Loopback
	// Value and Keys read the registry: hive is "HKLM" or "HKCU". A number is
	// written in decimal. ok is false for what does not exist.
	Value func(hive, key, name string) (value string, ok bool)
	Keys  func(hive, key string) (names []string, ok bool)
}

// Look describes this computer. What cannot be found out stays at its zero
// value, which Decide treats with caution.
func Look(ctx context.Context, env Env) Machine {
	m := Machine{GOOS: env.GOOS, VPN: hasVPN(env.Interfaces()), Tools: Tools{}}
	m.EnvProxy = firstOf(env.Getenv("https_proxy"), env.Getenv("http_proxy"), env.Getenv("all_proxy"),
		env.Getenv("HTTPS_PROXY"), env.Getenv("HTTP_PROXY"), env.Getenv("ALL_PROXY"))
	switch env.GOOS {
	case "linux":
		lookLinux(ctx, env, &m)
	case "windows":
		lookWindows(env, &m)
	case "darwin":
		lookDarwin(ctx, env, &m)
	}
	return m
}

func firstOf(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}

// hasVPN knows tunnels by their names.
func hasVPN(interfaces []string) bool {
	return slices.ContainsFunc(interfaces, func(name string) bool {
		name = strings.ToLower(name)
		for _, prefix := range []string{"tun", "tap", "wg", "ppp", "ipsec", "utun", "tailscale", "proton", "nordlynx", "wireguard"} {
			if strings.HasPrefix(name, prefix) {
				return true
			}
		}
		return strings.Contains(name, "vpn")
	})
}

func lookLinux(ctx context.Context, env Env, m *Machine) {
	m.System = osRelease(env)
	m.Musl = len(env.Glob("/lib/ld-musl-*")) > 0
	m.EtcWritable = !env.Root || env.Writable("/etc")
	m.Users = len(env.Glob("/home/*"))
	version, _ := env.ReadFile("/proc/version")
	m.WSL = strings.Contains(strings.ToLower(string(version)), "microsoft")
	m.Resolver = lookResolver(env)
	system, err := env.BusNames(ctx, false)
	m.SystemBus = err == nil
	m.Resolved = lookResolved(ctx, env, system)
	if slices.Contains(system, "org.freedesktop.NetworkManager") {
		m.NetworkManager = NetworkManager{Running: true, DNS: env.DNSMode(ctx)}
	}
	m.ResolverFile = lookOwner(env, "/etc/NetworkManager/dnsmasq.d/altnet.conf")
	lookLinuxDesktop(ctx, env, m)
	m.Browsers = lookBrowsers(env)
}

func osRelease(env Env) string {
	data, err := env.ReadFile("/etc/os-release")
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(data)) {
		if name, found := strings.CutPrefix(strings.TrimSpace(line), "PRETTY_NAME="); found {
			return strings.Trim(name, `"'`)
		}
	}
	return ""
}

func lookOwner(env Env, path string) Owner {
	data, err := env.ReadFile(path)
	switch {
	case err != nil && !env.Exists(path):
		return Nobody
	case err == nil && strings.Contains(string(data), ownerLine):
		return Ours
	}
	return Theirs
}

func lookResolver(env Env) Resolver {
	var r Resolver
	if hosts, err := env.ReadFile("/etc/nsswitch.conf"); err == nil {
		r.NSSResolve = asksResolve(string(hosts))
	}
	data, err := env.ReadFile("/etc/resolv.conf")
	if err != nil {
		return r
	}
	text := string(data)
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) < 2 || fields[0] != "nameserver" {
			continue
		}
		if addr, err := netip.ParseAddr(fields[1]); err == nil {
			r.Servers = append(r.Servers, addr)
		}
	}
	target, _ := env.Readlink("/etc/resolv.conf")
	r.Manager = managerOf(target, strings.ToLower(text), r.Servers)
	if r.Manager != ManagerResolved && r.Manager != ManagerContainer && len(r.Servers) > 0 && r.Servers[0].IsLoopback() {
		r.Local = localServer(env)
	}
	return r
}

// asksResolve reports whether the hosts line asks systemd-resolved before any
// name server.
func asksResolve(nsswitch string) bool {
	for line := range strings.Lines(nsswitch) {
		fields := strings.Fields(strings.SplitN(line, "#", 2)[0])
		if len(fields) == 0 || fields[0] != "hosts:" {
			continue
		}
		resolve, plain := slices.Index(fields, "resolve"), slices.Index(fields, "dns")
		return resolve > 0 && (plain < 0 || resolve < plain)
	}
	return false
}

func managerOf(target, text string, servers []netip.Addr) Manager {
	stub := func(a netip.Addr) bool { return a.String() == "127.0.0.53" || a.String() == "127.0.0.54" }
	switch {
	case strings.HasSuffix(target, "systemd/resolve/resolv.conf"):
		return ManagerUplink
	case slices.ContainsFunc(servers, stub), strings.HasSuffix(target, "stub-resolv.conf"):
		return ManagerResolved
	case strings.Contains(target, "NetworkManager"), strings.Contains(text, "networkmanager"):
		return ManagerNetworkManager
	case strings.Contains(target, "resolvconf"), strings.Contains(text, "resolvconf"):
		return ManagerResolvconf
	case strings.Contains(text, "wsl"):
		return ManagerWSL
	case strings.Contains(text, "docker"), strings.Contains(text, "podman"):
		return ManagerContainer
	}
	return ManagerPlain
}

// localServer guesses who answers on this computer.
func localServer(env Env) string {
	for _, program := range []string{"unbound", "dnsmasq", "named", "pihole-FTL", "dnscrypt-proxy", "stubby", "kresd"} {
		if len(env.Glob("/run/"+program+"*")) > 0 {
			return program
		}
	}
	return "unknown"
}

func lookResolved(ctx context.Context, env Env, bus []string) Resolved {
	r := Resolved{Running: slices.Contains(bus, "org.freedesktop.resolve1") || env.Exists("/run/systemd/resolve/io.systemd.Resolve")}
	if !r.Running {
		return r
	}
	for _, program := range []string{"resolvectl", "systemctl"} {
		if out, err := env.Run(ctx, program, "--version"); err == nil && r.Version == 0 {
			r.Version = systemdVersion(string(out))
		}
	}
	// A process that is not root speaks of what the service will be able to do.
	r.Hooks = !env.Root || env.Writable("/run/systemd/resolve.hook") || !env.Exists("/run/systemd/resolve.hook") && env.Writable("/run/systemd")
	r.Links = !env.Root || env.MakesLinks()
	return r
}

// systemdVersion reads the first line of --version: "systemd 252 (252.39-1)" or
// "systemd 256~rc3 (…)".
func systemdVersion(text string) int {
	fields := strings.Fields(text)
	if len(fields) < 2 || fields[0] != "systemd" {
		return 0
	}
	digits := fields[1]
	if end := strings.IndexFunc(digits, func(r rune) bool { return r < '0' || r > '9' }); end >= 0 {
		digits = digits[:end]
	}
	n, err := strconv.Atoi(digits)
	if err != nil {
		return 0
	}
	return n
}

func lookLinuxDesktop(ctx context.Context, env Env, m *Machine) {
	m.Desktop = desktopOf(env)
	if m.Desktop == NoDesktop {
		return
	}
	session, err := env.BusNames(ctx, true)
	m.SessionBus = err == nil
	m.Tools.Tray = slices.Contains(session, "org.kde.StatusNotifierWatcher")
	var mode []byte
	if m.SessionBus { // without one gsettings would start a bus that outlives us
		mode, err = env.Run(ctx, "gsettings", "get", gnomeSchema, "mode")
		m.Tools.GSettings = err == nil
	}
	switch m.Desktop {
	case GNOME:
		if m.Tools.GSettings {
			m.Proxy = lookGNOMEProxy(ctx, env.Run, unquote(mode))
		}
	case KDE:
		data, err := env.ReadFile(filepath.Join(kdeConfig(env.Getenv, env.Home), kdeFile))
		if err == nil {
			m.Proxy = kdeProxy(data)
		}
	}
}

// desktopOf knows desktops as Chromium does, for it is where they keep proxy
// settings that counts.
func desktopOf(env Env) Desktop {
	if env.Getenv("DISPLAY") == "" && env.Getenv("WAYLAND_DISPLAY") == "" {
		return NoDesktop
	}
	for name := range strings.SplitSeq(env.Getenv("XDG_CURRENT_DESKTOP"), ":") {
		switch strings.ToLower(name) {
		case "gnome", "unity", "x-cinnamon", "cinnamon", "pantheon", "deepin", "ukui", "mate", "budgie", "gnome-classic":
			return GNOME
		case "kde":
			return KDE
		case "xfce":
			return XFCE
		}
	}
	return OtherDesktop
}

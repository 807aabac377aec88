package splitdns

import "slices"

// Decision says which doors a computer gets.
type Decision struct {
	Doors []Choice  // in this order; Localhost is always the last
	Not   []Refusal // doors of this system that are not used, and why
	Notes []Note    // what a person should know
}

// Choice is a door to be set.
type Choice struct {
	Door Name
	// Fallback: only where none of the doors before it could be verified.
	Fallback bool
}

// Refusal is a door that is not used.
type Refusal struct {
	Door Name
	Why  Reason
	Do   Advice // what a person could do about it; "" for nothing
	What string // the thing in the way: an address, a program, a version
}

// Note is a fact that changes what a person will see.
type Note struct {
	About Reason
	Do    Advice
	What  string
}

// Decide chooses the doors for a machine. It is a pure function.
func Decide(m Machine, want Want) Decision {
	var d Decision
	switch m.GOOS {
	case "linux":
		d.linux(m, want)
	case "windows":
		d.windows(m, want)
	case "darwin":
		d.darwin(m, want)
	default:
		d.note(UnknownSystem, UseLocalhost, m.GOOS)
	}
	d.Doors = append(d.Doors, Choice{Door: Localhost})
	d.notes(m)
	return d
}

func (d *Decision) use(door Name)      { d.Doors = append(d.Doors, Choice{Door: door}) }
func (d *Decision) fallback(door Name) { d.Doors = append(d.Doors, Choice{Door: door, Fallback: true}) }

func (d *Decision) refuse(door Name, why Reason, do Advice, what string) {
	d.Not = append(d.Not, Refusal{Door: door, Why: why, Do: do, What: what})
}

func (d *Decision) note(about Reason, do Advice, what string) {
	d.Notes = append(d.Notes, Note{About: about, Do: do, What: what})
}

// has reports whether one of the doors chosen so far is of a sort.
func (d *Decision) has(sort func(Name) bool) bool {
	return slices.ContainsFunc(d.Doors, func(c Choice) bool { return sort(c.Door) })
}

// linux puts the proxy script first: it changes no resolver, needs no root, and
// keeps pages from the computer's own services. A machine-wide door is set too
// where the service can, for the programs that know no script.
func (d *Decision) linux(m Machine, want Want) {
	d.linuxProxy(m)
	door, refusal := linuxResolver(m)
	switch {
	case door == "":
		d.Not = append(d.Not, refusal...)
	case !want.Service:
		d.refuse(door, NeedsService, InstallService, "")
	default:
		d.use(door)
	}
	if m.WSL {
		d.note(InsideWindows, SetUpWindows, "")
	}
}

func (d *Decision) linuxProxy(m Machine) {
	door, why := linuxProxyDoor(m)
	if door == "" {
		d.refuse(GNOMEProxy, why, proxyAdvice(why), m.Desktop.called())
		return
	}
	if !d.proxyFree(door, m) {
		return
	}
	d.use(door)
	if door == KDEProxy && m.Tools.GSettings && m.SessionBus && m.hasBrowser("firefox") {
		d.use(GNOMEProxy) // Firefox reads GNOME's settings under KDE too
	}
}

func linuxProxyDoor(m Machine) (Name, Reason) {
	switch m.Desktop {
	case GNOME:
		switch {
		case !m.SessionBus:
			return "", NoSessionBus
		case !m.Tools.GSettings:
			return "", NoSettingsTool
		}
		return GNOMEProxy, ""
	case KDE:
		return KDEProxy, ""
	case NoDesktop:
		return "", NoDesktopHere
	}
	return "", NoProxySettings
}

func proxyAdvice(why Reason) Advice {
	switch why {
	case NoDesktopHere:
		return ""
	case NoSettingsTool:
		return InstallGSettings
	}
	return SetScriptByHand
}

// proxyFree reports whether the person's proxy settings are free for ours, and
// notes what is in the way.
func (d *Decision) proxyFree(door Name, m Machine) bool {
	switch m.Proxy.Mode {
	case ProxyNone, ProxyOurs:
		return true
	case ProxyDetect:
		if m.GOOS != "linux" { // beside the script there, instead of it here
			d.note(ProxyDetected, "", "")
			return true
		}
		d.refuse(door, ProxyDetected, TurnDetectionOff, m.Proxy.What)
	case ProxyPAC:
		d.refuse(door, OtherScript, AddToScript, m.Proxy.What)
	case ProxyManual:
		d.refuse(door, OtherProxy, ExcludeFromProxy, m.Proxy.What)
	case ProxyEnforced:
		d.refuse(door, ProxyByPolicy, AskAdministrator, m.Proxy.What)
	default:
		d.refuse(door, ProxyUnreadable, SetScriptByHand, m.Proxy.What)
	}
	return false
}

// linuxResolver returns the machine-wide door that a Linux can have, else why
// there is none.
func linuxResolver(m Machine) (Name, []Refusal) {
	no := func(door Name, why Reason, do Advice, what string) (Name, []Refusal) {
		return "", []Refusal{{Door: door, Why: why, Do: do, What: what}}
	}
	switch r := m.Resolver; {
	case m.NetworkManager.Running && m.NetworkManager.DNS == "dnsmasq":
		return chooseDnsmasq(m)
	case m.asksResolved() && m.Resolved.Version >= 259:
		if !m.Resolved.Hooks {
			return no(Hook, FolderReadOnly, "", "/run/systemd/resolve.hook")
		}
		return Hook, nil
	case m.asksResolved() && m.Resolved.Version >= 255:
		return no(Hook, ResolvedRefuses, UseScript, itoa(m.Resolved.Version))
	case m.asksResolved() && m.Resolved.Version > 0:
		return chooseLink(m)
	case m.asksResolved():
		return no(Link, ResolvedUnknown, UseScript, "")
	case m.Resolved.Running:
		return no(Hook, ResolvedNotAsked, LinkStub, r.Manager.called())
	case m.Musl:
		return no(Link, CannotSplit, UseScript, "musl")
	case r.Local != "":
		return no(Link, LocalServer, ForwardByHand, r.Local)
	case r.Manager == ManagerNone:
		return no(Link, NoResolver, "", "")
	default:
		return no(Link, CannotSplit, UseScript, r.Manager.called())
	}
}

// asksResolved reports whether programs' questions come to systemd-resolved.
func (m Machine) asksResolved() bool {
	return m.Resolved.Running && (m.Resolver.Manager == ManagerResolved || m.Resolver.NSSResolve && !m.Musl)
}

func chooseLink(m Machine) (Name, []Refusal) {
	switch {
	case !m.SystemBus:
		return "", []Refusal{{Door: Link, Why: NoSystemBus}}
	case !m.Resolved.Links:
		return "", []Refusal{{Door: Link, Why: NoLinks, Do: UseScript}}
	}
	return Link, nil
}

func chooseDnsmasq(m Machine) (Name, []Refusal) {
	const file = "/etc/NetworkManager/dnsmasq.d/altnet.conf"
	switch {
	case m.ResolverFile == Theirs:
		return "", []Refusal{{Door: Dnsmasq, Why: FileOfOthers, Do: MoveFile, What: file}}
	case !m.EtcWritable:
		return "", []Refusal{{Door: Dnsmasq, Why: FolderReadOnly, Do: DeclareIt, What: "/etc"}}
	case !m.SystemBus:
		return "", []Refusal{{Door: Dnsmasq, Why: NoSystemBus}}
	}
	return Dnsmasq, nil
}

func (d *Decision) windows(m Machine, want Want) {
	w := m.Windows
	switch {
	case !want.Service:
		d.refuse(NRPT, NeedsService, InstallService, "")
	case w.Rules > 0:
		d.refuse(NRPT, RulesOfOthers, AskAdministrator, itoa(w.Rules))
	case !w.Loopback:
		d.refuse(NRPT, PortTaken, StopHolder, w.Port53)
	default:
		d.use(NRPT)
		if w.PolicyKey {
			d.note(PolicyRules, "", "")
		}
	}
	d.desktopProxy(WindowsProxy, WindowsShell, m)
}

func (d *Decision) darwin(m Machine, want Want) {
	switch {
	case !want.Service:
		d.refuse(ResolverFile, NeedsService, InstallService, "")
	case m.ResolverFile == Theirs:
		d.refuse(ResolverFile, FileOfOthers, MoveFile, "/etc/resolver/"+want.Suffix)
	case !m.EtcWritable:
		d.refuse(ResolverFile, FolderReadOnly, "", "/etc/resolver")
	default:
		d.use(ResolverFile)
	}
	d.desktopProxy(MacProxy, Aqua, m)
}

// desktopProxy is for systems where the resolver comes first: the script stands
// in where that does not work.
func (d *Decision) desktopProxy(door Name, desktop Desktop, m Machine) {
	switch {
	case m.Desktop != desktop:
		d.refuse(door, NoDesktopHere, "", "")
	case !d.proxyFree(door, m):
	case d.has(Name.Machinewide):
		d.fallback(door)
	default:
		d.use(door)
	}
}

// notes tells what of the computer changes the experience, whatever the door.
func (d *Decision) notes(m Machine) {
	if m.EnvProxy != "" {
		d.note(EnvironmentProxy, ExcludeFromProxy, m.EnvProxy)
	}
	if m.VPN && d.has(Name.Machinewide) {
		d.note(VPNActive, "", "")
	}
	if m.Users > 1 && !d.has(Name.Machinewide) && d.has(Name.Proxy) {
		d.note(OneUserOnly, EachUser, itoa(m.Users))
	}
	if m.Proxy.Mode == ProxyManual && d.has(Name.Machinewide) {
		d.note(OtherProxy, ExcludeFromProxy, m.Proxy.What)
	}
	for _, b := range m.Browsers {
		d.browser(b)
	}
}

func (d *Decision) browser(b Browser) {
	switch {
	case b.Name == "safari" && b.Major > 0 && b.Major < 26 && len(d.Doors) == 1:
		d.note(SafariLocalhost, UseOtherBrowser, itoa(b.Major))
	case b.OwnProxy && d.has(Name.Proxy):
		d.note(BrowserOwnProxy, SetInBrowser, b.Name)
	case b.DoH && d.has(Name.Machinewide) && !d.has(Name.Proxy):
		d.note(BrowserDoH, ExcludeFromDoH, b.Name)
	case b.Sandbox == "flatpak" && d.has(Name.Proxy):
		d.note(SandboxedBrowser, SetInBrowser, b.Name)
	}
}

func (m Machine) hasBrowser(name string) bool {
	return slices.ContainsFunc(m.Browsers, func(b Browser) bool { return b.Name == name })
}

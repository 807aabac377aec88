package splitdns

import "net/netip"

// Machine describes a computer as far as the doors depend on it. Look gathers
// it; Decide judges it. The zero value is a computer that has nothing.
type Machine struct {
	GOOS   string
	System string // what people call it: "Debian GNU/Linux 12", "Windows 11"
	Major  int    // macOS 15, Windows 10 or 11; 0: not known
	Musl   bool   // the C library is musl, which asks resolv.conf alone
	WSL    bool   // Linux inside Windows
	// EtcWritable says that files below /etc may be changed: not so on NixOS and
	// on systems whose /etc is part of an image.
	EtcWritable bool
	Users       int // people with a home folder
	VPN         bool

	SystemBus, SessionBus bool // D-Bus

	Resolver       Resolver
	Resolved       Resolved
	NetworkManager NetworkManager
	Windows        Windows
	ResolverFile   Owner // /etc/resolver/alt on macOS, the drop-in of NetworkManager elsewhere

	Desktop  Desktop
	Tools    Tools
	Proxy    Proxy
	EnvProxy string // of the environment: http_proxy or all_proxy
	Browsers []Browser
}

// Resolver is what programs ask on Linux.
type Resolver struct {
	Manager Manager      // who writes /etc/resolv.conf
	Servers []netip.Addr // the servers in it
	// NSSResolve says that the hosts line of nsswitch.conf asks systemd-resolved
	// itself, whatever resolv.conf says.
	NSSResolve bool
	Local      string // the program that answers on this computer, where known: "unbound", "dnsmasq"
}

// Manager is who writes /etc/resolv.conf.
type Manager string

// Managers of resolv.conf.
const (
	ManagerNone           Manager = ""         // there is no such file
	ManagerResolved       Manager = "resolved" // a link to systemd-resolved's stub
	ManagerUplink         Manager = "uplink"   // a link to systemd-resolved's list of servers, which goes around it
	ManagerNetworkManager Manager = "networkmanager"
	ManagerResolvconf     Manager = "resolvconf"
	ManagerWSL            Manager = "wsl"
	ManagerContainer      Manager = "container"
	ManagerPlain          Manager = "plain" // a file that somebody wrote
)

// called is the manager's name for people, "" where it has none.
func (m Manager) called() string {
	switch m {
	case ManagerResolved, ManagerUplink:
		return "systemd-resolved"
	case ManagerNetworkManager:
		return "NetworkManager"
	case ManagerWSL:
		return "WSL"
	case ManagerResolvconf:
		return "resolvconf"
	}
	return ""
}

// Resolved is systemd-resolved.
type Resolved struct {
	Running bool
	Version int  // 0: not known
	Hooks   bool // the folder of resolve hooks can be written to
	Links   bool // a network interface can be made
}

// NetworkManager is the program of that name.
type NetworkManager struct {
	Running bool
	DNS     string // its dns= setting: "dnsmasq", "systemd-resolved", "default", …
}

// Windows is what names depend on there.
type Windows struct {
	PolicyKey bool   // group policy sets resolution rules, so that local rules are ignored
	Rules     int    // resolution rules of others for our suffix
	Port53    string // who holds port 53 on all addresses: "Internet Connection Sharing", …
	Loopback  bool   // an address 127.x of our own has port 53 free
}

// Owner is who wrote a file that we would write.
type Owner string

// Owners.
const (
	Nobody Owner = "" // there is no file
	Ours   Owner = "ours"
	Theirs Owner = "theirs"
)

// Desktop is the environment a person works in.
type Desktop string

// Desktops by where they keep the proxy settings.
const (
	NoDesktop    Desktop = ""      // a server, or a service
	GNOME        Desktop = "gnome" // and those that share its settings: Cinnamon, Unity, Pantheon, Deepin, Budgie
	KDE          Desktop = "kde"
	XFCE         Desktop = "xfce" // has no proxy settings
	OtherDesktop Desktop = "other"
	WindowsShell Desktop = "windows"
	Aqua         Desktop = "aqua" // macOS
)

// called is the desktop's name for people, "" where its sort has several.
func (d Desktop) called() string {
	if d == XFCE {
		return "Xfce"
	}
	return ""
}

// Tools are the programs and schemas by which settings are changed.
type Tools struct {
	GSettings bool // gsettings with the schema org.gnome.system.proxy
	Tray      bool // where the icon can be shown; no door depends on it
}

// ProxyMode is what the person's own proxy settings say.
type ProxyMode string

// Modes of a proxy.
const (
	ProxyNone     ProxyMode = ""
	ProxyPAC      ProxyMode = "pac"      // a configuration script
	ProxyManual   ProxyMode = "manual"   // a fixed proxy
	ProxyDetect   ProxyMode = "detect"   // the network is asked for a script (WPAD)
	ProxyOurs     ProxyMode = "ours"     // our own script, from an earlier run
	ProxyUnknown  ProxyMode = "unknown"  // it could not be read
	ProxyEnforced ProxyMode = "enforced" // set by an administrator's policy
)

// Proxy are the proxy settings of the desktop.
type Proxy struct {
	Mode ProxyMode
	What string // the script's address or the proxy
}

// Browser is one that is installed.
type Browser struct {
	Name     string // "firefox", "chromium", "chrome", "edge", "safari"
	Major    int    // version; 0: not known
	Sandbox  string // "snap", "flatpak" or ""
	OwnProxy bool   // it has proxy settings of its own and ignores the system's
	DoH      bool   // the person forces DNS over HTTPS, which goes around every resolver
}

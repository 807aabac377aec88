package splitdns

import "strconv"

// Reason says why a door is not used or what is special; its value is stable, for
// translations. Text says it in English.
type Reason string

// Reasons.
const (
	NeedsService     Reason = "needs-service"
	UnknownSystem    Reason = "unknown-system"
	NoDesktopHere    Reason = "no-desktop"
	NoProxySettings  Reason = "no-proxy-settings"
	NoSettingsTool   Reason = "no-settings-tool"
	NoSessionBus     Reason = "no-session-bus"
	NoSystemBus      Reason = "no-system-bus"
	OtherScript      Reason = "other-script"
	OtherProxy       Reason = "other-proxy"
	ProxyDetected    Reason = "proxy-detected"
	ProxyByPolicy    Reason = "proxy-by-policy"
	ProxyUnreadable  Reason = "proxy-unreadable"
	ResolvedRefuses  Reason = "resolved-refuses"
	ResolvedUnknown  Reason = "resolved-unknown"
	ResolvedNotAsked Reason = "resolved-not-asked"
	NoLinks          Reason = "no-links"
	CannotSplit      Reason = "cannot-split"
	LocalServer      Reason = "local-server"
	NoResolver       Reason = "no-resolver"
	FolderReadOnly   Reason = "folder-read-only"
	FileOfOthers     Reason = "file-of-others"
	RulesOfOthers    Reason = "rules-of-others"
	PolicyRules      Reason = "policy-rules"
	PortTaken        Reason = "port-taken"
	InsideWindows    Reason = "inside-windows"
	EnvironmentProxy Reason = "environment-proxy"
	VPNActive        Reason = "vpn"
	OneUserOnly      Reason = "one-user-only"
	SafariLocalhost  Reason = "safari-localhost"
	BrowserOwnProxy  Reason = "browser-own-proxy"
	BrowserDoH       Reason = "browser-doh"
	SandboxedBrowser Reason = "sandboxed-browser"
)

// Advice says what a person can do; its value is stable, for translations.
type Advice string

// Advices.
const (
	InstallService   Advice = "install-service"
	InstallGSettings Advice = "install-gsettings"
	UseLocalhost     Advice = "use-localhost"
	UseScript        Advice = "use-script"
	UseOtherBrowser  Advice = "use-other-browser"
	SetScriptByHand  Advice = "set-script-by-hand"
	SetInBrowser     Advice = "set-in-browser"
	SetUpWindows     Advice = "set-up-windows"
	AddToScript      Advice = "add-to-script"
	ExcludeFromProxy Advice = "exclude-from-proxy"
	ExcludeFromDoH   Advice = "exclude-from-doh"
	TurnDetectionOff Advice = "turn-detection-off"
	AskAdministrator Advice = "ask-administrator"
	LinkStub         Advice = "link-stub"
	ForwardByHand    Advice = "forward-by-hand"
	DeclareIt        Advice = "declare-it"
	MoveFile         Advice = "move-file"
	StopHolder       Advice = "stop-holder"
	EachUser         Advice = "each-user"
)

// Text says a reason in English. what is the thing that goes with it.
func (r Reason) Text(what string) string { return withWhat(reasonTexts()[r], what) }

// Text says an advice in English.
func (a Advice) Text() string { return adviceTexts()[a] }

func withWhat(text, what string) string {
	if what == "" || text == "" {
		return text
	}
	return text + " (" + what + ")"
}

func itoa(n int) string { return strconv.Itoa(n) }

func reasonTexts() map[Reason]string {
	return map[Reason]string{
		NeedsService:     "this changes how all users of the computer find names, which only the system service does",
		UnknownSystem:    "AltNet does not know how names are found on this system",
		NoDesktopHere:    "nobody is logged in to a desktop, so there are no proxy settings",
		NoProxySettings:  "this desktop has no proxy settings",
		NoSettingsTool:   "the program gsettings or the proxy settings of GNOME are missing",
		NoSessionBus:     "the session has no D-Bus, by which settings are changed",
		NoSystemBus:      "the system has no D-Bus, by which the resolver is set",
		OtherScript:      "the computer already uses a proxy script, which AltNet leaves alone",
		OtherProxy:       "the computer already uses a proxy, which AltNet leaves alone; the proxy does not know .alt",
		ProxyDetected:    "the proxy settings are asked of the network (WPAD)",
		ProxyByPolicy:    "an administrator decides about the proxy settings",
		ProxyUnreadable:  "the proxy settings could not be read, so AltNet leaves them alone",
		ResolvedRefuses:  "systemd-resolved 255 to 258 says that no .alt name exists, whatever is set",
		ResolvedUnknown:  "the version of systemd-resolved is not known",
		ResolvedNotAsked: "systemd-resolved runs, but programs do not ask it",
		NoLinks:          "no network interface can be made here",
		CannotSplit:      "this system has no way to send the names in .alt alone to AltNet",
		LocalServer:      "a name server on this computer answers, which AltNet leaves alone",
		NoResolver:       "this system has no resolver",
		FolderReadOnly:   "the folder cannot be written to",
		FileOfOthers:     "somebody else wrote the file that AltNet would write",
		RulesOfOthers:    "there is a rule for .alt already that is not AltNet's",
		PolicyRules:      "group policy has rules for names, so AltNet's rule is written beside those",
		PortTaken:        "another program holds port 53 on every address",
		InsideWindows:    "this Linux runs inside Windows: browsers of Windows do not see its settings",
		EnvironmentProxy: "programs that follow the environment use a proxy",
		VPNActive:        "a VPN is active; some change the resolver while they are on",
		OneUserOnly:      "the computer has several users; this door is for you alone",
		SafariLocalhost:  "Safari before 26 cannot open addresses that end in .localhost",
		BrowserOwnProxy:  "a browser has proxy settings of its own",
		BrowserDoH:       "a browser is set to ask a name server on the web for every name",
		SandboxedBrowser: "a browser runs in a sandbox and may not see the proxy settings",
	}
}

func adviceTexts() map[Advice]string {
	return map[Advice]string{
		InstallService:   "install the service: altnet service install",
		InstallGSettings: "install gsettings (libglib2.0-bin) and gsettings-desktop-schemas",
		UseLocalhost:     "open sites at name-alt.localhost",
		UseScript:        "enter AltNet's proxy script in the browser (its address: Settings, Advanced, or altnet status), or open sites at name-alt.localhost",
		UseOtherBrowser:  "use another browser, or free the proxy settings for AltNet's script",
		SetScriptByHand:  "enter AltNet's proxy script in the browser's network settings (its address: Settings, Advanced, or altnet status), or open sites at name-alt.localhost",
		SetInBrowser:     "choose the system's proxy settings in that browser, or set the address of AltNet's script there",
		SetUpWindows:     "install AltNet for Windows, or open sites at name-alt.localhost",
		AddToScript:      "have AltNet's lines for .alt added to that script, or open sites at name-alt.localhost",
		ExcludeFromProxy: "add .alt and .localhost to the names that do not use the proxy",
		ExcludeFromDoH:   "add alt to the names that the browser does not ask there (Firefox: network.trr.excluded-domains)",
		TurnDetectionOff: "turn automatic detection off, or open sites at name-alt.localhost",
		AskAdministrator: "ask the administrator of this computer, or open sites at name-alt.localhost",
		LinkStub:         "make /etc/resolv.conf a link to /run/systemd/resolve/stub-resolv.conf, or use the proxy script",
		ForwardByHand:    "have that name server forward alt to AltNet's, or use the proxy script",
		DeclareIt:        "set it in the configuration that the system is built from, or use the proxy script",
		MoveFile:         "look at that file, move it away if it is not needed, and set up again",
		StopHolder:       "stop that program, or use the proxy script",
		EachUser:         "set AltNet up as each user, or install the service",
	}
}

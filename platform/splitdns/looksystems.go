package splitdns

import (
	"context"
	"path/filepath"
	"strconv"
	"strings"
)

// Keys of the Windows registry.
const (
	policyRules   = `SOFTWARE\Policies\Microsoft\Windows NT\DNSClient\DnsPolicyConfig`
	localRules    = `SYSTEM\CurrentControlSet\Services\Dnscache\Parameters\DnsPolicyConfig`
	proxySettings = `Software\Microsoft\Windows\CurrentVersion\Internet Settings`
	proxyPolicy   = `SOFTWARE\Policies\Microsoft\Windows\CurrentVersion\Internet Settings`
	profileList   = `SOFTWARE\Microsoft\Windows NT\CurrentVersion\ProfileList`
	windowsNow    = `SOFTWARE\Microsoft\Windows NT\CurrentVersion`
	sharingKey    = `SYSTEM\CurrentControlSet\Services\SharedAccess`
)

func lookWindows(env Env, m *Machine) {
	m.System, _ = env.Value("HKLM", windowsNow, "ProductName")
	m.Major = 10
	if build, ok := env.Value("HKLM", windowsNow, "CurrentBuildNumber"); ok {
		if n, err := strconv.Atoi(build); err == nil && n >= 22000 {
			m.Major = 11
			m.System = strings.Replace(m.System, "Windows 10", "Windows 11", 1) // the name was never changed
		}
	}
	people, _ := env.Keys("HKLM", profileList)
	for _, sid := range people {
		if strings.HasPrefix(sid, "S-1-5-21-") || strings.HasPrefix(sid, "S-1-12-1-") {
			m.Users++
		}
	}
	m.Windows = lookNames(env)
	if env.Home != "" {
		m.Desktop = WindowsShell
		m.Proxy = lookWindowsProxy(env)
	}
	if kind, _ := env.Value("HKLM", windowsNow, "InstallationType"); kind == "Server Core" {
		m.Desktop = NoDesktop
	}
}

func lookNames(env Env) Windows {
	var w Windows
	_, w.PolicyKey = env.Keys("HKLM", policyRules)
	for _, base := range []string{policyRules, localRules} {
		rules, _ := env.Keys("HKLM", base)
		for _, rule := range rules {
			names, _ := env.Value("HKLM", base+`\`+rule, "Name")
			if !strings.EqualFold(rule, ruleID) && coversSuffix(names) {
				w.Rules++
			}
		}
	}
	if w.Loopback = env.Loopback(); !w.Loopback {
		w.Port53 = "unknown"
		if _, sharing := env.Keys("HKLM", sharingKey); sharing {
			w.Port53 = "Internet Connection Sharing, which WSL and Docker use"
		}
	}
	return w
}

// coversSuffix reports whether the names of a rule are ours: one in each line.
func coversSuffix(names string) bool {
	for name := range strings.Lines(names) {
		if name = strings.TrimSpace(name); strings.EqualFold(name, ".alt") || strings.HasSuffix(strings.ToLower(name), ".alt") {
			return true
		}
	}
	return false
}

func lookWindowsProxy(env Env) Proxy {
	if perUser, ok := env.Value("HKLM", proxyPolicy, "ProxySettingsPerUser"); ok && perUser == "0" {
		return Proxy{Mode: ProxyEnforced}
	}
	if script, _ := env.Value("HKCU", proxySettings, "AutoConfigURL"); script != "" {
		if OurScript(script) {
			return Proxy{Mode: ProxyOurs, What: script}
		}
		return Proxy{Mode: ProxyPAC, What: script}
	}
	if on, _ := env.Value("HKCU", proxySettings, "ProxyEnable"); on == "1" {
		server, _ := env.Value("HKCU", proxySettings, "ProxyServer")
		return Proxy{Mode: ProxyManual, What: server}
	}
	return Proxy{}
}

func lookDarwin(ctx context.Context, env Env, m *Machine) {
	if out, err := env.Run(ctx, "sw_vers", "-productVersion"); err == nil {
		version := strings.TrimSpace(string(out))
		m.System = "macOS " + version
		m.Major = major(version)
	}
	m.EtcWritable = !env.Root || env.Writable("/etc")
	m.ResolverFile = lookOwner(env, resolverFolder+"/alt")
	for _, home := range env.Glob("/Users/*") {
		if base := filepath.Base(home); base != "Shared" && base != "Guest" {
			m.Users++
		}
	}
	if out, err := env.Run(ctx, "scutil", "--nc", "list"); err == nil && strings.Contains(string(out), "(Connected)") {
		m.VPN = true
	}
	if out, err := env.Run(ctx, "defaults", "read", "/Applications/Safari.app/Contents/Info", "CFBundleShortVersionString"); err == nil {
		m.Browsers = append(m.Browsers, Browser{Name: "safari", Major: major(strings.TrimSpace(string(out)))})
	}
	if env.Home == "" {
		return
	}
	m.Desktop = Aqua
	out, err := env.Run(ctx, "scutil", "--proxy")
	if err != nil {
		m.Proxy = Proxy{Mode: ProxyUnknown}
		return
	}
	m.Proxy = scutilProxy(string(out))
}

func major(version string) int {
	n, err := strconv.Atoi(strings.SplitN(version, ".", 2)[0])
	if err != nil {
		return 0
	}
	return n
}

// scutilProxy reads lines like "  HTTPEnable : 1".
func scutilProxy(text string) Proxy {
	values := map[string]string{}
	for line := range strings.Lines(text) {
		if name, value, found := strings.Cut(line, " : "); found {
			values[strings.TrimSpace(name)] = strings.TrimSpace(value)
		}
	}
	script := values["ProxyAutoConfigURLString"]
	switch {
	case values["ProxyAutoConfigEnable"] == "1" && OurScript(script):
		return Proxy{Mode: ProxyOurs, What: script}
	case values["ProxyAutoConfigEnable"] == "1":
		return Proxy{Mode: ProxyPAC, What: script}
	case values["HTTPEnable"] == "1":
		return Proxy{Mode: ProxyManual, What: values["HTTPProxy"] + ":" + values["HTTPPort"]}
	case values["HTTPSEnable"] == "1":
		return Proxy{Mode: ProxyManual, What: values["HTTPSProxy"] + ":" + values["HTTPSPort"]}
	case values["SOCKSEnable"] == "1":
		return Proxy{Mode: ProxyManual, What: values["SOCKSProxy"] + ":" + values["SOCKSPort"]}
	case values["ProxyAutoDiscoveryEnable"] == "1":
		return Proxy{Mode: ProxyDetect}
	}
	return Proxy{}
}

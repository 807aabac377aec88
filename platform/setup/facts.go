package setup

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"altnet/platform/browser"
	"altnet/platform/splitdns"
	"altnet/platform/trust"
)

// Here returns the facts of this computer for the user that env describes. The
// node is for the caller to fill in.
func Here(env trust.Env) Facts {
	return Facts{
		Lookup: lookup, Get: get, Free: free, Clock: clock,
		Tunnels:   func(context.Context) ([]string, error) { return tunnels(env.GOOS) },
		Antivirus: func(ctx context.Context) ([]string, error) { return antivirus(ctx, env) },
		Browsers:  func() []browser.Browser { return browser.Find(env.Env) },
	}
}

// lookup asks as programs do: by the C library where there is a tool for it.
func lookup(ctx context.Context, host string) ([]string, error) {
	out, err := splitdns.Exec(ctx, "getent", "ahosts", host)
	if err != nil {
		return net.DefaultResolver.LookupHost(ctx, host)
	}
	var list []string
	for line := range strings.Lines(string(out)) {
		if address, _, ok := strings.Cut(line, " "); ok {
			list = append(list, address)
		}
	}
	return list, nil
}

// get asks a server on this computer, past every proxy.
func get(ctx context.Context, url string) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, err
	}
	transport := &http.Transport{DisableKeepAlives: true}
	resp, err := (&http.Client{Transport: transport}).Do(req)
	if err != nil {
		return 0, err
	}
	return resp.StatusCode, resp.Body.Close()
}

// tunnels lists the interfaces that traffic to the internet leaves by, where
// those are tunnels. Choosing a route sends nothing.
func tunnels(goos string) ([]string, error) {
	var list []string
	for _, far := range []string{"192.0.2.1:9", "[2001:db8::1]:9"} {
		conn, err := net.Dial("udp", far)
		if err != nil {
			continue // no route at all
		}
		local, _ := conn.LocalAddr().(*net.UDPAddr)
		conn.Close()
		name, flags, err := interfaceOf(local)
		if err != nil {
			return nil, err
		}
		if isTunnel(goos, name, flags) && (len(list) == 0 || list[0] != name) {
			list = append(list, name)
		}
	}
	return list, nil
}

func interfaceOf(local *net.UDPAddr) (string, net.Flags, error) {
	all, err := net.Interfaces()
	if err != nil {
		return "", 0, fmt.Errorf("list network interfaces: %w", err)
	}
	for _, i := range all {
		addrs, err := i.Addrs()
		if err != nil {
			continue // gone meanwhile
		}
		for _, a := range addrs {
			if ip, ok := a.(*net.IPNet); ok && local != nil && ip.IP.Equal(local.IP) {
				return i.Name, i.Flags, nil
			}
		}
	}
	return "", 0, nil
}

// isTunnel judges an interface by its kind and name: dial-up is no VPN.
func isTunnel(goos, name string, flags net.Flags) bool {
	lower := strings.ToLower(name)
	if strings.HasPrefix(lower, "ppp") || strings.HasPrefix(lower, "wwan") || flags&net.FlagLoopback != 0 {
		return false
	}
	words := []string{"wireguard", "wintun", "openvpn", "vpn", "tap-", "tailscale", "nordlynx", "proton", "mullvad", "zerotier"}
	if goos != "windows" {
		for _, prefix := range []string{"tun", "tap", "wg", "utun", "ipsec"} {
			if strings.HasPrefix(lower, prefix) {
				return true
			}
		}
	}
	for _, w := range words {
		if strings.Contains(lower, w) {
			return true
		}
	}
	return flags&net.FlagPointToPoint != 0
}

// antivirus lists the programs of that kind that are known and found.
func antivirus(ctx context.Context, env trust.Env) ([]string, error) {
	if env.GOOS == "windows" {
		out, err := env.Run(ctx, "powershell.exe", "-NoProfile", "-NonInteractive", "-Command",
			"Get-CimInstance -Namespace root/SecurityCenter2 -ClassName AntiVirusProduct | ForEach-Object displayName")
		return lines(string(out)), err
	}
	places := map[string][]string{
		"ClamAV": {"/usr/sbin/clamd", "/usr/sbin/clamonacc"}, "Microsoft Defender": {"/opt/microsoft/mdatp", "/Applications/Microsoft Defender.app"},
		"Sophos": {"/opt/sophos-spl", "/opt/sophos-av", "/Applications/Sophos"}, "ESET": {"/opt/eset", "/Applications/ESET Endpoint Security.app"},
		"CrowdStrike Falcon": {"/opt/CrowdStrike", "/Applications/Falcon.app"}, "SentinelOne": {"/opt/sentinelone", "/Applications/SentinelOne"},
		"Bitdefender": {"/opt/bitdefender-security-tools", "/Applications/Bitdefender"}, "Trend Micro": {"/opt/ds_agent"},
	}
	var found []string
	for _, name := range slices.Sorted(maps.Keys(places)) {
		for _, place := range places[name] {
			if exists(filepath.Join(env.Root, place)) {
				found = append(found, name)
				break
			}
		}
	}
	return found, nil
}

func lines(text string) []string {
	var list []string
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" {
			list = append(list, line)
		}
	}
	return list
}

// errNoFolder is returned by free for a path without any folder above it.
var errNoFolder = errors.New("no such folder")

// standing returns dir or the nearest folder above it that exists.
func standing(dir string) (string, error) {
	for {
		if info, err := os.Stat(dir); err == nil && info.IsDir() {
			return dir, nil
		}
		up := filepath.Dir(dir)
		if up == dir {
			return "", errNoFolder
		}
		dir = up
	}
}

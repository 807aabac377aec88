package splitdns

import (
	"context"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"

	"github.com/godbus/dbus/v5"

	"altnet/platform/sessionbus"
)

// System is the Env of this computer, for the person who runs the process.
func System() Env {
	home, _ := os.UserHomeDir()
	env := Env{
		GOOS: runtime.GOOS, Home: home, Root: os.Geteuid() == 0,
		Getenv: os.Getenv, ReadFile: os.ReadFile, Readlink: os.Readlink,
		Exists: exists, Glob: glob, Writable: writable, Installed: installed, Run: Exec,
		BusNames: busNames, DNSMode: dnsMode, Interfaces: interfaces,
		MakesLinks: canMakeLinks, Loopback: func() bool { _, ok := FreeLoopback(53); return ok },
		Value: registryValue, Keys: registryKeys,
	}
	return env
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

func glob(pattern string) []string {
	found, err := filepath.Glob(pattern)
	if err != nil {
		return nil // a pattern of ours: never
	}
	return found
}

func installed(program string) bool {
	_, err := exec.LookPath(program)
	return err == nil
}

func busNames(ctx context.Context, session bool) ([]string, error) {
	connect := func(ctx context.Context) (*dbus.Conn, error) { return dbus.ConnectSystemBus(dbus.WithContext(ctx)) }
	if session {
		connect = sessionbus.Connect
	}
	conn, err := connect(ctx)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	var names []string
	err = conn.BusObject().CallWithContext(ctx, "org.freedesktop.DBus.ListNames", 0).Store(&names)
	return names, err
}

// dnsMode asks NetworkManager how it sets names up.
func dnsMode(ctx context.Context) string {
	conn, err := dbus.ConnectSystemBus(dbus.WithContext(ctx))
	if err != nil {
		return ""
	}
	defer conn.Close()
	v, err := conn.Object("org.freedesktop.NetworkManager", "/org/freedesktop/NetworkManager/DnsManager").
		GetProperty("org.freedesktop.NetworkManager.DnsManager.Mode")
	if err != nil {
		return ""
	}
	mode, _ := v.Value().(string)
	return mode
}

func interfaces() []string {
	all, err := net.Interfaces()
	if err != nil {
		return nil
	}
	var names []string
	for _, i := range all {
		if i.Flags&net.FlagUp != 0 && hasIPv4(i) {
			names = append(names, i.Name)
		}
	}
	return names
}

func hasIPv4(i net.Interface) bool {
	addrs, err := i.Addrs()
	if err != nil {
		return false
	}
	for _, a := range addrs {
		if p, err := netip.ParsePrefix(a.String()); err == nil && p.Addr().Is4() {
			return true
		}
	}
	return false
}

// FreeLoopback returns an uncommon loopback address on which port is free, on
// UDP and TCP. Programs that share a network with virtual machines hold port 53
// of all addresses, and the common ones with it.
func FreeLoopback(port uint16) (netip.AddrPort, bool) {
	for _, last := range []byte{76, 84, 78, 69} {
		at := netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 83, 65, last}), port)
		if binds(at) {
			return at, true
		}
	}
	return netip.AddrPort{}, false
}

func binds(at netip.AddrPort) bool {
	udp, err := net.ListenPacket("udp4", at.String())
	if err != nil {
		return false
	}
	defer udp.Close()
	tcp, err := net.Listen("tcp4", at.String())
	if err != nil {
		return false
	}
	return tcp.Close() == nil
}

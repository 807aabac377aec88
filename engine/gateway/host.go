package gateway

import (
	"net"
	"net/netip"
	"strings"
)

// hostKind says whose host a request is for.
type hostKind int

const (
	hostNone    hostKind = iota // not served here
	hostSite                    // a name under the suffix
	hostOwn                     // the gateway's own pages
	hostPreview                 // a version that its author looks at, see preview.go
)

// place is a Host header understood.
type place struct {
	kind  hostKind
	name  string // of the site: "www.pg.alt"; of a preview: its token
	door  bool   // by way of name-alt.localhost
	moved bool   // spelled in a way that would be another origin: "pg.alt."
	bad   bool   // under the suffix, but no name
	port  string // "" where none was given
}

// locate understands a Host header. local is the address the connection came
// in at: only that one, and localhost, are the gateway's own, so that no other
// name which somebody points at this machine can reach its pages.
func locate(host, suffix string, local netip.AddrPort) place {
	h, port, ok := splitPort(strings.ToLower(host))
	if !ok {
		return place{}
	}
	p := place{port: port}
	if ip, err := netip.ParseAddr(h); err == nil {
		if ip.Unmap() == local.Addr() || ip.IsLoopback() && local.Addr().IsLoopback() {
			p.kind = hostOwn
		}
		return p
	}
	trimmed := strings.TrimSuffix(h, ".")
	if p.moved = trimmed != h; trimmed == "localhost" {
		p.kind = hostOwn
		return p
	}
	if token, ok := strings.CutSuffix(trimmed, ".localhost"); ok && isPreview(token) {
		p.kind, p.name = hostPreview, token
		return p
	}
	name, ok := strings.CutSuffix(trimmed, "."+suffix)
	if !ok {
		if name, ok = doorName(trimmed, suffix); !ok {
			return p
		}
		p.door = true
	}
	p.kind, p.name, p.bad = hostSite, name+"."+suffix, !validName(name)
	return p
}

// doorName reads name-alt.localhost, with labels of the owner's in front.
func doorName(host, suffix string) (string, bool) {
	name, ok := strings.CutSuffix(host, ".localhost")
	if !ok {
		return "", false
	}
	return strings.CutSuffix(name, "-"+suffix)
}

// doorHost is the second door of a name under suffix.
func doorHost(name, suffix string) string {
	return strings.TrimSuffix(name, "."+suffix) + "-" + suffix + ".localhost"
}

// splitPort splits host[:port]; an address in brackets loses them.
func splitPort(s string) (host, port string, ok bool) {
	if !strings.Contains(s, ":") {
		return s, "", s != ""
	}
	if strings.HasPrefix(s, "[") && strings.HasSuffix(s, "]") {
		return s[1 : len(s)-1], "", true
	}
	host, port, err := net.SplitHostPort(s)
	if err != nil || host == "" || len(port) > 5 || strings.Trim(port, "0123456789") != "" {
		return "", "", false
	}
	return host, port, true
}

// validName reports whether labels joined by dots make a host name.
func validName(s string) bool {
	if len(s) > 240 {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		if !validLabel(label) {
			return false
		}
	}
	return true
}

func validLabel(s string) bool {
	if s == "" || len(s) > 63 || s[0] == '-' || s[len(s)-1] == '-' {
		return false
	}
	for _, r := range s {
		if (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' {
			return false
		}
	}
	return true
}

// ownerName cuts the labels in front: "www.pg.alt" belongs to "pg.alt".
func ownerName(name string) string {
	suffix := max(0, strings.LastIndexByte(name, '.'))
	return name[strings.LastIndexByte(name[:suffix], '.')+1:]
}

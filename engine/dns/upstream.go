package dns

import (
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"
)

// rereadAfter bounds how long a laptop that changed its network keeps asking
// the old one's servers.
const rereadAfter = 5 * time.Second

// upstreamList is who is asked about names outside the suffix: a fixed list, or
// what the system says, read again when it is old.
type upstreamList struct {
	read func() []string // nil: fixed
	own  []netip.AddrPort

	mu    sync.Mutex
	list  []string
	until time.Time
}

func newUpstreams(cfg Config, own []netip.AddrPort) *upstreamList {
	if len(cfg.Upstream) > 0 {
		return &upstreamList{list: withoutOwn(cfg.Upstream, own)}
	}
	return &upstreamList{read: cfg.systemUpstreams, own: own}
}

// at returns the list as of now. The caller must not change it.
func (u *upstreamList) at(now time.Time) []string {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.read != nil && !now.Before(u.until) {
		u.list = withoutOwn(u.read(), u.own)
		u.until = now.Add(rereadAfter)
	}
	return u.list
}

// withoutOwn completes ports and drops the addresses this server listens on,
// asking which would ask oneself.
func withoutOwn(list []string, own []netip.AddrPort) []string {
	var out []string
	for _, s := range list {
		if s = withPort(strings.TrimSpace(s)); s == "" || isOwn(s, own) || slices.Contains(out, s) {
			continue
		}
		out = append(out, s)
	}
	return out
}

func withPort(s string) string {
	if s == "" {
		return ""
	}
	if _, _, err := net.SplitHostPort(s); err == nil {
		return s
	}
	return net.JoinHostPort(strings.Trim(s, "[]"), "53")
}

func isOwn(s string, own []netip.AddrPort) bool {
	ap, err := netip.ParseAddrPort(s)
	if err != nil {
		return false
	}
	for _, o := range own {
		here := o.Addr().Unmap() == ap.Addr().Unmap() || o.Addr().IsUnspecified() && ap.Addr().IsLoopback()
		if here && o.Port() == ap.Port() {
			return true
		}
	}
	return false
}

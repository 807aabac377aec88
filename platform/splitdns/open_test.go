package splitdns

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"
)

func TestOpen(t *testing.T) {
	cfg := testConfig(t, Exec)
	for goos, want := range map[string][]Name{"linux": {GNOMEProxy, KDEProxy}, "darwin": {ResolverFile, MacProxy}, "plan9": nil} {
		doors := constructors(goos)
		for _, name := range want {
			if door := doors[name]; door == nil || door(cfg).Name() != name {
				t.Errorf("%s has no door %s", goos, name)
			}
		}
	}
	if _, err := Open("attic-window", cfg); !errors.Is(err, ErrNotHere) {
		t.Errorf("an unheard-of door: %v", err)
	}
}

func TestLocalhost(t *testing.T) {
	gateway := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/proxy.pac" {
			http.NotFound(w, r)
		}
	}))
	cfg := testConfig(t, Exec)
	cfg.Want.Gateway = netip.MustParseAddrPort(strings.TrimPrefix(gateway.URL, "http://"))
	door, err := Open(Localhost, cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(door.Set(t.Context()), door.Verify(t.Context()), door.Undo(t.Context())); err != nil {
		t.Error(err)
	}
	gateway.Close()
	if err := door.Verify(t.Context()); !errors.Is(err, ErrClosed) {
		t.Errorf("without a gateway: %v", err)
	}
}

func TestVerifyName(t *testing.T) {
	cfg := testConfig(t, Exec)
	for name, c := range map[string]struct {
		found []string
		err   error
		works bool
	}{
		"ours":          {found: []string{"127.83.65.76"}, works: true},
		"mapped":        {found: []string{"::ffff:127.83.65.76"}, works: true},
		"ours and more": {found: []string{"192.0.2.1", "127.83.65.76"}, works: true},
		"of others":     {found: []string{"192.0.2.1"}},
		"nothing":       {},
		"no such name":  {err: errors.New("no such name")},
	} {
		cfg.Lookup = fakeLookup(t, c.found, c.err)
		if err := cfg.verifyName(t.Context()); (err == nil) != c.works || err != nil && !errors.Is(err, ErrClosed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestVerifyProxyOfAnother(t *testing.T) {
	other := httptest.NewServer(http.NotFoundHandler())
	defer other.Close()
	cfg := testConfig(t, Exec)
	if err := cfg.verifyProxy(t.Context()); err != nil {
		t.Error(err)
	}
	cfg.Want.Gateway = netip.MustParseAddrPort(strings.TrimPrefix(other.URL, "http://"))
	if err := cfg.verifyProxy(t.Context()); !errors.Is(err, ErrClosed) {
		t.Errorf("another program on our port: %v", err)
	}
}

// A door leads to whoever answers at the gateway's address: that has to be ours.
func TestTheGatewayProvesItself(t *testing.T) {
	cfg := testConfig(t, Exec)
	cfg.Lookup = fakeLookup(t, []string{"127.83.65.76"}, nil)
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer server.Close()
	local := cfg
	local.Want.Gateway = netip.MustParseAddrPort(strings.TrimPrefix(server.URL, "http://"))
	for _, c := range []struct {
		err      error
		impostor bool
	}{{nil, false}, {ErrImpostor, true}, {errors.New("no secret"), false}} {
		var asked []netip.AddrPort
		prove := func(_ context.Context, at netip.AddrPort) error {
			asked = append(asked, at)
			return c.err
		}
		cfg.Prove, local.Prove = prove, prove
		for what, err := range map[string]error{
			"a proxy": cfg.verifyProxy(t.Context()), "a name": cfg.verifyName(t.Context()), "localhost": (&localhostDoor{local}).Verify(t.Context()),
		} {
			if errors.Is(err, ErrClosed) != (c.err != nil) || errors.Is(err, ErrImpostor) != c.impostor {
				t.Errorf("%s with %v: %v", what, c.err, err)
			}
		}
		for _, at := range []netip.AddrPort{cfg.Want.Gateway, netip.MustParseAddrPort("127.83.65.76:80"), local.Want.Gateway} {
			if !slices.Contains(asked, at) {
				t.Errorf("%v was not asked, only %v", at, asked)
			}
		}
	}
}

func TestFreeLoopback(t *testing.T) {
	first, ok := FreeLoopback(0)
	if !ok || !first.Addr().IsLoopback() {
		t.Errorf("no loopback address is free: %v", first)
	}
}

// fakeLookup answers every name below .alt, each of which may be asked once.
func fakeLookup(t *testing.T, found []string, err error) Lookup {
	seen := map[string]bool{}
	return func(_ context.Context, host string) ([]netip.Addr, error) {
		if !strings.HasSuffix(host, ".alt") || seen[host] {
			t.Errorf("asked for %s", host)
		}
		seen[host] = true
		var addrs []netip.Addr
		for _, f := range found {
			addrs = append(addrs, netip.MustParseAddr(f))
		}
		return addrs, err
	}
}

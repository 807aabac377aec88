package wire

import (
	"bytes"
	"errors"
	"net/netip"
	"testing"
	"time"

	"altnet/engine/identity"
)

func TestPeerRoundTrips(t *testing.T) {
	want := samplePeer(t, 1)
	got, err := ParsePeer(want.Raw)
	if err != nil {
		t.Fatal(err)
	}
	if got.Key != want.Key || got.ID != sampleKey(1).ID() || got.Puzzle != 1 || got.Seq != want.Seq || got.Role != want.Role {
		t.Errorf("got %+v", got)
	}
	if len(got.Addrs) != 3 || got.Addrs[0] != want.Addrs[0] || got.Addrs[1] != want.Addrs[1] || got.Addrs[2] != want.Addrs[2] {
		t.Errorf("addresses %v", got.Addrs)
	}
	if !bytes.Equal(got.Raw, want.Raw) {
		t.Error("raw differs")
	}
}

// Any changed bit of a record is noticed.
func TestPeerChanged(t *testing.T) {
	raw := samplePeer(t, 1).Raw
	for i := range raw {
		changed := bytes.Clone(raw)
		changed[i] ^= 0x10
		if _, err := ParsePeer(changed); err == nil {
			t.Errorf("byte %d changed: accepted", i)
		}
		if _, err := ParsePeer(raw[:i]); err == nil {
			t.Errorf("cut at %d: accepted", i)
		}
	}
}

// signedPeer signs a body as it is, right or wrong.
func signedPeer(t *testing.T, domain string, b peerBody) []byte {
	t.Helper()
	body, err := Marshal(b)
	if err != nil {
		t.Fatal(err)
	}
	return Sign(sampleKey(1), domain, body)
}

func TestPeerRefuses(t *testing.T) {
	pub := sampleKey(1).Public()
	good := peerBody{KeyType: 1, Key: pub[:], Seq: 1, Expires: 2}
	with := func(f func(*peerBody)) peerBody {
		b := good
		f(&b)
		return b
	}
	if _, err := ParsePeer(signedPeer(t, PeerDomain, good)); err != nil {
		t.Fatal(err)
	}
	other := sampleKey(2).Public()
	for name, c := range map[string]struct {
		raw  []byte
		want error
	}{
		"another domain":  {signedPeer(t, "altnet record v1", good), ErrBadSignature},
		"another key":     {signedPeer(t, PeerDomain, with(func(b *peerBody) { b.Key = other[:] })), ErrBadSignature},
		"key type":        {signedPeer(t, PeerDomain, with(func(b *peerBody) { b.KeyType = 2 })), ErrBadPeer},
		"short key":       {signedPeer(t, PeerDomain, with(func(b *peerBody) { b.Key = pub[:31] })), ErrBadPeer},
		"no sequence":     {signedPeer(t, PeerDomain, with(func(b *peerBody) { b.Seq = 0 })), ErrBadPeer},
		"no expiry":       {signedPeer(t, PeerDomain, with(func(b *peerBody) { b.Expires = 0 })), ErrBadPeer},
		"nine addresses":  {signedPeer(t, PeerDomain, with(func(b *peerBody) { b.Addrs = make([][]byte, 9) })), ErrTooLarge},
		"empty address":   {signedPeer(t, PeerDomain, with(func(b *peerBody) { b.Addrs = [][]byte{{}} })), ErrBadAddr},
		"port 0":          {signedPeer(t, PeerDomain, with(func(b *peerBody) { b.Addrs = [][]byte{{1, 8, 8, 8, 8, 0, 0}} })), ErrBadAddr},
		"too large":       {make([]byte, MaxPeerRecord+1), ErrTooLarge},
		"bytes after":     {append(signedPeer(t, PeerDomain, good), 0), ErrMalformed},
		"not an envelope": {[]byte{0xa0}, ErrMalformed},
		"empty":           {nil, ErrNotCanonical},
	} {
		if _, err := ParsePeer(c.raw); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestPeerSkipsUnknownKindsOfAddress(t *testing.T) {
	pub := sampleKey(1).Public()
	raw := signedPeer(t, PeerDomain, peerBody{KeyType: 1, Key: pub[:], Seq: 1, Expires: 2,
		Addrs: [][]byte{{77, 1, 2}, {1, 8, 8, 8, 8, 1, 0}}})
	p, err := ParsePeer(raw)
	if err != nil || len(p.Addrs) != 1 || p.Addrs[0].IP != netip.MustParseAddrPort("8.8.8.8:256") {
		t.Errorf("%v, %v", p.Addrs, err)
	}
}

func TestPeerValid(t *testing.T) {
	now := time.UnixMilli(sampleTime)
	for name, c := range map[string]struct {
		expires uint64
		ok      bool
	}{
		"expired":   {sampleTime, false},
		"zero":      {0, false},
		"one ms":    {sampleTime + 1, true},
		"48 h":      {sampleTime + 48*3600_000, true},
		"50 h":      {sampleTime + 50*3600_000, false},
		"overflow":  {1<<64 - 1, false},
		"int64 max": {1<<63 - 1, false},
	} {
		if err := (Peer{Expires: c.expires}).Valid(now); (err == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := (Peer{Expires: 5}).Valid(time.Unix(-1, 0)); err != nil {
		t.Errorf("before 1970: %v", err)
	}
}

func TestAddrRefuses(t *testing.T) {
	for name, a := range map[string]Addr{
		"zero":           {},
		"no port":        AddrOf(netip.MustParseAddrPort("8.8.8.8:0")),
		"multicast":      AddrOf(netip.MustParseAddrPort("224.0.0.1:1")),
		"broadcast":      AddrOf(netip.MustParseAddrPort("255.255.255.255:1")),
		"unspecified":    AddrOf(netip.MustParseAddrPort("[::]:1")),
		"zone":           {Kind: AddrIPv6, IP: netip.MustParseAddrPort("[fe80::1%eth0]:1")},
		"mapped":         {Kind: AddrIPv6, IP: netip.MustParseAddrPort("[::ffff:8.8.8.8]:1")},
		"family":         {Kind: AddrIPv6, IP: netip.MustParseAddrPort("8.8.8.8:1")},
		"relay unnamed":  {Kind: AddrRelay, IP: netip.MustParseAddrPort("8.8.8.8:1")},
		"named directly": {Kind: AddrIPv4, IP: netip.MustParseAddrPort("8.8.8.8:1"), Relay: identity.NodeID{1}},
	} {
		if _, err := EncodeAddr(a); !errors.Is(err, ErrBadAddr) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestGroups(t *testing.T) {
	for s, want := range map[string]string{
		"8.8.4.4:1":                  "8.8.4.0/24",
		"[::ffff:8.8.4.4]:1":         "8.8.4.0/24",
		"[2a00:1:2:3::4]:1":          "2a00:1:2::/48",
		"127.0.0.1:1":                "127.0.0.1:1",
		"[::ffff:127.0.0.1]:1":       "127.0.0.1:1",
		"192.168.1.5:9":              "192.168.1.5:9",
		"[fd12::1]:9":                "[fd12::1]:9",
		"100.64.0.1:9":               "100.64.0.1:9",
		"169.254.1.1:9":              "169.254.1.1:9",
		"[64:ff9b::192.168.1.1]:443": "[64:ff9b::c0a8:101]:443",
	} {
		if got := GroupOf(netip.MustParseAddrPort(s)); got != want {
			t.Errorf("%s: %s, want %s", s, got, want)
		}
	}
	if (Group(netip.Addr{})) != (netip.Prefix{}) || IsPublic(netip.Addr{}) {
		t.Error("the zero address has a group or is public")
	}
}

func TestEnvelope(t *testing.T) {
	key := sampleKey(1)
	for _, n := range []int{0, 1, 23, 24, 255, 256, 70_000} {
		body := bytes.Repeat([]byte{7}, n)
		raw := Sign(key, "a domain", body)
		got, err := SplitSigned(raw)
		if err != nil || !bytes.Equal(got.Body, body) {
			t.Fatalf("%d bytes: %v", n, err)
		}
		again, err := Marshal(Signed{Body: body, Sig: raw[len(raw)-64:]})
		if err != nil || !bytes.Equal(again, raw) {
			t.Errorf("%d bytes: Sign and Marshal differ", n)
		}
		if !key.Public().Verify("a domain", got.Body, got.Sig) || key.Public().Verify("another", got.Body, got.Sig) {
			t.Errorf("%d bytes: the signature does not hold for its domain alone", n)
		}
	}
}

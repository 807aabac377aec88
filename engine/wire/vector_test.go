package wire

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"flag"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"github.com/fxamacker/cbor/v2"
)

var update = flag.Bool("update", false, "write the golden vectors anew")

// hexBytes is shown in hex in vectors.
type hexBytes []byte

func (h hexBytes) MarshalText() ([]byte, error) { return []byte(hex.EncodeToString(h)), nil }
func (h *hexBytes) UnmarshalText(b []byte) (err error) {
	*h, err = hex.DecodeString(string(b))
	return err
}

// golden holds vectors against testdata/name, or writes them with -update.
func golden(t *testing.T, name string, vectors any) {
	t.Helper()
	got, err := json.MarshalIndent(vectors, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	got = append(got, '\n')
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(bytes.ReplaceAll(want, []byte("\r\n"), []byte("\n")), got) {
		t.Errorf("%s does not hold; if the protocol was meant to change, run with -update", file)
	}
}

// frameVector is a message and its frame; the body also in CBOR's diagnostic
// notation (RFC 8949 section 8).
type frameVector struct {
	Type  string   `json:"type"`
	Body  string   `json:"body"`
	Frame hexBytes `json:"frame"`
}

func TestFrameVectors(t *testing.T) {
	var vectors []frameVector
	for _, m := range samples(t) {
		var b bytes.Buffer
		if err := Write(&b, m); err != nil {
			t.Fatal(err)
		}
		body, err := cbor.Diagnose(b.Bytes()[HeaderSize:])
		if err != nil {
			t.Fatal(err)
		}
		vectors = append(vectors, frameVector{m.Type().String(), body, b.Bytes()})
	}
	golden(t, "frames.json", vectors)
}

// refusalVector is a body that must be refused, and why.
type refusalVector struct {
	Why  string   `json:"why"`
	Type string   `json:"type"`
	Body hexBytes `json:"body"`
}

func TestRefusalVectors(t *testing.T) {
	var vectors []refusalVector
	for _, c := range refused() {
		if c.want != nil {
			vectors = append(vectors, refusalVector{c.name, c.t.String(), c.body})
		}
	}
	golden(t, "refused.json", vectors)
}

// peerVector is a peer record.
type peerVector struct {
	NodeSeed hexBytes `json:"node_key_seed"`
	Key      hexBytes `json:"public_key"`
	NodeID   hexBytes `json:"node_id"`
	Puzzle   uint64   `json:"puzzle"`
	Seq      uint64   `json:"seq"`
	Expires  uint64   `json:"expires"`
	Role     uint64   `json:"role"`
	Addrs    []string `json:"addrs"`
	Raw      hexBytes `json:"raw"`
}

func TestPeerVectors(t *testing.T) {
	var vectors []peerVector
	for n := byte(1); n <= 2; n++ {
		p := samplePeer(t, n)
		seed := sampleKey(n).Seed()
		v := peerVector{
			NodeSeed: seed[:], Key: p.Key[:], NodeID: p.ID[:], Puzzle: p.Puzzle,
			Seq: p.Seq, Expires: p.Expires, Role: uint64(p.Role), Raw: p.Raw,
		}
		for _, a := range p.Addrs {
			v.Addrs = append(v.Addrs, a.String())
		}
		vectors = append(vectors, v)
	}
	golden(t, "peers.json", vectors)
}

// addrVector is an address in both forms.
type addrVector struct {
	Kind  AddrKind `json:"kind"`
	IP    string   `json:"ip"`
	Relay hexBytes `json:"relay,omitempty"`
	Bytes hexBytes `json:"bytes"`
	Group string   `json:"group"`
}

func TestAddrVectors(t *testing.T) {
	relay := sampleKey(9).ID()
	var vectors []addrVector
	for _, s := range []string{"192.0.2.7:9000", "[2001:db8:1:2::7]:9000", "127.0.0.1:1", "10.1.2.3:65535", "[fd00::1]:80", "100.64.1.1:443"} {
		a := AddrOf(netip.MustParseAddrPort(s))
		vectors = append(vectors,
			addrVector{a.Kind, s, nil, encoded(t, a), GroupOf(a.IP)},
			addrVector{AddrRelay, s, relay[:], encoded(t, Addr{Kind: AddrRelay, IP: a.IP, Relay: relay}), GroupOf(a.IP)})
	}
	golden(t, "addrs.json", vectors)
}

func encoded(t *testing.T, a Addr) []byte {
	t.Helper()
	b, err := EncodeAddr(a)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

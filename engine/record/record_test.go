package record

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"strings"
	"testing"
	"time"

	"altnet/engine/identity"
	"altnet/engine/wire"
)

var (
	testNetwork = NetworkID("test")
	testNow     = time.Date(2027, 1, 15, 12, 0, 0, 0, time.UTC)
)

func testKey(n byte) identity.Key {
	return identity.FromSeed(sha256.Sum256([]byte{'k', n}))
}

// owner is a site with one device, for tests.
type owner struct {
	root, device identity.Key
	serial       uint64
}

func newOwner(n byte) owner { return owner{root: testKey(n), device: testKey(n + 100), serial: 1} }

func (o owner) key() identity.PublicKey { return o.root.Public() }

func (o owner) delegation(t testing.TB) Delegation {
	t.Helper()
	d, err := Delegate(o.root, o.device.Public(), o.serial, Millis(testNow.Add(3*365*24*time.Hour)))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// fields returns a valid site record issued now, unsigned.
func (o owner) fields(t testing.TB, name string, now time.Time) Record {
	r := Record{
		Network: testNetwork, Kind: KindSite, Name: name, Root: o.key(), Delegation: o.delegation(t),
		Seq: Millis(now), Issued: Millis(now), Expires: Millis(now.Add(DefaultLife)),
		Content: sha256.Sum256([]byte("content")), Size: 4096,
	}
	if name != "" {
		r.Claim = &Claim{Epoch: EpochAt(now)}
	}
	return r
}

func (o owner) sign(t testing.TB, r Record) Record {
	t.Helper()
	signed, err := Sign(r, o.device)
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

// site signs a record for a name with the given changes.
func (o owner) site(t testing.TB, name string, now time.Time, change ...func(*Record)) Record {
	t.Helper()
	r := o.fields(t, name, now)
	for _, c := range change {
		c(&r)
	}
	return o.sign(t, r)
}

func (o owner) tombstone(t testing.TB, name string, now time.Time) Record {
	t.Helper()
	return o.site(t, name, now, func(r *Record) {
		r.Kind, r.Content, r.Size = KindTombstone, wire.Hash{}, 0
	})
}

func TestSignAndParse(t *testing.T) {
	o := newOwner(1)
	for _, name := range []string{"", "pg", "xn--bcher-kva", strings.Repeat("a", 63)} {
		r := o.site(t, name, testNow)
		got, err := Parse(r.Raw)
		if err != nil {
			t.Fatalf("%q: %v", name, err)
		}
		if got.Name != name || got.Root != o.key() || got.Seq != Millis(testNow) || got.Content != r.Content || got.Size != 4096 {
			t.Errorf("%q: read back %+v", name, got)
		}
		if len(r.Raw) > 600 {
			t.Errorf("%q: record of %d bytes leaves no room to grow", name, len(r.Raw))
		}
	}
}

func TestSignRefusesContradictions(t *testing.T) {
	o := newOwner(1)
	tests := map[string]func(*Record){
		"no root key":               func(r *Record) { r.Root = identity.PublicKey{} },
		"other owner's delegation":  func(r *Record) { r.Delegation = newOwner(2).delegation(t) },
		"unknown kind":              func(r *Record) { r.Kind = 9 },
		"site without content":      func(r *Record) { r.Content = wire.Hash{} },
		"tombstone with content":    func(r *Record) { r.Kind = KindTombstone },
		"upper case":                func(r *Record) { r.Name = "PG" },
		"dot":                       func(r *Record) { r.Name = "a.b" },
		"leading hyphen":            func(r *Record) { r.Name = "-a" },
		"too long":                  func(r *Record) { r.Name = strings.Repeat("a", 64) },
		"name in an address's form": func(r *Record) { r.Name = Address(testKey(7).Public()) },
		"misspelt address as name":  func(r *Record) { r.Name = strings.Repeat("a", 56) },
		"name without claim":        func(r *Record) { r.Claim = nil },
		"claim without name":        func(r *Record) { r.Name = "" },
		"stale claim":               func(r *Record) { r.Claim = &Claim{Epoch: EpochAt(testNow) - 2} },
		"claim of the next epoch":   func(r *Record) { r.Claim = &Claim{Epoch: EpochAt(testNow) + 1} },
		"claim of the last epoch":   func(r *Record) { r.Claim = &Claim{Epoch: ^uint64(0)} },
		"never issued":              func(r *Record) { r.Issued = 0 },
		"ends before it begins":     func(r *Record) { r.Expires = r.Issued },
		"lives too long":            func(r *Record) { r.Expires = r.Issued + uint64(MaxLife.Milliseconds()) + 1 },
		"overflowing expiry":        func(r *Record) { r.Expires = ^uint64(0) },
		"overflowing issue":         func(r *Record) { r.Issued, r.Expires = ^uint64(0)-1, ^uint64(0) },
		"sequence zero":             func(r *Record) { r.Seq = 0 },
		"sequence used up":          func(r *Record) { r.Seq = ^uint64(0) },
		"large size":                func(r *Record) { r.Size = 1 << 62 },
		"large grant":               func(r *Record) { r.Grant = make([]byte, maxGrant+1) },
		"delegation ends first": func(r *Record) {
			r.Delegation, _ = Delegate(o.root, o.device.Public(), 1, Millis(testNow.Add(time.Hour)))
		},
	}
	for what, change := range tests {
		t.Run(what, func(t *testing.T) {
			r := o.fields(t, "pg", testNow)
			change(&r)
			if _, err := Sign(r, o.device); !errors.Is(err, ErrMalformed) && !errors.Is(err, ErrSignature) {
				t.Errorf("signed, or failed otherwise: %v", err)
			}
		})
	}
}

func TestSignRefusesAnotherDevice(t *testing.T) {
	o := newOwner(1)
	if _, err := Sign(o.fields(t, "", testNow), testKey(55)); !errors.Is(err, ErrSignature) {
		t.Errorf("a device without delegation signed: %v", err)
	}
}

// Every single bit of a record is covered by size, form or signature.
func TestEveryBitCounts(t *testing.T) {
	raw := newOwner(1).site(t, "pg", testNow).Raw
	for i := range raw {
		for bit := range 8 {
			bad := bytes.Clone(raw)
			bad[i] ^= 1 << bit
			if _, err := Parse(bad); err == nil {
				t.Fatalf("bit %d of byte %d can be turned", bit, i)
			}
		}
	}
	for n := range raw {
		if _, err := Parse(raw[:n]); err == nil {
			t.Fatalf("a record cut at %d bytes parses", n)
		}
	}
	if _, err := Parse(append(bytes.Clone(raw), 0)); err == nil {
		t.Error("a byte behind the record is accepted")
	}
}

// Fields of later versions pass through, signed and unread.
func TestUnknownFieldsArePreserved(t *testing.T) {
	o := newOwner(1)
	known := o.site(t, "", testNow)
	var env wire.Signed
	if err := wire.Unmarshal(known.Raw, &env); err != nil {
		t.Fatal(err)
	}
	var fields map[uint64]any
	if err := wire.Unmarshal(env.Body, &fields); err != nil {
		t.Fatal(err)
	}
	fields[40] = "later"
	raw, err := seal(o.device, recordDomain, fields)
	if err != nil {
		t.Fatal(err)
	}
	got, err := Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Raw, raw) || got.Content != known.Content {
		t.Error("a field of a later version changed the record")
	}
	fields[40] = strings.Repeat("x", MaxRecord)
	raw, _ = seal(o.device, recordDomain, fields)
	if _, err := Parse(raw); !errors.Is(err, ErrMalformed) {
		t.Errorf("a record of %d bytes: %v", len(raw), err)
	}
}

// A known field has one encoding: nothing is sent that could be left out.
func TestOneEncoding(t *testing.T) {
	o := newOwner(1)
	for what, change := range map[string]func(map[uint64]any){
		"empty name":        func(f map[uint64]any) { f[3] = "" },
		"zero size":         func(f map[uint64]any) { f[10] = uint64(0) },
		"null claim":        func(f map[uint64]any) { f[11] = nil },
		"empty grant":       func(f map[uint64]any) { f[12] = []byte{} },
		"short network":     func(f map[uint64]any) { f[1] = testNetwork[:31] },
		"long content":      func(f map[uint64]any) { f[9] = make([]byte, 33) },
		"field zero":        func(f map[uint64]any) { f[0] = "before the known ones" },
		"sequence as bytes": func(f map[uint64]any) { f[6] = []byte{1} },
		"size as null":      func(f map[uint64]any) { f[10] = nil },
	} {
		var env wire.Signed
		fields := map[uint64]any{}
		r := o.site(t, "", testNow, func(r *Record) { r.Size = 0 })
		if err := errors.Join(wire.Unmarshal(r.Raw, &env), wire.Unmarshal(env.Body, &fields)); err != nil {
			t.Fatal(err)
		}
		change(fields)
		raw, err := seal(o.device, recordDomain, fields)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Parse(raw); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestSupersedes(t *testing.T) {
	o := newOwner(1)
	stolen := o.site(t, "", testNow, func(r *Record) { r.Seq += 1000 })
	o.serial = 2
	rescued := o.site(t, "", testNow)
	later := o.site(t, "", testNow, func(r *Record) { r.Seq++ })
	if !rescued.Supersedes(&stolen) || stolen.Supersedes(&rescued) {
		t.Error("a higher delegation serial must win over any sequence")
	}
	if !later.Supersedes(&rescued) || rescued.Supersedes(&later) {
		t.Error("a higher sequence must win")
	}
	twin := o.site(t, "", testNow, func(r *Record) { r.Size++ })
	if rescued.Supersedes(&twin) == twin.Supersedes(&rescued) || !rescued.Ties(&twin) || rescued.Ties(&rescued) {
		t.Error("a tie must have one winner and be seen")
	}
	if rescued.Supersedes(&rescued) {
		t.Error("a record supersedes itself")
	}
}

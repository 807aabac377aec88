package record

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"flag"
	"os"
	"runtime"
	"testing"
	"time"

	"altnet/engine/identity"
	"altnet/engine/wire"
)

var update = flag.Bool("update", false, "write the golden vectors anew")

const goldenFile = "testdata/records.json"

// golden is one vector: what goes in, in words, and the bytes that come out.
type golden struct {
	Name  string            `json:"name"`
	About string            `json:"about"`
	In    map[string]string `json:"in,omitempty"`
	Out   string            `json:"out"`
}

// vectors computes every vector. Signing is deterministic (RFC 8032), so the
// bytes must come out the same in every implementation.
func vectors(t *testing.T) []golden {
	o := newOwner(1)
	seed, device, registrar := o.root.Seed(), o.device.Seed(), testKey(50).Seed()
	root := o.root.Public()
	keys := map[string]string{
		"root_seed": hex.EncodeToString(seed[:]), "root_key": root.String(),
		"device_seed": hex.EncodeToString(device[:]), "device_key": o.device.Public().String(),
		"network": hex.EncodeToString(testNetwork[:]),
	}
	deleg := o.delegation(t)
	claim := Claim{Epoch: EpochAt(testNow), Nonce: pgNonce}
	input := claimInput(testNetwork, "pg", root, claim)
	grant, err := SignGrant(testKey(50), Grant{Network: testNetwork, Name: "pg", Root: root, Serial: 7,
		NotBefore: Millis(testNow), NotAfter: Millis(testNow.Add(DefaultLife))})
	if err != nil {
		t.Fatal(err)
	}
	target := NameKey("pg")
	revocation, err := SignRevocation(testKey(51), Revocation{Network: testNetwork, Scope: ScopeRoot, Target: target[:],
		Serial: 8, Expires: Millis(testNow.Add(DefaultLife)), Reason: "phishing"})
	if err != nil {
		t.Fatal(err)
	}
	work := func(r *Record) { r.Claim = &claim }
	dead := o.site(t, "pg", testNow.Add(time.Hour), work, func(r *Record) {
		r.Kind, r.Content, r.Size = KindTombstone, wire.Hash{}, 0
	})
	nameKey, siteKey := NameKey("pg"), SiteKey(root)
	return []golden{
		{"network id", "SHA-256 of domain and network name", map[string]string{"name": "test"}, hex.EncodeToString(testNetwork[:])},
		{"name key", "DHT key of a human name", map[string]string{"name": "pg"}, nameKey.String()},
		{"site key", "DHT key of a site", map[string]string{"root_key": root.String()}, siteKey.String()},
		{"address", "label of a site, in letters", map[string]string{"root_key": root.String()}, Address(root)},
		{"claim input", "what Argon2id is computed over", map[string]string{"name": "pg", "root_key": root.String(), "epoch": "231", "nonce": "see record"}, hex.EncodeToString(input[:])},
		{"delegation", "the root key delegates to the device, serial 1", keys, hex.EncodeToString(deleg.Raw)},
		{"record", "a named site", keys, hex.EncodeToString(o.site(t, "pg", testNow, work).Raw)},
		{"record with grant", "a named site in a gatekept network", keys, hex.EncodeToString(o.site(t, "pg", testNow, work, func(r *Record) { r.Grant = grant.Raw }).Raw)},
		{"nameless record", "a site with an address only", keys, hex.EncodeToString(o.site(t, "", testNow).Raw)},
		{"tombstone", "the named site withdrawn an hour later", keys, hex.EncodeToString(dead.Raw)},
		{"grant", "a registrar's word, serial 7", map[string]string{"registrar_seed": hex.EncodeToString(registrar[:])}, hex.EncodeToString(grant.Raw)},
		{"revocation", "of a content root, serial 8", nil, hex.EncodeToString(revocation.Raw)},
	}
}

func TestGoldenVectors(t *testing.T) {
	got, err := json.MarshalIndent(vectors(t), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	got = append(got, '\n')
	if *update {
		if err := os.WriteFile(goldenFile, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(goldenFile)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(bytes.ReplaceAll(want, []byte("\r\n"), []byte("\n")), got) {
		t.Errorf("the bytes on the wire changed; if that is meant, run with -update and raise the version\n%s", got)
	}
}

func TestGoldenRecordsParse(t *testing.T) {
	for _, v := range vectors(t) {
		raw, _ := hex.DecodeString(v.Out)
		switch v.Name {
		case "record", "record with grant", "tombstone":
			r, err := Check(testNetwork, NameKey("pg"), raw, testNow.Add(time.Hour), StoreSkew)
			if err != nil {
				t.Errorf("%s: %v", v.Name, err)
			}
			if err := r.CheckWork(); err != nil {
				t.Errorf("%s: %v", v.Name, err)
			}
		case "nameless record":
			if _, err := Check(testNetwork, SiteKey(newOwner(1).key()), raw, testNow, StoreSkew); err != nil {
				t.Errorf("%s: %v", v.Name, err)
			}
		}
	}
}

// roundTrips holds the invariant of every signed object: what parses is
// canonical, keeps exactly the bytes that came, and is signed over its body.
func roundTrips(t *testing.T, in, kept []byte, domain string, signer identity.PublicKey) {
	t.Helper()
	if !bytes.Equal(in, kept) {
		t.Fatal("the raw bytes are not those that came")
	}
	var env wire.Signed
	if err := wire.Unmarshal(in, &env); err != nil {
		t.Fatal(err)
	}
	again, err := wire.Marshal(env)
	if err != nil || !bytes.Equal(again, in) {
		t.Fatalf("the envelope encodes to other bytes: %v", err)
	}
	var fields map[uint64]any
	if err := wire.Unmarshal(env.Body, &fields); err != nil {
		t.Fatal(err)
	}
	if again, err := wire.Marshal(fields); err != nil || !bytes.Equal(again, env.Body) {
		t.Fatalf("the body encodes to other bytes: %v", err)
	}
	if !signer.Verify(domain, env.Body, env.Sig) {
		t.Fatal("it parsed without a good signature")
	}
}

func FuzzParse(f *testing.F) {
	o := newOwner(1)
	for _, r := range []Record{o.site(f, "pg", testNow), o.site(f, "", testNow), o.tombstone(f, "pg", testNow)} {
		f.Add(r.Raw)
		f.Add(r.Delegation.Raw)
	}
	g, _ := SignGrant(testKey(50), Grant{Name: "pg", Root: o.key(), NotAfter: 1})
	f.Add(g.Raw)
	v, _ := SignRevocation(testKey(51), Revocation{Scope: ScopeName, Target: []byte("pg")})
	f.Add(v.Raw)
	f.Fuzz(func(t *testing.T, raw []byte) {
		if r, err := Parse(raw); err == nil {
			roundTrips(t, raw, r.Raw, recordDomain, r.Delegation.Key)
			if len(raw) > MaxRecord || r.Info().Order() == 0 {
				t.Fatal("out of bounds")
			}
		}
		if d, err := ParseDelegation(raw, o.key()); err == nil {
			roundTrips(t, raw, d.Raw, delegationDomain, o.key())
		}
		if g, err := ParseGrant(raw); err == nil {
			roundTrips(t, raw, g.Raw, grantDomain, g.Registrar)
		}
		if v, err := ParseRevocation(raw); err == nil {
			roundTrips(t, raw, v.Raw, revocationDomain, v.Revoker)
		}
	})
}

// FuzzBody signs whatever the fuzzer makes, so that the rules behind the
// signature are reached.
func FuzzBody(f *testing.F) {
	o := newOwner(1)
	for _, r := range []Record{o.site(f, "pg", testNow), o.site(f, "", testNow), o.tombstone(f, "pg", testNow)} {
		var env wire.Signed
		if err := wire.Unmarshal(r.Raw, &env); err != nil {
			f.Fatal(err)
		}
		f.Add(env.Body)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		raw, err := wire.Marshal(wire.Signed{Body: body, Sig: o.device.Sign(recordDomain, body)})
		if err != nil {
			t.Fatal(err)
		}
		r, err := Parse(raw)
		if err != nil {
			return
		}
		roundTrips(t, raw, r.Raw, recordDomain, o.device.Public())
		if r.Expires <= r.Issued || r.ExpiresAt().Sub(r.IssuedAt()) > MaxLife || r.Seq >= 1<<seqBits {
			t.Fatalf("times or sequence out of range: %+v", r)
		}
		Check(testNetwork, SiteKey(r.Root), raw, testNow, StoreSkew)
	})
}

// Hostile bytes cost no more memory than a small multiple of their length.
func TestParseAllocation(t *testing.T) {
	hostile := [][]byte{
		bytes.Repeat([]byte{0xff}, MaxRecord),
		append([]byte{0x82, 0x5b, 0, 0, 0, 1, 0, 0, 0, 0}, make([]byte, 900)...), // 4 GiB of bytes promised
		append([]byte{0x9b, 0, 0, 0, 1, 0, 0, 0, 0}, make([]byte, 900)...),       // 4 G elements promised
		bytes.Repeat([]byte{0x81}, MaxRecord),                                    // nested
		make([]byte, 10<<20),
	}
	for i, raw := range hostile {
		const runs = 100
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for range runs {
			if _, err := Parse(raw); err == nil {
				t.Fatalf("case %d parses", i)
			}
		}
		runtime.ReadMemStats(&after)
		if each := (after.TotalAlloc - before.TotalAlloc) / runs; each > 16*MaxRecord {
			t.Errorf("case %d: %d bytes allocated for %d", i, each, len(raw))
		}
	}
}

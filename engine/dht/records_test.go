package dht

import (
	"bytes"
	"errors"
	"math"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"altnet/engine/identity"
	"altnet/engine/wire"
)

func newTestRecords(l Limits) *records {
	l = l.withDefaults()
	return &records{ttl: MaxTTL, grace: 30 * day, shelf: newShelf(&Memory{}),
		quota: newQuota(l.Records, l), slots: map[wire.Hash]slot{}}
}

func testSource(group int) source {
	return source{Node: identity.NodeID{byte(group), byte(group >> 8)}, Group: group24(group)}
}

func group24(i int) group { return wire.GroupOf(publicAddr(i)[0].IP) }

// deed is one put, and what must come of it.
type deed struct {
	after     time.Duration // since the deed before
	owner     byte
	seq       uint64
	life      time.Duration // from now; 0: 90 days
	tombstone bool
	text      string

	err       error
	rival     bool   // not the incumbent
	newer     uint64 // sequence of the record told to prefer
	exclusive bool
}

func TestStoringRule(t *testing.T) {
	tests := []struct {
		name   string
		deeds  []deed
		owners string        // afterwards, by rank
		after  time.Duration // when to look
		text   string        // of the first
	}{
		{"first writer stays first", []deed{
			{owner: 'b', seq: 1}, {after: time.Second, owner: 'a', seq: 99, rival: true}}, "ba", 0, ""},
		{"higher sequence replaces", []deed{
			{owner: 'a', seq: 1, text: "old"}, {owner: 'a', seq: 2, text: "new"}}, "a", 0, "new"},
		{"rolled back record is refused and told the newer", []deed{
			{owner: 'a', seq: 2, text: "new"}, {owner: 'a', seq: 1, text: "old", newer: 2}}, "a", 0, "new"},
		{"expired record is refused", []deed{
			{owner: 'a', seq: 1, life: -time.Second, err: ErrExpired}}, "", 0, ""},
		{"re-announced after its tombstone", []deed{
			{owner: 'a', seq: 1, text: "site"},
			{owner: 'a', seq: 2, tombstone: true, text: "gone"},
			{after: time.Hour, owner: 'a', seq: 1, text: "site", newer: 2},
			{after: 47 * time.Hour, owner: 'a', seq: 1, text: "site", newer: 2},
			{after: 49 * time.Hour, owner: 'a', seq: 1, text: "site", newer: 2}}, "a", 0, "gone"},
		{"tombstone outlives the record it withdraws", []deed{
			{owner: 'a', seq: 1, life: 90 * day}, {owner: 'a', seq: 2, life: day, tombstone: true}}, "a", 89 * day, ""},
		{"tombstone goes when every earlier record has", []deed{
			{owner: 'a', seq: 1, life: 90 * day}, {owner: 'a', seq: 2, life: day, tombstone: true}}, "", 91 * day, ""},
		{"name stays its owner's while the record is valid", []deed{
			{owner: 'a', seq: 1}, {after: 80 * day, owner: 'b', seq: 1, rival: true}}, "ab", 0, ""},
		{"name stays its owner's for the grace time", []deed{
			{owner: 'a', seq: 1}, {after: 119 * day, owner: 'b', seq: 1, rival: true},
			{after: 0, owner: 'a', seq: 2, text: "back"}}, "ab", 0, "back"},
		{"name is free after the grace time", []deed{
			{owner: 'a', seq: 1}, {after: 121 * day, owner: 'b', seq: 1}}, "b", 0, ""},
		{"rival moves up when the incumbent's time is over", []deed{
			{owner: 'a', seq: 1, life: day}, {owner: 'b', seq: 1, rival: true, after: 1},
			{after: 30 * day, owner: 'b', seq: 1, rival: true},
			{after: 40 * time.Hour, owner: 'b', seq: 1}}, "b", 0, ""},
		{"rival nobody announces goes after 48 hours", []deed{
			{owner: 'a', seq: 1}, {after: 1, owner: 'b', seq: 1, rival: true}}, "a", 49 * time.Hour, ""},
		{"four rivals and no more", []deed{
			{owner: 'a', seq: 1}, {after: 1, owner: 'b', seq: 1, rival: true}, {after: 1, owner: 'c', seq: 1, rival: true},
			{after: 1, owner: 'd', seq: 1, rival: true}, {after: 1, owner: 'e', seq: 1, rival: true},
			{after: 1, owner: 'f', seq: 1, err: ErrCrowded}}, "abcde", 0, ""},
		{"key address goes after 48 hours", []deed{
			{owner: 'a', seq: 1, exclusive: true}}, "", 49 * time.Hour, ""},
		{"withdrawn key address stays withdrawn", []deed{
			{owner: 'a', seq: 1, exclusive: true},
			{owner: 'a', seq: 2, exclusive: true, tombstone: true, life: day}}, "a", 80 * day, ""},
		{"nobody keeps a name for ever", []deed{
			{owner: 'a', seq: 1, life: 200 * 365 * day}}, "", maxRecordLife + 31*day, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newTestRecords(Limits{})
			key := wire.Hash{1}
			now := time.Unix(1e9, 0)
			for i, d := range tt.deeds {
				now = now.Add(d.after)
				r.try(t, i, key, d, now)
			}
			got, err := r.get(key, now.Add(tt.after))
			if err != nil || string(ownersOf(got)) != tt.owners {
				t.Fatalf("owners %q, %v; want %q", ownersOf(got), err, tt.owners)
			}
			if tt.text != "" && string(got[0].Value[49:]) != tt.text {
				t.Errorf("first is %q, want %q", got[0].Value[49:], tt.text)
			}
			if len(r.quota.nodes) > len(got) || r.quota.total != len(got) {
				t.Errorf("quota counts %d for %d", r.quota.total, len(got))
			}
		})
	}
}

func (r *records) try(t *testing.T, i int, key wire.Hash, d deed, now time.Time) {
	t.Helper()
	life := d.life
	if life == 0 {
		life = 90 * day
	}
	value := testRecord(d.owner, d.seq, now.Add(life), d.tombstone, d.text)
	info := RecordInfo{Owner: identity.PublicKey(value[:32]), Seq: d.seq, Expires: now.Add(life),
		Tombstone: d.tombstone, Exclusive: d.exclusive}
	v, err := r.put(key, value, info, testSource(1), now)
	if !errors.Is(err, d.err) {
		t.Fatalf("deed %d: %v, want %v", i, err, d.err)
	}
	if err == nil && v.Incumbent == d.rival {
		t.Errorf("deed %d: incumbent %v", i, v.Incumbent)
	}
	newer := uint64(0)
	if v.Newer != nil {
		info, _ := checkTestRecord(key, v.Newer, time.Unix(0, 0))
		newer = info.Seq
	}
	if newer != d.newer {
		t.Errorf("deed %d: told of sequence %d, want %d", i, newer, d.newer)
	}
}

// TestEqualSequence: whatever the order, nodes agree on the lower hash.
func TestEqualSequence(t *testing.T) {
	now := time.Unix(1e9, 0)
	var left []byte
	for order := range 2 {
		r := newTestRecords(Limits{})
		for i := range 2 {
			value := testRecord('a', 7, now.Add(day), false, string(rune('x'+(i^order))))
			info, _ := checkTestRecord(wire.Hash{}, value, now)
			if _, err := r.put(wire.Hash{1}, value, info, testSource(1), now); err != nil {
				t.Fatal(err)
			}
		}
		got, _ := r.get(wire.Hash{1}, now)
		if len(got) != 1 || left != nil && !bytes.Equal(left, got[0].Value) {
			t.Errorf("order decides between two records of one sequence")
		}
		left = got[0].Value
	}
}

// TestMintedIdentities stores from ever new identities: what is kept is
// bounded in all, by group and by node, and so is the memory about it.
func TestMintedIdentities(t *testing.T) {
	limits := Limits{Records: 200, PerGroup: 50, PerNode: 20}
	put := func(r *records, i int, src source) error {
		now := time.Unix(1e9, int64(i))
		value := testRecord('a', 1, now.Add(day), false, "")
		info, _ := checkTestRecord(wire.Hash{}, value, now)
		_, err := r.put(keyOf(i), value, info, src, now)
		return err
	}
	count := func(src func(i int) source) int {
		r := newTestRecords(limits)
		kept := 0
		for i := range 400 {
			if err := put(r, i, src(i)); err == nil {
				kept++
			} else if !errors.Is(err, ErrQuota) {
				t.Fatal(err)
			}
		}
		if len(r.slots) != r.quota.total || len(r.quota.nodes) > 200 || len(r.quota.groups) > 200 {
			t.Errorf("%d slots, %d counted, %d nodes, %d groups", len(r.slots), r.quota.total, len(r.quota.nodes), len(r.quota.groups))
		}
		return r.quota.total
	}
	if got := count(func(int) source { return testSource(1) }); got != 20 {
		t.Errorf("one node keeps %d records here, want 20", got)
	}
	if got := count(func(i int) source { return source{testSource(i).Node, group24(1)} }); got != 50 {
		t.Errorf("one group keeps %d records here, want 50", got)
	}
	if got := count(func(i int) source { return source{testSource(i).Node, group24(i % 7)} }); got != 200 {
		t.Errorf("seven groups keep %d records here, want 200", got)
	}

	// An honest group still finds room when four others have filled it.
	r := newTestRecords(limits)
	for i := range 200 {
		put(r, i, source{testSource(i).Node, group24(i % 4)})
	}
	for i := range 30 {
		if err := put(r, 1000+i, source{testSource(1000 + i).Node, group24(99)}); err != nil {
			t.Fatalf("record %d of another group: %v", i, err)
		}
	}
	if r.quota.total != 200 || r.quota.groups[group24(99)] != 30 {
		t.Errorf("%d records, %d of the honest group", r.quota.total, r.quota.groups[group24(99)])
	}
}

func TestClampTTL(t *testing.T) {
	for in, want := range map[uint64]time.Duration{
		0: 0, 1: time.Second, 3600: time.Hour, 172800: 48 * time.Hour, 172801: 48 * time.Hour,
		math.MaxInt64: 48 * time.Hour, math.MaxUint64: 48 * time.Hour,
		math.MaxUint64/1_000_000_000 + 1: 48 * time.Hour,
	} {
		if got := clampTTL(in); got != want {
			t.Errorf("%d s become %v, want %v", in, got, want)
		}
	}
	for _, ms := range []uint64{0, 1, maxMillis, maxMillis + 1, math.MaxInt64, math.MaxUint64} {
		at := instant(ms)
		if back := millis(at); back != min(ms, maxMillis) {
			t.Errorf("%d ms become %d", ms, back)
		}
		if at.Add(maxRecordLife).Before(at) {
			t.Errorf("%d ms overflow", ms)
		}
	}
}

func TestProviderLimits(t *testing.T) {
	limits := Limits{Providers: 60, PerGroup: 30, PerNode: 10, PerRoot: 8, PerRootGroup: 3}.withDefaults()
	now := time.Unix(1e9, 0)
	fresh := func() *providers {
		return &providers{limits: limits, shelf: newShelf(&Memory{}),
			quota: newQuota(limits.Providers, limits), roots: map[wire.Hash][]*provider{}}
	}
	tests := []struct {
		name string
		root func(i int) wire.Hash
		src  func(i int) source
		want int
	}{
		{"one root, one group", func(int) wire.Hash { return keyOf(1) }, func(i int) source { return source{testSource(i).Node, group24(1)} }, 3},
		{"one root, many groups", func(int) wire.Hash { return keyOf(1) }, testSource, 8},
		{"many roots, one node", keyOf, func(int) source { return testSource(1) }, 10},
		{"many roots, one group", keyOf, func(i int) source { return source{testSource(i).Node, group24(1)} }, 30},
		{"many roots, many groups", keyOf, testSource, 60},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := fresh()
			for i := range 200 {
				if err := p.put(tt.root(i), []byte("p"), true, time.Hour, tt.src(i), now); err != nil && !errors.Is(err, ErrQuota) {
					t.Fatal(err)
				}
			}
			if p.quota.total != tt.want {
				t.Errorf("%d kept, want %d", p.quota.total, tt.want)
			}
			p.sweep(now.Add(2 * time.Hour))
			if p.quota.total != 0 || len(p.roots) != 0 || len(p.quota.groups) != 0 || len(p.quota.nodes) != 0 {
				t.Errorf("%d left after their time", p.quota.total)
			}
		})
	}
}

func TestBudgetIsBounded(t *testing.T) {
	b := newBudget(1, 3)
	now := time.Unix(1e9, 0)
	for i := range 3 {
		if _, ok := b.take("g", now); !ok {
			t.Fatalf("token %d of 3 refused", i)
		}
	}
	wait, ok := b.take("g", now)
	if ok || wait <= 0 || wait > time.Second {
		t.Errorf("fourth token: %v, wait %v", ok, wait)
	}
	if _, ok := b.take("g", now.Add(time.Second)); !ok {
		t.Error("no token a second later")
	}
	for i := range 3 * maxBudgets {
		b.take(group24(i), now)
	}
	if len(b.by) > maxBudgets {
		t.Errorf("remembers %d groups", len(b.by))
	}
}

func TestUsableAddresses(t *testing.T) {
	tests := []struct {
		addr            string
		public, private bool // believed from a public, a private peer
	}{
		{"8.8.8.8:1", true, true},
		{"[2a01:4f8::1]:1", true, true},
		{"127.0.0.1:1", false, true},
		{"10.1.2.3:1", false, true},
		{"192.168.1.1:80", false, true},
		{"[fd00::1]:1", false, true},
		{"[::1]:1", false, true},
		{"[::ffff:192.168.1.1]:80", false, true},
		{"169.254.169.254:80", false, false},
		{"[fe80::1]:1", false, false},
		{"0.0.0.0:1", false, false},
		{"224.0.0.1:1", false, false},
		{"255.255.255.255:1", false, false},
		{"8.8.8.8:0", false, false},
	}
	for _, tt := range tests {
		a := []wire.Addr{{IP: netip.MustParseAddrPort(tt.addr)}}
		if got := len(usable(a, false)) == 1; got != tt.public {
			t.Errorf("%s from a public peer: %v", tt.addr, got)
		}
		if got := len(usable(a, true)) == 1; got != tt.private {
			t.Errorf("%s from a private peer: %v", tt.addr, got)
		}
	}
}

// FuzzStored holds the decoders of what lies on disk: what parses encodes to
// the same bytes.
func FuzzStored(f *testing.F) {
	h := &holding{Seq: 3, FirstSeen: instant(5), Refreshed: instant(6), Expires: instant(7), KeepUntil: instant(8), Source: testSource(1)}
	f.Add(packRecord(h, []byte("value")))
	f.Add(packProvider(&provider{Full: true, Added: instant(4), Expires: instant(9), Source: source{Group: "g"}}, []byte("peer")))
	f.Add([]byte{0xa0})
	f.Fuzz(func(t *testing.T, b []byte) {
		if h, value, ok := unpackRecord(b); ok && timesSound(h.FirstSeen, h.Refreshed, h.Expires, h.KeepUntil) {
			again := packRecord(h, value)
			h2, value2, ok := unpackRecord(again)
			if !ok || *h2 != *h || !bytes.Equal(value, value2) {
				t.Errorf("record %x became %x", b, again)
			}
		}
		if p, peer, ok := unpackProvider(b); ok && timesSound(p.Added, p.Expires) {
			again := packProvider(p, peer)
			p2, peer2, ok := unpackProvider(again)
			if !ok || *p2 != *p || !bytes.Equal(peer, peer2) {
				t.Errorf("provider %x became %x", b, again)
			}
		}
		if a, o, ok := splitKey(b); ok && joinKey(b[0], a, o) != string(b) {
			t.Errorf("key %x does not join again", b)
		}
	})
}

func timesSound(ts ...time.Time) bool {
	for _, t := range ts {
		if millis(t) > maxMillis {
			return false
		}
	}
	return true
}

func BenchmarkRecordsRefresh(b *testing.B) {
	r := newTestRecords(Limits{})
	now := time.Unix(1e9, 0)
	rng := rand.New(rand.NewPCG(5, 5))
	value := testRecord('a', 1, now.Add(day), false, string(make([]byte, 800)))
	info, _ := checkTestRecord(wire.Hash{}, value, now)
	keys := make([]wire.Hash, 1000)
	for i := range keys {
		keys[i] = wire.Hash(simKey(rng))
		if _, err := r.put(keys[i], value, info, testSource(i), now); err != nil {
			b.Fatal(err)
		}
	}
	i := 0
	for b.Loop() {
		if _, held := r.refresh(keys[i%len(keys)], value, now); !held {
			b.Fatal("not held")
		}
		i++
	}
}

package resolver

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"altnet/engine/dht"
	"altnet/engine/identity"
	"altnet/engine/record"
	"altnet/engine/wire"
)

var (
	network = record.NetworkID("test")
	begin   = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC) // of every synctest bubble
)

// nonces is the work of three owners for "pg" in the epoch of begin; print
// others with go test -run TestNonces -v.
var nonces = [...]uint64{1: 201, 2: 137, 3: 111}

func key(n int) identity.Key { return identity.FromSeed(sha256.Sum256(fmt.Append(nil, "owner ", n))) }

func TestNonces(t *testing.T) {
	for n := 1; n <= 3; n++ {
		c := record.Claim{Epoch: record.EpochAt(begin), Nonce: nonces[n]}
		r := sign(t, n, begin, func(r *record.Record) { r.Claim = &c })
		if r.CheckWork() != nil {
			c, err := record.Mint(t.Context(), network, "pg", key(n).Public(), c.Epoch, nil)
			t.Errorf("owner %d needs nonce %d, %v", n, c.Nonce, err)
		}
	}
}

// sign makes owner n's record of "pg".
func sign(t testing.TB, n int, issued time.Time, change ...func(*record.Record)) record.Record {
	t.Helper()
	device := key(n + 100)
	d, err := record.Delegate(key(n), device.Public(), 1, record.Millis(begin.Add(2*record.MaxLife)))
	if err != nil {
		t.Fatal(err)
	}
	r := record.Record{
		Network: network, Kind: record.KindSite, Name: "pg", Root: key(n).Public(), Delegation: d,
		Seq: record.Millis(issued), Issued: record.Millis(issued), Expires: record.Millis(issued.Add(record.DefaultLife)),
		Content: sha256.Sum256(fmt.Append(nil, n, issued)), Size: 1,
		Claim: &record.Claim{Epoch: record.EpochAt(begin), Nonce: nonces[n]},
	}
	for _, c := range change {
		c(&r)
	}
	if r, err = record.Sign(r, device); err != nil {
		t.Fatal(err)
	}
	return r
}

func withdraw(r *record.Record) { r.Kind, r.Content, r.Size = record.KindTombstone, wire.Hash{}, 0 }

// node is one storing node's part in a fake network.
type node struct {
	group   string // defaults to one of its own
	after   time.Duration
	records []record.Record
	silent  bool // never answers
}

func holds(rs ...record.Record) node { return node{records: rs} }

func many(n int, like node) []node {
	out := make([]node, n)
	for i := range out {
		out[i] = like
	}
	return out
}

// fake is a DHT that answers what it is told to.
type fake struct {
	mu    sync.Mutex
	nodes []node
	gets  int
}

func (f *fake) set(nodes ...node) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.nodes = nodes
}

func (f *fake) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.gets
}

func (f *fake) get(ctx context.Context, _ wire.Hash, visit func(dht.Answer) bool) (dht.Stats, error) {
	f.mu.Lock()
	nodes := f.nodes
	f.gets++
	f.mu.Unlock()
	answers := make(chan dht.Answer, len(nodes))
	for i, n := range nodes {
		a := dht.Answer{From: wire.Peer{Addrs: []wire.Addr{{IP: netip.MustParseAddrPort(fmt.Sprintf("127.0.0.1:%d", 1000+i))}}}}
		if n.group != "" {
			a.From.Addrs[0].IP = netip.MustParseAddrPort(n.group)
		}
		for _, r := range n.records {
			a.Records = append(a.Records, wire.StoredRecord{Value: r.Raw, FirstSeen: record.Millis(begin)})
		}
		if !n.silent {
			time.AfterFunc(n.after, func() { answers <- a })
		}
	}
	for range nodes {
		select {
		case a := <-answers:
			if visit(a) {
				return dht.Stats{}, nil
			}
		case <-ctx.Done():
			return dht.Stats{}, ctx.Err()
		}
	}
	if len(nodes) == 0 {
		return dht.Stats{}, dht.ErrNoPeers
	}
	return dht.Stats{Converged: true}, nil
}

// bucket is a Bucket in memory.
type bucket struct {
	mu     sync.Mutex
	m      map[string][]byte
	writes int
}

func (b *bucket) Get(key []byte) ([]byte, bool, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	v, ok := b.m[string(key)]
	return v, ok, nil
}

func (b *bucket) count() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.writes
}

func (b *bucket) Put(_ context.Context, key, value []byte, _ time.Time) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.m == nil {
		b.m = map[string][]byte{}
	}
	b.m[string(key)] = value
	b.writes++
	return nil
}

// start returns a resolver over a fake network, closed at the end.
func start(t *testing.T, net *fake, b *bucket, change ...func(*Config)) *Resolver {
	cfg := Config{Network: network, Get: net.get, Bucket: b}
	for _, c := range change {
		c(&cfg)
	}
	r := New(cfg)
	t.Cleanup(func() { r.Close() })
	return r
}

func TestEnoughGroupsEndTheWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		old, newer := sign(t, 1, begin), sign(t, 1, begin.Add(time.Second))
		net := &fake{nodes: append(many(5, node{after: 100 * time.Millisecond, records: []record.Record{old}}),
			node{after: 5 * time.Second, records: []record.Record{newer}})}
		b := &bucket{}
		r := start(t, net, b)
		time.Sleep(time.Minute)
		asked := time.Now()
		res, err := r.Resolve(t.Context(), "www.PG.alt")
		if err != nil || res.Record.Hash != old.Hash || res.Groups != 5 || res.Name.Sub != "www" || res.Stale {
			t.Fatalf("%+v, %v", res, err)
		}
		if took := time.Since(asked); took != 100*time.Millisecond {
			t.Errorf("took %s", took)
		}
		time.Sleep(6 * time.Second) // the rest is heard in the background
		synctest.Wait()
		res, err = r.Resolve(t.Context(), "pg.alt")
		if err != nil || res.Record.Hash != newer.Hash || !res.Pinned || net.count() != 1 {
			t.Errorf("after the background: %+v, %v, %d look-ups", res, err, net.count())
		}
	})
}

func TestOneGroupIsNotEnoughToHurry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// A hundred liars of one /24 answer at once, five honest ones later.
		liar := node{group: "8.8.8.8:1", records: []record.Record{sign(t, 2, begin)}}
		net := &fake{nodes: append(many(100, liar), many(5, node{after: time.Second, records: []record.Record{sign(t, 1, begin)}})...)}
		res, err := start(t, net, &bucket{}).Resolve(t.Context(), "pg")
		if err != nil || res.Owner != key(1).Public() || len(res.Rivals()) != 1 {
			t.Errorf("%v, %v", res.Owner, err)
		}
	})
}

func TestPatience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := &fake{nodes: []node{holds(sign(t, 1, begin)), {silent: true}}}
		asked := time.Now()
		_, err := start(t, net, &bucket{}).Resolve(t.Context(), "pg")
		if took := time.Since(asked); err != nil || took != 1500*time.Millisecond {
			t.Errorf("one answer and silence: %v after %s", err, took)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		net := &fake{nodes: []node{holds(), {silent: true}}}
		asked := time.Now()
		_, err := start(t, net, &bucket{}).Resolve(t.Context(), "pg")
		if took := time.Since(asked); !errors.Is(err, ErrUnknown) || took != 10*time.Second {
			t.Errorf("nothing and silence: %v after %s", err, took)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		net := &fake{nodes: many(20, holds())}
		asked := time.Now()
		_, err := start(t, net, &bucket{}).Resolve(t.Context(), "pg")
		if took := time.Since(asked); !errors.Is(err, ErrUnknown) || took != 0 {
			t.Errorf("everybody says no: %v after %s", err, took)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		net := &fake{nodes: many(3, node{silent: true})}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := start(t, net, &bucket{}).Resolve(ctx, "pg"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a caller in a hurry: %v", err)
		}
	})
}

func TestIncumbentAndRival(t *testing.T) {
	ours, rival := sign(t, 1, begin), sign(t, 2, begin)
	tests := []struct {
		name  string
		nodes []node
		err   error
		owner int
		wait  time.Duration
	}{
		{name: "all keep the incumbent first", nodes: many(5, holds(ours, rival)), owner: 1},
		{name: "one lying node", nodes: append(many(4, holds(ours, rival)), holds(rival)), owner: 1},
		{name: "one lying node answers first", nodes: append([]node{holds(rival)}, many(5, node{after: time.Millisecond, records: []record.Record{ours, rival}})...), owner: 1, wait: time.Millisecond},
		{name: "no majority", nodes: append(many(3, holds(ours, rival)), many(2, holds(rival, ours))...), err: ErrConflict},
		{name: "the majority comes late", nodes: append(append(many(3, holds(ours, rival)), many(2, holds(rival, ours))...), many(5, node{after: time.Second, records: []record.Record{ours, rival}})...), owner: 1, wait: time.Second},
		{name: "no majority in time", nodes: append(append(many(3, holds(ours)), many(2, holds(rival))...), node{silent: true}), err: ErrConflict, wait: 1500 * time.Millisecond},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				asked := time.Now()
				res, err := start(t, &fake{nodes: tt.nodes}, &bucket{}).Resolve(t.Context(), "pg.alt")
				if !errors.Is(err, tt.err) || (err == nil) != (tt.err == nil) {
					t.Fatalf("error %v, want %v", err, tt.err)
				}
				if tt.owner != 0 && (res.Owner != key(tt.owner).Public() || len(res.Rivals()) != 1) {
					t.Errorf("owner %s with %d rivals", res.Owner, len(res.Rivals()))
				}
				if tt.err != nil && len(res.Candidates) != 2 {
					t.Errorf("the conflict page has %d owners to show", len(res.Candidates))
				}
				if took := time.Since(asked); took != tt.wait {
					t.Errorf("took %s, want %s", took, tt.wait)
				}
			})
		})
	}
}

// What was seen once is never traded for something older, not after a restart
// and not when the whole network rolls back.
func TestNeverBackwards(t *testing.T) {
	old, newer := sign(t, 1, begin), sign(t, 1, begin.Add(time.Second))
	dead := sign(t, 1, begin.Add(2*time.Second), withdraw)
	for _, host := range []string{"pg.alt", record.Address(key(1).Public()) + ".alt"} {
		synctest.Test(t, func(t *testing.T) {
			time.Sleep(time.Minute)
			net, b := &fake{nodes: many(5, holds(newer))}, &bucket{}
			r := start(t, net, b)
			if res, err := r.Resolve(t.Context(), host); err != nil || res.Record.Hash != newer.Hash {
				t.Fatal(err)
			}
			synctest.Wait()
			net.set(many(5, holds(old))...)
			time.Sleep(31 * time.Second)
			if res, err := r.Resolve(t.Context(), host); err != nil || res.Record.Hash != newer.Hash || !res.Stale {
				t.Errorf("%s rolled back: %v, stale %v", host, err, res.Stale)
			}
			r.Close()
			again := start(t, net, b)
			if res, err := again.Resolve(t.Context(), host); err != nil || res.Record.Hash != newer.Hash {
				t.Errorf("%s rolled back after a restart: %v", host, err)
			}
			synctest.Wait()
			net.set(append(many(4, holds(newer)), holds(dead))...)
			time.Sleep(31 * time.Second)
			if _, err := again.Resolve(t.Context(), host); !errors.Is(err, ErrWithdrawn) {
				t.Errorf("%s withdrawn: %v", host, err)
			}
			synctest.Wait()
			net.set(many(5, holds(newer))...)
			time.Sleep(31 * time.Second)
			if _, err := again.Resolve(t.Context(), host); !errors.Is(err, ErrWithdrawn) {
				t.Errorf("%s re-announced after its tombstone: %v", host, err)
			}
		})
	}
}

func TestOffline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net, b := &fake{nodes: many(5, holds(sign(t, 1, begin)))}, &bucket{}
		var online atomic.Bool
		online.Store(true)
		r := start(t, net, b, func(c *Config) { c.Online = online.Load })
		if _, err := r.Resolve(t.Context(), "pg"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(31 * time.Second)
		online.Store(false)
		res, err := r.Resolve(t.Context(), "pg")
		if err != nil || !res.Stale || !res.Pinned || net.count() != 1 {
			t.Errorf("a known name offline: stale %v, %v, %d look-ups", res.Stale, err, net.count())
		}
		if _, err := r.Resolve(t.Context(), "other"); !errors.Is(err, ErrOffline) {
			t.Errorf("an unknown name offline: %v", err)
		}
		online.Store(true)
		net.set()
		time.Sleep(31 * time.Second)
		if res, err := r.Resolve(t.Context(), "pg"); err != nil || !res.Stale {
			t.Errorf("a known name without peers: %v", err)
		}
		if _, err := r.Resolve(t.Context(), "other"); !errors.Is(err, ErrOffline) {
			t.Errorf("an unknown name without peers: %v", err)
		}
		time.Sleep(record.DefaultLife)
		online.Store(false)
		if _, err := r.Resolve(t.Context(), "pg"); !errors.Is(err, ErrExpired) {
			t.Errorf("an expired name offline: %v", err)
		}
	})
}

func TestOwnerChanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first := sign(t, 1, begin, func(r *record.Record) { r.Expires = r.Issued + uint64(time.Hour.Milliseconds()) })
		net, b := &fake{nodes: many(5, holds(first))}, &bucket{}
		r := start(t, net, b)
		if _, err := r.Resolve(t.Context(), "pg"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour + record.Grace)
		net.set(many(5, holds(sign(t, 2, begin.Add(time.Hour))))...)
		res, err := r.Resolve(t.Context(), "pg")
		if !errors.Is(err, ErrOwnerChanged) || res.Old != key(1).Public() || res.Owner != key(2).Public() {
			t.Fatalf("from %s to %s: %v", res.Old, res.Owner, err)
		}
		// Between the warning and the answer somebody slips in a third.
		synctest.Wait()
		net.set(many(5, holds(sign(t, 3, begin.Add(time.Hour))))...)
		time.Sleep(time.Minute)
		if err := r.Accept(t.Context(), "www.pg.alt"); err != nil {
			t.Fatal(err)
		}
		res, err = r.Resolve(t.Context(), "pg")
		if err != nil || res.Owner != key(2).Public() || !res.Pinned {
			t.Errorf("opens %s, %v; the user accepted %s", res.Owner, err, key(2).Public())
		}
	})
}

func TestAcceptWithoutWarning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net, b := &fake{nodes: many(5, holds(sign(t, 1, begin)))}, &bucket{}
		r := start(t, net, b)
		if err := r.Accept(t.Context(), "pg"); err != nil {
			t.Errorf("nothing to accept: %v", err)
		}
		if err := r.Trust(t.Context(), "pg", key(2).Public()); err != nil {
			t.Fatal(err)
		}
		if _, err := r.Resolve(t.Context(), "pg"); !errors.Is(err, ErrOwnerChanged) {
			t.Fatalf("another owner than the trusted one: %v", err)
		}
		if err := r.Accept(t.Context(), "pg"); err != nil {
			t.Fatal(err)
		}
		if _, err := r.Resolve(t.Context(), "pg"); err != nil {
			t.Errorf("after accepting: %v", err)
		}
	})
}

func TestCallersShareALookUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := &fake{nodes: many(5, node{after: time.Second, records: []record.Record{sign(t, 1, begin)}})}
		b := &bucket{}
		r := start(t, net, b)
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() {
				if _, err := r.Resolve(t.Context(), "pg"); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		time.Sleep(29 * time.Second)
		r.Resolve(t.Context(), "pg")
		if net.count() != 1 {
			t.Errorf("%d look-ups within 30 s", net.count())
		}
		writes := b.count()
		time.Sleep(2 * time.Second)
		r.Resolve(t.Context(), "pg")
		synctest.Wait()
		if net.count() != 2 || b.count() != writes {
			t.Errorf("%d look-ups after 30 s, %d needless writes", net.count(), b.count()-writes)
		}
	})
}

func TestFailuresAreRetriedSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := &fake{nodes: many(5, holds())}
		r := start(t, net, &bucket{})
		if _, err := r.Resolve(t.Context(), "pg"); !errors.Is(err, ErrUnknown) {
			t.Fatal(err)
		}
		net.set(many(5, holds(sign(t, 1, begin)))...)
		time.Sleep(2 * time.Second)
		if _, err := r.Resolve(t.Context(), "pg"); err != nil {
			t.Errorf("published two seconds ago: %v", err)
		}
	})
}

func TestSeenTakesEffectAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := &fake{nodes: many(5, holds(sign(t, 1, begin)))}
		r := start(t, net, &bucket{})
		if _, err := r.Resolve(t.Context(), "pg"); err != nil {
			t.Fatal(err)
		}
		dead := sign(t, 1, begin.Add(time.Second), withdraw)
		r.Seen(&dead)
		if _, err := r.Resolve(t.Context(), "pg"); !errors.Is(err, ErrWithdrawn) {
			t.Errorf("withdrawn here: %v", err)
		}
	})
}

// Nobody gets a name without work, nor makes this node work without bound.
func TestBogusClaims(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var liars []node
		for i := range 60 {
			bogus := sign(t, 2, begin, func(r *record.Record) {
				r.Claim = &record.Claim{Epoch: record.EpochAt(begin), Nonce: uint64(1e6 + i)}
				r.Seq += uint64(i)
			})
			if bogus.CheckWork() != nil {
				liars = append(liars, node{group: "8.8.8.8:1", records: []record.Record{bogus}})
			}
		}
		net := &fake{nodes: append(liars, many(2, node{after: time.Second, records: []record.Record{sign(t, 1, begin)}})...)}
		res, err := start(t, net, &bucket{}).Resolve(t.Context(), "pg")
		if err != nil || res.Owner != key(1).Public() || len(res.Rivals()) != 0 {
			t.Errorf("%s with %d rivals, %v", res.Owner, len(res.Rivals()), err)
		}
	})
}

func TestWrongClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // ours is a day behind
		r := start(t, &fake{nodes: many(5, holds(sign(t, 1, begin.Add(24*time.Hour))))}, &bucket{})
		res, err := r.Resolve(t.Context(), "pg")
		if err != nil || res.Skew != 24*time.Hour {
			t.Errorf("a day behind: %v, skew %s", err, res.Skew)
		}
	})
	synctest.Test(t, func(t *testing.T) { // ours is a month behind
		r := start(t, &fake{nodes: many(5, holds(sign(t, 1, begin.Add(30*24*time.Hour))))}, &bucket{})
		if _, err := r.Resolve(t.Context(), "pg"); !errors.Is(err, ErrClock) || !errors.Is(err, record.ErrFuture) {
			t.Errorf("a month behind: %v", err)
		}
	})
}

func TestPolicy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rec := sign(t, 1, begin)
		var policy atomic.Pointer[record.Policy]
		r := start(t, &fake{nodes: many(5, holds(rec))}, &bucket{}, func(c *Config) { c.Policy = policy.Load })
		if _, err := r.Resolve(t.Context(), "pg"); err != nil {
			t.Fatal(err)
		}
		policy.Store(&record.Policy{Blocklist: record.Blocklist{rec.Content: "court order"}})
		time.Sleep(31 * time.Second)
		if res, err := r.Resolve(t.Context(), "pg"); !errors.Is(err, ErrBlocked) || res.Reason != "court order" {
			t.Errorf("%v, reason %q", err, res.Reason)
		}
		policy.Store(&record.Policy{Registrars: []identity.PublicKey{key(9).Public()}})
		time.Sleep(31 * time.Second)
		if _, err := r.Resolve(t.Context(), "pg"); !errors.Is(err, ErrNotGranted) {
			t.Errorf("a gatekept network: %v", err)
		}
	})
}

func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, &fake{nodes: many(3, node{silent: true})}, &bucket{})
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := r.Resolve(t.Context(), "pg"); err == nil {
				t.Error("resolved while closing")
			}
		})
		synctest.Wait()
		r.Close()
		r.Close()
		wg.Wait()
		if _, err := r.Resolve(t.Context(), "pg"); !errors.Is(err, ErrClosed) {
			t.Errorf("after Close: %v", err)
		}
	})
}

func TestBadHosts(t *testing.T) {
	r := New(Config{})
	defer r.Close()
	for host, want := range map[string]error{"pg.com": record.ErrOtherTLD, "-.alt": record.ErrBadName} {
		if _, err := r.Resolve(t.Context(), host); !errors.Is(err, want) {
			t.Errorf("%s: %v", host, err)
		}
	}
}

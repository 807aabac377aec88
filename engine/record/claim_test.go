package record

import (
	"context"
	"errors"
	"testing"
	"time"
)

// pgNonce is the work for (testNetwork, "pg", owner 1, the epoch of testNow).
const pgNonce = 384

func TestMintAndCheck(t *testing.T) {
	o := newOwner(1)
	told := make(chan uint64, 1)
	c, err := Mint(t.Context(), testNetwork, "pg", o.key(), EpochAt(testNow), func(n uint64) {
		select {
		case told <- n:
		default:
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(told) == 0 {
		t.Error("no progress was told")
	}
	good := o.site(t, "pg", testNow, func(r *Record) { r.Claim = &c })
	if err := good.CheckWork(); err != nil {
		t.Error(err)
	}
	// The same work serves nothing else: one in 256 of these may pass by luck.
	lucky := 0
	for i, r := range []Record{
		o.site(t, "pq", testNow, func(r *Record) { r.Claim = &c }),
		newOwner(2).site(t, "pg", testNow, func(r *Record) { r.Claim = &c }),
		o.site(t, "pg", testNow, func(r *Record) { r.Claim, r.Network = &c, NetworkID("other") }),
		o.site(t, "pg", testNow, func(r *Record) { r.Claim = &Claim{Epoch: c.Epoch - 1, Nonce: c.Nonce} }),
	} {
		switch err := r.CheckWork(); {
		case err == nil:
			lucky++
		case !errors.Is(err, ErrWork):
			t.Errorf("case %d: %v", i, err)
		}
	}
	if lucky > 1 {
		t.Errorf("the work serves %d other claims", lucky)
	}
	nameless := o.site(t, "", testNow)
	if err := nameless.CheckWork(); err != nil {
		t.Errorf("a site without name needs no work: %v", err)
	}
}

func TestMintEndsWithContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Mint(ctx, testNetwork, "pg", newOwner(1).key(), 0, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("minted under a cancelled context: %v", err)
	}
}

// Bogus claims cost this node at most its budget, however many groups send
// them, and honest claims that are known pass all the while.
func TestGateBoundsWork(t *testing.T) {
	checks, bogus := 0, map[uint64]bool{}
	g := newGate(func(r *Record) error {
		checks++
		if bogus[r.Claim.Nonce] {
			return ErrWork
		}
		return nil
	})
	o := newOwner(1)
	claim := func(nonce uint64) *Record {
		r := o.fields(t, "pg", testNow)
		r.Claim.Nonce = nonce
		return &r
	}
	if err := g.Admit(claim(1), "10.0.0.0/24", testNow); err != nil {
		t.Fatal(err)
	}
	for i := range uint64(100) {
		bogus[1000+i] = true
		err := g.Admit(claim(1000+i), "10.0.1.0/24", testNow)
		if want := ErrWork; i < gateGroupBurst && !errors.Is(err, want) {
			t.Fatalf("bogus claim %d: %v", i, err)
		}
		if i >= gateGroupBurst && !errors.Is(err, ErrBusy) {
			t.Fatalf("bogus claim %d beyond the budget: %v", i, err)
		}
	}
	for i := range uint64(10_000) { // every one from a group of its own
		bogus[5000+i] = true
		if err := g.Admit(claim(5000+i), time.Duration(i).String(), testNow); err == nil {
			t.Fatal("a bogus claim passed")
		}
	}
	if checks > gateBurst+1 {
		t.Errorf("%d checks, the budget is %d", checks, gateBurst)
	}
	if err := g.Admit(claim(1), "10.0.1.0/24", testNow); err != nil {
		t.Errorf("a proven claim is refused: %v", err)
	}
	if err := g.Admit(claim(2), "10.0.2.0/24", testNow); !errors.Is(err, ErrBusy) {
		t.Errorf("beyond the common budget: %v", err)
	}
	if err := g.Admit(claim(3), "", testNow); err != nil {
		t.Errorf("this node's own question: %v", err)
	}
	if err := g.Admit(claim(4), "10.0.1.0/24", testNow.Add(10*time.Second)); err != nil {
		t.Errorf("after a rest: %v", err)
	}
	if g.groups.Len() > gateGroups || g.proven.Len() > gateProven {
		t.Error("memory is not bounded")
	}
}

// Who floods a node with claims to store does not keep it from reading names.
func TestGateKeepsReadingApart(t *testing.T) {
	checks := 0
	g := newGate(func(r *Record) error {
		checks++
		if r.Claim.Nonce >= 1000 {
			return ErrWork
		}
		return nil
	})
	o := newOwner(1)
	claim := func(nonce uint64) *Record {
		r := o.fields(t, "pg", testNow)
		r.Claim.Nonce = nonce
		return &r
	}
	for i := range uint64(10_000) {
		if err := g.Admit(claim(1000+i), AnyGroup, testNow); err == nil {
			t.Fatal("a bogus claim passed")
		}
	}
	if checks > gateBurst {
		t.Errorf("%d checks, the budget is %d", checks, gateBurst)
	}
	if err := g.Admit(claim(1), AnyGroup, testNow); !errors.Is(err, ErrBusy) {
		t.Errorf("to be stored, beyond the budget: %v", err)
	}
	if err := g.Admit(claim(2), "10.0.0.0/24", testNow); err != nil {
		t.Errorf("a name that is read: %v", err)
	}
}

// A group that brings good claims is not stopped by its own budget.
func TestGateRefundsGoodWork(t *testing.T) {
	g := newGate(func(*Record) error { return nil })
	o := newOwner(1)
	for i := range uint64(3 * gateGroupBurst) {
		r := o.fields(t, "pg", testNow)
		r.Claim.Nonce = i
		if err := g.Admit(&r, "10.0.0.0/24", testNow); err != nil {
			t.Fatalf("good claim %d: %v", i, err)
		}
	}
}

func BenchmarkCheckWork(b *testing.B) {
	r := newOwner(1).site(b, "pg", time.Now())
	for b.Loop() {
		_ = r.CheckWork()
	}
}

func BenchmarkCheck(b *testing.B) {
	r := newOwner(1).site(b, "pg", testNow)
	key := NameKey("pg")
	for b.Loop() {
		if _, err := Check(testNetwork, key, r.Raw, testNow, StoreSkew); err != nil {
			b.Fatal(err)
		}
	}
}

package record

import (
	"context"
	"errors"
	"testing"
	"time"
)

func TestMintAndCheck(t *testing.T) {
	o := newOwner(1)
	var tries uint64
	c, err := Mint(t.Context(), testNetwork, "pg", o.key(), EpochAt(testNow), func(n uint64) { _ = n })
	if err != nil {
		t.Fatal(err)
	}
	_ = tries
	r := o.site(t, "pg", testNow, func(r *Record) { r.Claim = &c })
	if err := r.CheckWork(); err != nil {
		t.Error(err)
	}
}

func TestMintEndsWithContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Mint(ctx, testNetwork, "pg", newOwner(1).key(), 0, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("minted under a cancelled context: %v", err)
	}
}

func BenchmarkCheckWork(b *testing.B) {
	r := newOwner(1).site(b, "pg", time.Now())
	for b.Loop() {
		_ = r.CheckWork()
	}
}

package engine

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"altnet/engine/control"
	"altnet/engine/wire"
)

// TestUploadRoom fills a service with blocks that no site names: one user is
// stopped while there is room for others, who get less in their turn; what is
// put twice counts once, and a day later the room is free again.
func TestUploadRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newVirtual(t)
		e := v.nodes(1)[0]
		const size = 64 << 10
		if err := e.store.SetBudget(t.Context(), 64*(size+uploadOverhead)); err != nil {
			t.Fatal(err)
		}
		put := func(user string, from int) (n int) {
			ctx := control.WithCaller(t.Context(), control.Caller{User: user, Local: true})
			for ; ; n++ {
				data := bytes.Repeat(binary.BigEndian.AppendUint64([]byte(user), uint64(from+n)), size/12)
				for range 2 {
					err := e.PutBlocks(ctx, func(yield func(wire.Hash, []byte) bool) { yield(sha256.Sum256(data), data) })
					if errors.Is(err, control.ErrFull) {
						return n
					}
					if err != nil {
						t.Fatal(err)
					}
				}
			}
		}
		if n := put("1000", 0); n != 32 {
			t.Errorf("the first user puts %d blocks where 64 fit", n)
		}
		if n := put("1001", 0); n != 16 {
			t.Errorf("the second user puts %d blocks where 32 fit", n)
		}
		if n := put("1000", 1000); n != 0 {
			t.Errorf("the first user puts %d more blocks", n)
		}
		v.pass(uploadSpan + uploadLife)
		if err := e.store.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n := put("1000", 2000); n != 32 {
			t.Errorf("the first user puts %d blocks a day later", n)
		}
	})
}

// TestUploadPublished publishes what was uploaded: it no longer counts as
// waiting, and stays its user's.
func TestUploadPublished(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newVirtual(t).nodes(1)[0]
		ctx := control.WithCaller(t.Context(), control.Caller{User: "1000", Local: true})
		blocks := []wire.Hash{{1}, {2}}
		for _, h := range blocks {
			if err := e.uploads.add("1000", h, 10, 1<<20); err != nil {
				t.Fatal(err)
			}
		}
		before := e.uploads.byOthers("1001")
		e.uploads.published("1000", blocks[:1])
		if after := e.uploads.byOthers("1001"); before != 2*(10+uploadOverhead) || after != before/2 {
			t.Errorf("%d bytes wait before, %d after", before, after)
		}
		if e.uploads.has("1000", blocks[0]) || !e.uploads.has("1000", blocks[1]) || e.uploads.has("1001", blocks[1]) {
			t.Error("the wrong blocks wait")
		}
		if have, err := e.HaveBlocks(ctx, blocks); err != nil || have[0] || have[1] {
			t.Errorf("blocks that never reached the store: %v, %v", have, err)
		}
		time.Sleep(uploadSpan + uploadLife)
		if n := e.uploads.byOthers("1001"); n != 0 {
			t.Errorf("%d bytes wait forever", n)
		}
	})
}

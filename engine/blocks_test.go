package engine

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"altnet/engine/control"
	"altnet/engine/identity"
	"altnet/engine/record"
	"altnet/engine/wire"
)

// holds counts the blocks of a site that are here.
func holds(e *Engine, root wire.Hash, blocks []wire.Hash) (n int) {
	for _, has := range e.store.HasMany(append(blocks, root)) {
		if has {
			n++
		}
	}
	return n
}

// TestBlock blocks a site by name, by key address and by root: what is here of
// it goes at once, nothing of it comes back, a person reads why, and others go
// on as before. Taking the block back opens it again, also after a restart.
func TestBlock(t *testing.T) {
	for _, by := range []string{"name", "address", "root"} {
		t.Run(by, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				v := newVirtual(t)
				nodes := v.nodes(4)
				r := publishAs(t, nodes[1], 1, pair, "page", nil)
				other := publishAs(t, nodes[1], 3, "", "another", nil)
				v.pass(time.Minute)
				e := nodes[2]
				opens(t, e, "pair.alt", "page")
				if err := e.SetPinned(t.Context(), "pair.alt", true); err != nil {
					t.Fatal(err)
				}
				blocks, _ := e.store.BlockList(r.Content)
				if len(blocks) == 0 || !e.keepsFor(r.Content) {
					t.Fatal("nothing is here to go")
				}
				target := map[string]string{"name": "www.pair.alt", "address": host(r), "root": r.Content.String()}[by]
				if err := e.SetBlocked(t.Context(), target, true); err != nil {
					t.Fatal(err)
				}
				for range 2 {
					if n := holds(e, r.Content, blocks); n != 0 || e.keepsFor(r.Content) {
						t.Errorf("%d blocks are still here", n)
					}
					w := ask(t, e, "http://pair.alt/")
					if w.Code != 451 || !strings.Contains(w.Body.String(), "You blocked pair.alt on this computer on 2000-01-01") {
						t.Errorf("gateway: %d %.300s", w.Code, w.Body)
					}
					for _, name := range []string{"pair.alt", host(r)} {
						if _, err := e.Resolve(t.Context(), name); !errors.Is(err, control.ErrBlocked) {
							t.Errorf("resolve %s: %v", name, err)
						}
						if err := e.SetPinned(t.Context(), name, true); !errors.Is(err, control.ErrBlocked) {
							t.Errorf("pin %s: %v", name, err)
						}
					}
					if _, err := e.Archive(t.Context(), r.Content.String()); !errors.Is(err, control.ErrBlocked) {
						t.Errorf("archive: %v", err)
					}
					if _, err := e.vouch(t.Context(), r.Raw, "g"); err == nil {
						t.Error("an offer of it is taken")
					}
					sites, err := e.Sites(t.Context())
					if err != nil || len(sites) != 0 {
						t.Errorf("still pinned: %+v, %v", sites, err)
					}
					opens(t, e, host(other), "another")
					opens(t, nodes[3], "pair.alt", "page")
					e = v.again(e, nil)
					v.settle()
				}
				list, err := e.Blocked(t.Context())
				if err != nil || len(list) != 1 || list[0].Name != "pair.alt" || list[0].Since.IsZero() {
					t.Errorf("%+v, %v", list, err)
				}
				if err := e.SetBlocked(t.Context(), list[0].Target, false); err != nil {
					t.Fatal(err)
				}
				if list, err := e.Blocked(t.Context()); err != nil || len(list) != 0 {
					t.Errorf("%+v, %v", list, err)
				}
				opens(t, e, "pair.alt", "page")
				if err := e.SetBlocked(t.Context(), target, false); !errors.Is(err, control.ErrNotFound) {
					t.Errorf("taken back twice: %v", err)
				}
			})
		})
	}
}

// TestBlockedNameIsNotAskedFor: a name that was never seen here is kept out,
// too, and nobody learns that it was typed.
func TestBlockedNameIsNotAskedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newVirtual(t)
		nodes := v.nodes(3)
		publishAs(t, nodes[1], 1, pair, "page", nil)
		e := nodes[2]
		if err := e.SetBlocked(t.Context(), "PAIR", true); err != nil {
			t.Fatal(err)
		}
		v.pass(time.Minute)
		began := time.Now()
		if w := ask(t, e, "http://www.pair.alt/"); w.Code != http.StatusUnavailableForLegalReasons || time.Since(began) != 0 {
			t.Errorf("%d after %v", w.Code, time.Since(began))
		}
	})
}

func TestBlockRefusesOwnAndNonsense(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newVirtual(t)
		e := v.node(nil)
		r := publishAs(t, e, 3, "", "mine", nil)
		for _, target := range []string{host(r), r.Content.String(), "a_b", "", "evil.com"} {
			if err := e.SetBlocked(t.Context(), target, true); !errors.Is(err, control.ErrInvalid) {
				t.Errorf("%q: %v", target, err)
			}
		}
		opens(t, e, host(r), "mine")
		if err := e.SetBlocked(t.Context(), "never.alt", false); !errors.Is(err, control.ErrNotFound) {
			t.Errorf("taking back what is not there: %v", err)
		}
	})
}

// TestInnerBlockIsRefused lists a block in the middle of a site: the page that
// needs it says that it is blocked, and why, and not that nobody has it.
func TestInnerBlockIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newVirtual(t)
		nodes := v.nodes(3)
		dir := t.TempDir()
		for name, text := range map[string]string{"index.html": "fine", "bad.html": strings.Repeat("bad", 1000)} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		root, size := put(t, nodes[1], dir)
		r := sign(t, nodes[1], 3, "", func(r *record.Record) { r.Content, r.Size = root, size })
		if _, err := nodes[1].Publish(t.Context(), control.PublishRequest{Record: r.Raw}); err != nil {
			t.Fatal(err)
		}
		blocks, err := nodes[1].store.BlockList(root)
		if err != nil {
			t.Fatal(err)
		}
		e := nodes[2]
		opens(t, e, host(r), "fine")
		var bad wire.Hash
		for _, h := range blocks {
			if data, err := nodes[1].store.Get(t.Context(), h, nil); err == nil && string(data) == strings.Repeat("bad", 1000) {
				bad = h
			}
		}
		if err := os.WriteFile(filepath.Join(e.cfg.Data, "blocklist.txt"), []byte(bad.String()+" court order 7\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		v.pass(2 * time.Minute)
		for range 2 {
			w := ask(t, e, "http://"+host(r)+"/bad.html")
			if w.Code != 451 || !strings.Contains(w.Body.String(), "court order 7") {
				t.Errorf("%d %s %.400s", w.Code, w.Header().Get("Altnet-Problem"), w.Body)
			}
			if e.store.Has(bad) {
				t.Error("the refused block was stored")
			}
			e.opened.forget()
		}
		opens(t, e, host(r), "fine")
	})
}

func TestCovers(t *testing.T) {
	owner := identity.PublicKey{1}
	for name, c := range map[string]struct {
		b     block
		label string
		owner identity.PublicKey
		root  wire.Hash
		want  bool
	}{
		"nothing":     {block{}, "", identity.PublicKey{}, wire.Hash{}, false},
		"label":       {block{Label: "pg"}, "pg", identity.PublicKey{2}, wire.Hash{2}, true},
		"other label": {block{Label: "pg"}, "pq", identity.PublicKey{2}, wire.Hash{2}, false},
		"owner":       {block{Owner: owner}, "x", owner, wire.Hash{2}, true},
		"root":        {block{Roots: []wire.Hash{{9}}}, "", identity.PublicKey{}, wire.Hash{9}, true},
	} {
		if got := c.b.covers(c.label, c.owner, c.root); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

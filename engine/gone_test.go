package engine

import (
	"testing"
	"testing/synctest"
	"time"

	"altnet/engine/control"
	"altnet/engine/record"
	"altnet/engine/wire"
)

// TestWithdrawnIsNotHandedOut withdraws a site: neither its author's node nor
// one that pinned it hands it out, to whoever knows the root, though both keep
// it. Another site of the same content goes on, and so does the site itself
// when it is published again.
func TestWithdrawnIsNotHandedOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newVirtual(t)
		nodes := v.nodes(2)
		a, b := nodes[1], v.node(func(c *Config) { c.NoVolunteer = true }, nodes[0])
		r := publishAs(t, a, 1, "", "page", nil)
		v.pass(time.Minute)
		if err := b.SetPinned(t.Context(), host(r), true); err != nil {
			t.Fatal(err)
		}
		gives := func(when string, want map[*Engine]bool) {
			t.Helper()
			for who, e := range map[string]*Engine{"the author": a, "who pinned it": b} {
				reply, err := nodes[0].host.Request(t.Context(), e.host.Self(), wire.GetHave{Root: r.Content})
				have, ok := reply.(wire.Have)
				if err != nil || !ok || have.Full != want[e] {
					t.Errorf("%s: %s gives %+v, %v", when, who, reply, err)
				}
				if _, ok := e.shares.site(t.Context(), r.Content); ok != want[e] {
					t.Errorf("%s: %s hands blocks out: %v", when, who, ok)
				}
			}
		}
		gives("published", map[*Engine]bool{a: true, b: true})
		seq := r.Seq
		withdraw := func(owner byte) {
			seq++
			gone := sign(t, a, owner, "", func(r *record.Record) {
				r.Kind, r.Content, r.Size, r.Seq = record.KindTombstone, wire.Hash{}, 0, seq
			})
			if _, err := a.Withdraw(t.Context(), control.PublishRequest{Record: gone.Raw}); err != nil {
				t.Fatal(err)
			}
		}
		withdraw(1)
		v.pass(2 * time.Hour) // until the pin has heard
		gives("withdrawn", map[*Engine]bool{})
		if !a.keepsFor(r.Content) || !b.keepsFor(r.Content) {
			t.Error("what was withdrawn is not kept for a change of mind")
		}
		if a.sites.gone.roots = nil; a.sites.lookWhatIsGone() != nil { // as at the next start
			t.Fatal("the books are unreadable")
		}
		gives("after a start", map[*Engine]bool{})
		seq = publishAs(t, a, 3, "", "page", nil).Seq
		gives("under another name", map[*Engine]bool{a: true})
		withdraw(3)
		gives("withdrawn there, too", map[*Engine]bool{})
		publishAs(t, a, 1, "", "page", func(r *record.Record) { r.Seq = seq + 1 })
		gives("published again", map[*Engine]bool{a: true})
	})
}

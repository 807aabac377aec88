package replica

import (
	"testing"
	"time"

	"altnet/engine/identity"
	"altnet/engine/wire"
)

func id(b byte) identity.NodeID { return identity.NodeID{b} }

func full(ids ...byte) []holder {
	var hs []holder
	for _, b := range ids {
		hs = append(hs, holder{id: id(b), full: true})
	}
	return hs
}

func TestDecide(t *testing.T) {
	now := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
	lease := now.Add(24 * time.Hour)
	base := func(change func(*view)) view {
		v := view{now: now, lease: lease, self: id(1), root: wire.Hash{}, blocks: 10, goal: 4, holders: full(1, 2, 3, 4)}
		change(&v)
		return v
	}
	tests := []struct {
		name string
		view view
		want plan
	}{
		{"enough copies: renew and say so", base(func(*view) {}), plan{renew: true, provide: true}},
		{"one copy short: the nearest repairs", base(func(v *view) { v.holders = full(1, 2, 3) }),
			plan{renew: true, provide: true, lacking: span{0, 10}, recruit: 1}},
		{"one copy short: the third nearest waits", base(func(v *view) { v.self = id(3); v.holders = full(1, 2, 3) }),
			plan{renew: true, provide: true}},
		{"far more copies than wanted: the farthest lets go", base(func(v *view) { v.self = id(9); v.holders = full(1, 2, 3, 4, 5, 6, 9) }),
			plan{provide: true}},
		{"the publisher repairs whatever its rank", base(func(v *view) { v.own = true; v.self = id(9); v.holders = full(1, 2, 9) }),
			plan{provide: true, lacking: span{0, 10}, recruit: 1}},
		{"a newer version stands: keep serving, do not renew", base(func(v *view) { v.standing = superseded }), plan{provide: true}},
		{"expired: until the lease ends", base(func(v *view) { v.standing = expired; v.lease = now }), plan{release: true}},
		{"expired, and nobody could be asked", base(func(v *view) { v.standing = expired; v.lease = now; v.isolated = true }), plan{provide: true}},
		{"superseded, and nobody could be asked", base(func(v *view) { v.standing = superseded; v.lease = now; v.isolated = true }), plan{release: true}},
		{"withdrawn: let go at once", base(func(v *view) { v.standing = withdrawn }), plan{release: true}},
		{"withdrawn by me: my copy is mine", base(func(v *view) { v.standing = withdrawn; v.own = true }), plan{}},
		{"alone", base(func(v *view) { v.holders = full(1) }),
			plan{renew: true, provide: true, lacking: span{0, 10}, recruit: 3}},
		{"partial holders fill one another up", base(func(v *view) {
			v.goal = 2
			v.holders = []holder{{id: id(1), full: true}, {id: id(2), bits: []byte{0xf0, 0x00}}, {id: id(3), bits: []byte{0x0f, 0x00}}}
		}), plan{renew: true, provide: true, lacking: span{8, 2}, recruit: 1}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := decide(tt.view); got != tt.want {
				t.Errorf("decide = %+v, want %+v", got, tt.want)
			}
		})
	}
}

func TestByDistance(t *testing.T) {
	peers := []wire.Peer{{ID: id(0xff)}, {ID: id(0x03)}, {ID: id(0x01)}}
	byDistance(wire.Hash{0x02}, peers)
	if peers[0].ID != id(0x03) || peers[2].ID != id(0xff) {
		t.Errorf("order by distance to 02: %v %v %v", peers[0].ID.Short(), peers[1].ID.Short(), peers[2].ID.Short())
	}
}

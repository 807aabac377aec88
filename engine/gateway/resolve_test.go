package gateway

import (
	"fmt"
	"net/netip"
	"testing"
	"testing/fstest"

	"altnet/engine/identity"
	"altnet/engine/record"
	"altnet/engine/resolver"
)

func TestProblemOf(t *testing.T) {
	name, err := record.ParseName("www.pg.alt", "alt")
	if err != nil {
		t.Fatal(err)
	}
	res := resolver.Resolution{Name: name, Old: identity.PublicKey{1}}
	res.Owner, res.Groups = identity.PublicKey{2}, 7
	res.Candidates = []record.Candidate{{Owner: identity.PublicKey{2}, Groups: 4, FirstSeen: 1e12}, {Owner: identity.PublicKey{3}, Groups: 3, FirstSeen: 1<<64 - 1}}
	for kind, sentinel := range map[Kind]error{
		Unknown: resolver.ErrUnknown, Conflict: resolver.ErrConflict, OwnerChanged: resolver.ErrOwnerChanged, Withdrawn: resolver.ErrWithdrawn,
		Expired: resolver.ErrExpired, Blocked: resolver.ErrBlocked, NotGranted: resolver.ErrNotGranted, Offline: resolver.ErrOffline,
		WrongClock: resolver.ErrClock, BadName: record.ErrBadName, Internal: resolver.ErrClosed,
	} {
		p := ProblemOf(res, fmt.Errorf("pg.alt: %w", sentinel), "alt")
		if p.Kind != kind || p.Name != "www.pg.alt" {
			t.Errorf("%v: %s of %s", sentinel, p.Kind, p.Name)
		}
		switch kind {
		case OwnerChanged:
			if p.Owner != res.Owner.String() || p.Pinned != res.Old.String() {
				t.Errorf("owners %s, %s", p.Owner, p.Pinned)
			}
		case Conflict:
			if len(p.Claims) != 2 || p.Claims[0].Groups != 4 || p.Claims[0].Total != 7 || p.Claims[0].Since.IsZero() || !p.Claims[1].Since.IsZero() {
				t.Errorf("claims %+v", p.Claims)
			}
			if at := locate(p.Claims[0].Address, "alt", netip.AddrPort{}); at.kind != hostSite || at.bad {
				t.Errorf("claim's address %s", p.Claims[0].Address)
			}
		}
	}
}

func TestSiteOf(t *testing.T) {
	name, err := record.ParseName("www.pg.alt", "alt")
	if err != nil {
		t.Fatal(err)
	}
	res := resolver.Resolution{Name: name, Replaced: true}
	res.Stale, res.Record.Seq = true, 9
	s := SiteOf(res, fstest.MapFS{}, "alt")
	if s.Name != "pg.alt" || !s.Stale || !s.OwnerChanged || s.Seq != 9 {
		t.Errorf("%+v", s)
	}
}

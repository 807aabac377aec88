package record

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"altnet/engine/identity"
)

// Sighting is a checked record and when a storing node first saw its owner
// under the name (Unix milliseconds, the node's word).
type Sighting struct {
	Record    Record
	FirstSeen uint64
}

// Vote is what one storing node answered, its incumbent first. Nodes of one
// IP group share one voice. The records are checked (Check, and the claim's
// work); expired ones may stand among them.
type Vote struct {
	Group   string
	Records []Sighting
}

// Question is everything a decision about a name rests on.
type Question struct {
	Network [32]byte
	Name    Name
	Votes   []Vote
	Known   []Record           // the newest record seen here before, of each owner
	Pin     identity.PublicKey // the owner this reader trusts for the name; zero: none
	// Policy is the operator's; nil is an open network.
	Policy *Policy
	Now    time.Time
}

// Verdict is the outcome of a decision.
type Verdict uint8

// The verdicts.
const (
	Unknown      Verdict = iota // nobody knows the name
	Open                        // Record is what to show
	Withdrawn                   // Record is the owner's tombstone
	Expired                     // Record ended and the name is still reserved
	Blocked                     // policy forbids it, see Reason
	Conflict                    // no owner has the majority
	OwnerChanged                // Owner is another than the pinned one
	NotGranted                  // this network's registrars granted it to nobody who is here
)

// String names the verdict, for logs.
func (v Verdict) String() string {
	names := [...]string{"unknown", "open", "withdrawn", "expired", "blocked", "conflict", "owner changed", "not granted"}
	if int(v) >= len(names) {
		return fmt.Sprintf("verdict %d", v)
	}
	return names[v]
}

// Candidate is an owner who claims the name.
type Candidate struct {
	Owner     identity.PublicKey
	Record    Record // the newest one
	Groups    int    // IP groups whose incumbent this owner is
	FirstSeen uint64 // median of what storing nodes report; 0 where none did
	Tie       bool   // two different records claim the newest place
	fresh     bool   // Record came from the network just now
	seen      []uint64
}

// Decision is what a reader does about a name.
type Decision struct {
	Verdict    Verdict
	Record     Record             // of the chosen owner
	Owner      identity.PublicKey // the chosen one
	Candidates []Candidate        // everyone who claims it, the best backed first
	Groups     int                // IP groups that had an incumbent to name
	Reason     string             // with Blocked
	Stale      bool               // nobody asked had the record, or all had older ones
	Tie        bool               // see Candidate.Tie
	Skew       time.Duration      // how far in the future the record was issued
}

// Rivals returns the candidates that were not chosen.
func (d *Decision) Rivals() []Candidate {
	return slices.DeleteFunc(slices.Clone(d.Candidates), func(c Candidate) bool { return c.Owner == d.Owner })
}

// Decide weighs what is known about a name. Precedence: blocklist and
// revocation, the local pin, the grant of a trusted registrar, the owner
// backed by at least two thirds of the answering IP groups. Of the chosen
// owner the newest record counts, whoever showed it, so that a stale or
// rolled-back one is never preferred to a newer one already seen. A site's
// own address has one owner and needs no vote.
func Decide(q Question) Decision {
	if q.Policy == nil {
		q.Policy = &Policy{}
	}
	t := newTally(q)
	d := Decision{Candidates: t.ranked(), Groups: t.groups}
	if reason, revoked := q.Policy.revokedName(q.Network, q.Name.Label, q.Now); revoked {
		d.Verdict, d.Reason = Blocked, reason
		return d
	}
	chosen, verdict := t.choose()
	d.Verdict = verdict
	if chosen == nil {
		return d
	}
	d.Owner, d.Record, d.Tie, d.Stale = chosen.Owner, chosen.Record, chosen.Tie, !chosen.fresh
	d.Skew = max(0, chosen.Record.IssuedAt().Sub(q.Now))
	if d.Skew <= StoreSkew {
		d.Skew = 0
	}
	if reason, refused := q.Policy.Refuses(&d.Record, q.Now); refused {
		d.Verdict, d.Reason = Blocked, reason
	} else if verdict == Open {
		d.Verdict = d.Record.state(q.Now)
	}
	return d
}

// state is what a record says for itself.
func (r *Record) state(now time.Time) Verdict {
	switch {
	case r.Tombstone():
		return Withdrawn
	case r.Expired(now):
		return Expired
	default:
		return Open
	}
}

// reserved reports whether the record still holds its name: live, or a site
// record within the grace time. A tombstone needs none: when it ends, every
// record before it has ended.
func (r *Record) reserved(now time.Time) bool {
	if r.Tombstone() {
		return !r.Expired(now)
	}
	return now.Before(r.ExpiresAt().Add(Grace))
}

// tally gathers candidates and votes.
type tally struct {
	q      Question
	owners map[identity.PublicKey]*Candidate
	groups int // with an opinion
}

func newTally(q Question) *tally {
	t := &tally{q: q, owners: map[identity.PublicKey]*Candidate{}}
	for i := range q.Known {
		t.add(&q.Known[i], 0, false)
	}
	for _, v := range q.Votes {
		for i := range v.Records {
			t.add(&v.Records[i].Record, v.Records[i].FirstSeen, true)
		}
	}
	// Only now: an old record must not come back to life because a newer one
	// of its owner ended before it.
	maps.DeleteFunc(t.owners, func(_ identity.PublicKey, c *Candidate) bool { return !c.Record.reserved(q.Now) })
	if len(q.Policy.Registrars) > 0 && !q.Name.IsKey() {
		t.keepGranted()
	}
	t.count()
	return t
}

// add enters a record of the name, and keeps the newest of each owner.
func (t *tally) add(r *Record, firstSeen uint64, fresh bool) {
	if !t.q.Name.Matches(r) {
		return
	}
	c := t.owners[r.Root]
	if c == nil {
		c = &Candidate{Owner: r.Root, Record: *r, fresh: fresh}
		t.owners[r.Root] = c
	}
	switch {
	case r.Ties(&c.Record):
		c.Tie = true
		if r.Supersedes(&c.Record) {
			c.Record, c.fresh = *r, fresh
		}
	case r.Supersedes(&c.Record):
		c.Record, c.fresh, c.Tie = *r, fresh, false
	case r.Hash == c.Record.Hash:
		c.fresh = c.fresh || fresh
	}
	if firstSeen != 0 {
		c.seen = append(c.seen, firstSeen)
	}
}

// keepGranted drops the owners whom no trusted registrar granted the name.
func (t *tally) keepGranted() {
	var inside []Grant
	for _, c := range t.owners {
		if len(c.Record.Grant) == 0 {
			continue
		}
		if g, err := ParseGrant(c.Record.Grant); err == nil {
			inside = append(inside, g)
		}
	}
	granted := t.q.Policy.granted(t.q.Network, t.q.Name.Label, inside, t.q.Now)
	for owner := range t.owners {
		if !slices.Contains(granted, owner) {
			delete(t.owners, owner)
		}
	}
}

// count gives each IP group one voice: the incumbent that most of its nodes
// name. A group that is divided has answered, but backs nobody.
func (t *tally) count() {
	voices := map[string]map[identity.PublicKey]int{}
	for _, v := range t.q.Votes {
		owner, ok := t.incumbent(v)
		if !ok {
			continue
		}
		if voices[v.Group] == nil {
			voices[v.Group] = map[identity.PublicKey]int{}
		}
		voices[v.Group][owner]++
	}
	t.groups = len(voices)
	for _, nodes := range voices {
		if owner, ok := plurality(nodes); ok {
			t.owners[owner].Groups++
		}
	}
	for _, c := range t.owners {
		if len(c.seen) > 0 {
			slices.Sort(c.seen)
			c.FirstSeen = c.seen[len(c.seen)/2]
		}
	}
}

// incumbent returns the first owner a node named who is still a candidate.
func (t *tally) incumbent(v Vote) (identity.PublicKey, bool) {
	for i := range v.Records {
		r := &v.Records[i].Record
		if t.owners[r.Root] != nil && t.q.Name.Matches(r) {
			return r.Root, true
		}
	}
	return identity.PublicKey{}, false
}

func plurality(nodes map[identity.PublicKey]int) (best identity.PublicKey, ok bool) {
	most := 0
	for owner, n := range nodes {
		switch {
		case n > most:
			best, most, ok = owner, n, true
		case n == most:
			ok = false
		}
	}
	return best, ok
}

// ranked returns the candidates, best backed first, in an order that does not
// depend on who answered when.
func (t *tally) ranked() []Candidate {
	out := make([]Candidate, 0, len(t.owners))
	for _, c := range t.owners {
		out = append(out, *c)
	}
	slices.SortFunc(out, func(a, b Candidate) int {
		return cmp.Or(cmp.Compare(b.Groups, a.Groups), bytes.Compare(a.Owner[:], b.Owner[:]))
	})
	return out
}

// choose returns the owner to believe and Open, or why there is none.
func (t *tally) choose() (*Candidate, Verdict) {
	if len(t.owners) == 0 {
		return nil, t.nobody()
	}
	if t.q.Name.IsKey() {
		return t.owners[t.q.Name.Key], Open
	}
	pinned, winner := t.owners[t.q.Pin], t.majority()
	switch {
	case t.q.Pin.IsZero() && winner != nil:
		return winner, Open
	case t.q.Pin.IsZero():
		return nil, Conflict
	case pinned != nil && !t.lapsed(pinned, winner):
		return pinned, Open
	case winner != nil:
		return winner, OwnerChanged
	default:
		return nil, Conflict
	}
}

// nobody tells a name without owner from one that no registrar granted.
func (t *tally) nobody() Verdict {
	claimed := len(t.q.Known) > 0 || slices.ContainsFunc(t.q.Votes, func(v Vote) bool { return len(v.Records) > 0 })
	if claimed && len(t.q.Policy.Registrars) > 0 && !t.q.Name.IsKey() {
		return NotGranted
	}
	return Unknown
}

// lapsed reports whether the pinned owner let the name expire and the network
// has another, living owner for it.
func (t *tally) lapsed(pinned, winner *Candidate) bool {
	return winner != nil && winner != pinned &&
		pinned.Record.Expired(t.q.Now) && winner.Record.state(t.q.Now) == Open
}

// majority returns the owner backed by at least two thirds of the answering
// groups; where none answered, the only owner known here.
func (t *tally) majority() *Candidate {
	for _, c := range t.owners {
		if t.groups > 0 && 3*c.Groups >= 2*t.groups {
			return c
		}
	}
	if t.groups > 0 || len(t.owners) != 1 {
		return nil
	}
	for _, c := range t.owners {
		return c
	}
	return nil
}

// Decisive reports whether the answers so far settle the name: enough groups
// spoke and one owner has their majority, or it needs no vote.
func (d *Decision) Decisive(enough int) bool {
	return d.Groups >= enough && d.Verdict != Conflict && d.Verdict != Unknown && d.Verdict != NotGranted
}

package record

import (
	"fmt"
	"testing"
	"time"

	"altnet/engine/identity"
)

// vote is one storing node's answer, each record first seen an hour ago.
func vote(group int, records ...Record) Vote {
	v := Vote{Group: fmt.Sprint("10.0.", group)}
	for _, r := range records {
		v.Records = append(v.Records, Sighting{Record: r, FirstSeen: Millis(testNow.Add(-time.Hour))})
	}
	return v
}

func votes(n int, first int, records ...Record) []Vote {
	var out []Vote
	for i := range n {
		out = append(out, vote(first+i, records...))
	}
	return out
}

func join(vs ...[]Vote) (out []Vote) {
	for _, v := range vs {
		out = append(out, v...)
	}
	return out
}

func TestDecide(t *testing.T) {
	a, b := newOwner(1), newOwner(2)
	at := func(d time.Duration) time.Time { return testNow.Add(d) }
	const day = 24 * time.Hour
	ra, rb := a.site(t, "pg", testNow), b.site(t, "pg", testNow)
	raOld := a.site(t, "pg", at(-day))
	raLong := a.site(t, "pg", at(-2*day), func(r *Record) { r.Expires = r.Issued + uint64(MaxLife.Milliseconds()) })
	raShort := a.site(t, "pg", at(-day), func(r *Record) { r.Expires = Millis(at(-time.Hour)) })
	raLapsed := a.site(t, "pg", at(-130*day), func(r *Record) { r.Expires = Millis(at(-Grace - time.Hour)) })
	dead := a.tombstone(t, "pg", testNow)
	other := a.site(t, "else", testNow)

	tests := []struct {
		name    string
		q       Question
		verdict Verdict
		record  Record
		stale   bool
	}{
		{name: "nobody knows it", verdict: Unknown},
		{name: "one owner", q: Question{Votes: votes(5, 0, ra)}, verdict: Open, record: ra},
		{name: "another name's record", q: Question{Votes: votes(5, 0, other)}, verdict: Unknown},
		{name: "incumbent and rival", q: Question{Votes: votes(5, 0, ra, rb)}, verdict: Open, record: ra},
		{name: "one liar in five", q: Question{Votes: join(votes(4, 0, ra, rb), votes(1, 4, rb))}, verdict: Open, record: ra},
		{name: "one liar in three", q: Question{Votes: join(votes(2, 0, ra), votes(1, 4, rb))}, verdict: Open, record: ra},
		{name: "a liar who shows an old record", q: Question{Votes: join(votes(4, 0, raOld), votes(1, 4, ra))}, verdict: Open, record: ra},
		{name: "two in five is no majority", q: Question{Votes: join(votes(3, 0, ra), votes(2, 4, rb))}, verdict: Conflict},
		{name: "one against one", q: Question{Votes: join(votes(1, 0, ra), votes(1, 4, rb))}, verdict: Conflict},
		{name: "a hundred nodes of one group have one voice", verdict: Open, record: ra, q: Question{
			Votes: join(votes(4, 0, ra), func() (v []Vote) {
				for range 100 {
					v = append(v, vote(99, rb))
				}
				return v
			}()),
		}},
		{name: "a divided group backs nobody", q: Question{Votes: join(votes(1, 0, ra), votes(1, 1, ra), votes(1, 9, ra), votes(1, 9, rb))}, verdict: Open, record: ra},
		{name: "withdrawn", q: Question{Votes: votes(5, 0, dead)}, verdict: Withdrawn, record: dead},
		{name: "re-announced after its tombstone", q: Question{Votes: join(votes(4, 0, raOld), votes(1, 4, dead))}, verdict: Withdrawn, record: dead},
		{name: "re-announced, tombstone known here alone", q: Question{Votes: votes(5, 0, raOld), Known: []Record{dead}}, verdict: Withdrawn, record: dead, stale: true},
		{name: "rolled back, newer known here alone", q: Question{Votes: votes(5, 0, raOld), Known: []Record{ra}}, verdict: Open, record: ra, stale: true},
		{name: "offline, known", q: Question{Known: []Record{ra}}, verdict: Open, record: ra, stale: true},
		{name: "offline, two owners known", q: Question{Known: []Record{ra, rb}}, verdict: Conflict},
		{name: "offline, two known, one pinned", q: Question{Known: []Record{ra, rb}, Pin: b.key()}, verdict: Open, record: rb, stale: true},
		{name: "expired, reserved", q: Question{Votes: votes(5, 0, raShort)}, verdict: Expired, record: raShort},
		{name: "expired, an older one lives longer", q: Question{Votes: votes(5, 0, raLong, raShort)}, verdict: Expired, record: raShort},
		{name: "expired, rival waits", q: Question{Votes: votes(5, 0, raShort, rb)}, verdict: Expired, record: raShort},
		{name: "lapsed", q: Question{Votes: votes(5, 0, raLapsed)}, verdict: Unknown},
		{name: "lapsed, rival moves up", q: Question{Votes: votes(5, 0, raLapsed, rb)}, verdict: Open, record: rb},
		{name: "pinned beats the majority", q: Question{Votes: votes(5, 0, rb, ra), Pin: a.key()}, verdict: Open, record: ra},
		{name: "pinned, known here alone", q: Question{Votes: votes(5, 0, rb), Known: []Record{ra}, Pin: a.key()}, verdict: Open, record: ra, stale: true},
		{name: "pinned settles a conflict", q: Question{Votes: join(votes(1, 0, ra), votes(1, 4, rb)), Pin: a.key()}, verdict: Open, record: ra},
		{name: "owner changed", q: Question{Votes: votes(5, 0, rb), Pin: a.key()}, verdict: OwnerChanged, record: rb},
		{name: "owner lapsed and changed", q: Question{Votes: votes(5, 0, rb), Known: []Record{raLapsed}, Pin: a.key()}, verdict: OwnerChanged, record: rb},
		{name: "owner expired, another has it", q: Question{Votes: votes(5, 0, rb), Known: []Record{raShort}, Pin: a.key()}, verdict: OwnerChanged, record: rb},
		{name: "owner gone, no majority", q: Question{Votes: join(votes(1, 0, rb), votes(1, 1, newOwner(3).site(t, "pg", testNow))), Pin: a.key()}, verdict: Conflict},
		{name: "pinned and withdrawn", q: Question{Votes: votes(5, 0, dead, rb), Pin: a.key()}, verdict: Withdrawn, record: dead},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.q.Network, tt.q.Name, tt.q.Now = testNetwork, Name{Label: "pg"}, testNow
			d := Decide(tt.q)
			if d.Verdict != tt.verdict || d.Record.Hash != tt.record.Hash || d.Stale != tt.stale {
				t.Errorf("got %v, record of %s, stale %v; want %v, %s, %v",
					d.Verdict, d.Record.IssuedAt(), d.Stale, tt.verdict, tt.record.IssuedAt(), tt.stale)
			}
			if !tt.record.IsZero() && d.Owner != tt.record.Root {
				t.Errorf("owner %s, want %s", d.Owner, tt.record.Root)
			}
		})
	}
}

func TestDecideNotesRivals(t *testing.T) {
	a, b := newOwner(1), newOwner(2)
	ra, rb := a.site(t, "pg", testNow), b.site(t, "pg", testNow)
	d := Decide(Question{Network: testNetwork, Name: Name{Label: "pg"}, Votes: join(votes(4, 0, ra, rb), votes(1, 4, rb)), Now: testNow})
	rivals := d.Rivals()
	if len(rivals) != 1 || rivals[0].Owner != b.key() || rivals[0].Groups != 1 || d.Groups != 5 || d.Candidates[0].Groups != 4 {
		t.Errorf("rivals %+v of %d groups", rivals, d.Groups)
	}
	if want := Millis(testNow.Add(-time.Hour)); rivals[0].FirstSeen != want {
		t.Errorf("first seen %d, want %d", rivals[0].FirstSeen, want)
	}
}

func TestDecideShowsTies(t *testing.T) {
	a := newOwner(1)
	one := a.site(t, "pg", testNow)
	two := a.site(t, "pg", testNow, func(r *Record) { r.Size++ })
	low := one
	if two.Supersedes(&one) {
		low = two
	}
	for _, vs := range [][]Vote{{vote(1, one), vote(2, two)}, {vote(1, two), vote(2, one)}} {
		d := Decide(Question{Network: testNetwork, Name: Name{Label: "pg"}, Votes: vs, Now: testNow})
		if d.Verdict != Open || !d.Tie || d.Record.Hash != low.Hash {
			t.Errorf("verdict %v, tie %v, lower hash %v", d.Verdict, d.Tie, d.Record.Hash == low.Hash)
		}
	}
}

func TestDecideAddress(t *testing.T) {
	a, b := newOwner(1), newOwner(2)
	q := Question{Network: testNetwork, Name: KeyName(a.key()), Now: testNow}
	q.Votes = join(votes(3, 0, a.site(t, "pg", testNow)), votes(3, 3, b.site(t, "pg", testNow)))
	if d := Decide(q); d.Verdict != Open || d.Owner != a.key() || len(d.Candidates) != 1 {
		t.Errorf("%v of %s with %d candidates", d.Verdict, d.Owner, len(d.Candidates))
	}
	q.Votes = votes(3, 0, b.site(t, "", testNow))
	if d := Decide(q); d.Verdict != Unknown {
		t.Errorf("another key's record opened: %v", d.Verdict)
	}
}

// A reader whose clock is a day behind still opens sites, and is told.
func TestDecideClockBehind(t *testing.T) {
	a := newOwner(1)
	r := a.site(t, "pg", testNow)
	for _, behind := range []time.Duration{0, 5 * time.Minute, 24 * time.Hour} {
		d := Decide(Question{Network: testNetwork, Name: Name{Label: "pg"}, Votes: votes(5, 0, r), Now: testNow.Add(-behind)})
		want := behind
		if behind <= StoreSkew {
			want = 0
		}
		if d.Verdict != Open || d.Skew != want {
			t.Errorf("clock %s behind: %v, skew %s", behind, d.Verdict, d.Skew)
		}
	}
}

func TestDecidePolicy(t *testing.T) {
	a, b := newOwner(1), newOwner(2)
	registrar, revoker, nobody := testKey(50), testKey(51), testKey(52)
	grant := func(t *testing.T, by identity.Key, o owner, serial uint64, from, to time.Duration) Grant {
		g, err := SignGrant(by, Grant{Network: testNetwork, Name: "pg", Root: o.key(), Serial: serial,
			NotBefore: Millis(testNow.Add(from)), NotAfter: Millis(testNow.Add(to))})
		if err != nil {
			t.Fatal(err)
		}
		return g
	}
	revoke := func(t *testing.T, by identity.Key, scope Scope, target []byte, serial uint64, end time.Duration) Revocation {
		v, err := SignRevocation(by, Revocation{Network: testNetwork, Scope: scope, Target: target, Serial: serial,
			Expires: Millis(testNow.Add(end)), Reason: "phishing"})
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	const h = time.Hour
	ra, rb := a.site(t, "pg", testNow), b.site(t, "pg", testNow)
	ga := grant(t, registrar, a, 1, -h, h)
	raGranted := a.site(t, "pg", testNow, func(r *Record) { r.Grant = ga.Raw })
	trust := []identity.PublicKey{registrar.Public()}
	revokers := []identity.PublicKey{revoker.Public()}
	key := a.key()

	tests := []struct {
		name    string
		policy  Policy
		votes   []Vote
		pin     identity.PublicKey
		verdict Verdict
		owner   identity.PublicKey
	}{
		{name: "not granted", policy: Policy{Registrars: trust}, votes: votes(5, 0, ra), verdict: NotGranted},
		{name: "granted inside the record", policy: Policy{Registrars: trust}, votes: votes(5, 0, raGranted), verdict: Open, owner: a.key()},
		{name: "granted against the majority", policy: Policy{Registrars: trust}, votes: join(votes(4, 0, rb, raGranted)), verdict: Open, owner: a.key()},
		{name: "granted apart", policy: Policy{Registrars: trust, Grants: []Grant{ga}}, votes: votes(5, 0, ra), verdict: Open, owner: a.key()},
		{name: "granted by a stranger", policy: Policy{Registrars: trust, Grants: []Grant{grant(t, nobody, a, 9, -h, h)}}, votes: votes(5, 0, ra), verdict: NotGranted},
		{name: "grant over", policy: Policy{Registrars: trust, Grants: []Grant{grant(t, registrar, a, 1, -h, 0)}}, votes: votes(5, 0, ra), verdict: NotGranted},
		{name: "grant not begun", policy: Policy{Registrars: trust, Grants: []Grant{grant(t, registrar, a, 1, h, 2*h)}}, votes: votes(5, 0, ra), verdict: NotGranted},
		{name: "granted anew to another", policy: Policy{Registrars: trust, Grants: []Grant{grant(t, registrar, b, 2, -h, h)}}, votes: votes(5, 0, raGranted, rb), verdict: Open, owner: b.key()},
		{name: "granted anew, pinned", policy: Policy{Registrars: trust, Grants: []Grant{grant(t, registrar, b, 2, -h, h)}}, votes: votes(5, 0, raGranted, rb), pin: a.key(), verdict: OwnerChanged, owner: b.key()},
		{name: "name revoked", policy: Policy{Revokers: revokers, Revocations: []Revocation{revoke(t, revoker, ScopeName, []byte("pg"), 1, h)}}, votes: votes(5, 0, ra), verdict: Blocked},
		{name: "name revoked, pinned", policy: Policy{Revokers: revokers, Revocations: []Revocation{revoke(t, revoker, ScopeName, []byte("pg"), 1, h)}}, votes: votes(5, 0, ra), pin: a.key(), verdict: Blocked},
		{name: "key revoked", policy: Policy{Revokers: revokers, Revocations: []Revocation{revoke(t, revoker, ScopeKey, key[:], 1, h)}}, votes: votes(5, 0, ra), verdict: Blocked, owner: a.key()},
		{name: "root revoked", policy: Policy{Revokers: revokers, Revocations: []Revocation{revoke(t, revoker, ScopeRoot, ra.Content[:], 1, h)}}, votes: votes(5, 0, ra), verdict: Blocked, owner: a.key()},
		{name: "revoked by a stranger", policy: Policy{Revokers: revokers, Revocations: []Revocation{revoke(t, nobody, ScopeName, []byte("pg"), 1, h)}}, votes: votes(5, 0, ra), verdict: Open, owner: a.key()},
		{name: "revocation over", policy: Policy{Revokers: revokers, Revocations: []Revocation{revoke(t, revoker, ScopeName, []byte("pg"), 1, -h)}}, votes: votes(5, 0, ra), verdict: Open, owner: a.key()},
		{name: "revocation lifted", policy: Policy{Revokers: revokers, Revocations: []Revocation{revoke(t, revoker, ScopeName, []byte("pg"), 1, h), revoke(t, revoker, ScopeName, []byte("pg"), 2, -h)}}, votes: votes(5, 0, ra), verdict: Open, owner: a.key()},
		{name: "on the blocklist", policy: Policy{Blocklist: Blocklist{ra.Content: "court order"}}, votes: votes(5, 0, ra), pin: a.key(), verdict: Blocked, owner: a.key()},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := Decide(Question{Network: testNetwork, Name: Name{Label: "pg"}, Votes: tt.votes, Pin: tt.pin, Policy: &tt.policy, Now: testNow})
			if d.Verdict != tt.verdict || d.Owner != tt.owner {
				t.Errorf("%v for %s, want %v for %s", d.Verdict, d.Owner, tt.verdict, tt.owner)
			}
			if d.Verdict == Blocked && d.Reason == "" {
				t.Error("the reader is not told why")
			}
		})
	}
}

package record

import (
	"fmt"
	"slices"
	"time"
	"unicode/utf8"

	"altnet/engine/identity"
	"altnet/engine/wire"
)

const (
	grantDomain      = "altnet grant v1"
	revocationDomain = "altnet revocation v1"

	maxRevocation = 600
	maxReason     = 200
)

// Grant is a registrar's word that a name belongs to a root key. It says
// nothing about content, which owners sign. Of one registrar's grants for a
// name the one with the highest serial counts.
type Grant struct {
	Registrar identity.PublicKey
	Network   [32]byte
	Name      string
	Root      identity.PublicKey
	Serial    uint64
	NotBefore uint64 // Unix milliseconds
	NotAfter  uint64
	Raw       []byte
}

type grantBody struct {
	Registrar identity.PublicKey `cbor:"1,keyasint"`
	Network   [32]byte           `cbor:"2,keyasint"`
	Name      string             `cbor:"3,keyasint"`
	Root      identity.PublicKey `cbor:"4,keyasint"`
	Serial    uint64             `cbor:"5,keyasint,omitempty"`
	NotBefore uint64             `cbor:"6,keyasint,omitempty"`
	NotAfter  uint64             `cbor:"7,keyasint,omitempty"`
}

// SignGrant returns g signed by a registrar's key, with Registrar and Raw
// filled.
func SignGrant(registrar identity.Key, g Grant) (Grant, error) {
	raw, err := seal(registrar, grantDomain, grantBody{
		Registrar: registrar.Public(), Network: g.Network, Name: g.Name, Root: g.Root,
		Serial: g.Serial, NotBefore: g.NotBefore, NotAfter: g.NotAfter,
	})
	if err != nil {
		return Grant{}, fmt.Errorf("sign grant: %w", err)
	}
	return ParseGrant(raw)
}

// ParseGrant reads a grant and verifies its signature; whether the registrar
// is trusted and the grant in force, Policy decides. Errors wrap ErrMalformed
// or ErrSignature.
func ParseGrant(raw []byte) (Grant, error) {
	var b grantBody
	env, err := unseal(raw, maxGrant, &b, 7)
	if err != nil {
		return Grant{}, fmt.Errorf("grant: %w", err)
	}
	if !validLabel(b.Name) || b.Root.IsZero() || b.NotBefore > maxInstant || b.NotAfter > maxInstant {
		return Grant{}, fmt.Errorf("grant: name, key or time: %w", ErrMalformed)
	}
	if !b.Registrar.Verify(grantDomain, env.Body, env.Sig) {
		return Grant{}, fmt.Errorf("grant: %w", ErrSignature)
	}
	return Grant{
		Registrar: b.Registrar, Network: b.Network, Name: b.Name, Root: b.Root, Serial: b.Serial,
		NotBefore: b.NotBefore, NotAfter: b.NotAfter, Raw: slices.Clone(raw),
	}, nil
}

// Scope says what a revocation is about.
type Scope uint64

// The scopes of revocations.
const (
	ScopeName Scope = 1 // Target is a bare label
	ScopeRoot Scope = 2 // a content root; spares blocks that other sites share
	ScopeKey  Scope = 3 // a site's root key: everything it signs
	ScopeHash Scope = 4 // a block: absolute
)

// Revocation is an authority's order not to resolve, store or serve. It ends
// at Expires; a higher serial for the same target replaces it, and lifts it
// where that one has already expired.
type Revocation struct {
	Revoker identity.PublicKey
	Network [32]byte
	Scope   Scope
	Target  []byte
	Serial  uint64
	Expires uint64 // Unix milliseconds
	Reason  string // for people
	Raw     []byte
}

type revocationBody struct {
	Revoker identity.PublicKey `cbor:"1,keyasint"`
	Network [32]byte           `cbor:"2,keyasint"`
	Scope   Scope              `cbor:"3,keyasint"`
	Target  []byte             `cbor:"4,keyasint"`
	Serial  uint64             `cbor:"5,keyasint,omitempty"`
	Expires uint64             `cbor:"6,keyasint,omitempty"`
	Reason  string             `cbor:"7,keyasint,omitempty"`
}

// SignRevocation returns v signed by a revoker's key, with Revoker and Raw
// filled.
func SignRevocation(revoker identity.Key, v Revocation) (Revocation, error) {
	raw, err := seal(revoker, revocationDomain, revocationBody{
		Revoker: revoker.Public(), Network: v.Network, Scope: v.Scope, Target: v.Target,
		Serial: v.Serial, Expires: v.Expires, Reason: v.Reason,
	})
	if err != nil {
		return Revocation{}, fmt.Errorf("sign revocation: %w", err)
	}
	return ParseRevocation(raw)
}

// ParseRevocation reads a revocation and verifies its signature; whether the
// revoker is trusted, Policy decides. Errors wrap ErrMalformed or
// ErrSignature.
func ParseRevocation(raw []byte) (Revocation, error) {
	var b revocationBody
	env, err := unseal(raw, maxRevocation, &b, 7)
	if err != nil {
		return Revocation{}, fmt.Errorf("revocation: %w", err)
	}
	if !b.Scope.holds(b.Target) || b.Expires > maxInstant || len(b.Reason) > maxReason || !utf8.ValidString(b.Reason) {
		return Revocation{}, fmt.Errorf("revocation: target, time or reason: %w", ErrMalformed)
	}
	if !b.Revoker.Verify(revocationDomain, env.Body, env.Sig) {
		return Revocation{}, fmt.Errorf("revocation: %w", ErrSignature)
	}
	return Revocation{
		Revoker: b.Revoker, Network: b.Network, Scope: b.Scope, Target: b.Target,
		Serial: b.Serial, Expires: b.Expires, Reason: b.Reason, Raw: slices.Clone(raw),
	}, nil
}

func (s Scope) holds(target []byte) bool {
	switch s {
	case ScopeName:
		return validLabel(string(target))
	case ScopeRoot, ScopeKey, ScopeHash:
		return len(target) == len(wire.Hash{})
	default:
		return false
	}
}

// Policy is what this node's operator decided: whom to trust for names and
// orders, and what to refuse. The zero Policy is an open network.
type Policy struct {
	Registrars  []identity.PublicKey // not empty: only names they granted resolve
	Grants      []Grant              // known apart from those inside records
	Revokers    []identity.PublicKey
	Revocations []Revocation
	Blocklist   Blocklist
	Local       Local
}

// Local is what a person keeps out of their own computer, and since when.
type Local struct {
	Names  map[string]time.Time             // labels: "pg" for pg.alt
	Owners map[identity.PublicKey]time.Time // root keys
	Hashes map[wire.Hash]time.Time          // content roots
}

// localReason is what others than the person read about a Local block.
const localReason = "blocked on this computer"

// Site reports whether a site is kept out by its label, its owner or its
// content, and since when. What is not known is zero.
func (l Local) Site(label string, owner identity.PublicKey, content wire.Hash) (since time.Time, blocked bool) {
	if since, blocked = l.Names[label]; blocked && label != "" {
		return since, true
	}
	if since, blocked = l.Owners[owner]; blocked {
		return since, true
	}
	since, blocked = l.Hashes[content]
	return since, blocked
}

// granted returns the owners of a name by the word of trusted registrars:
// of each registrar the grant with the highest serial, if it is in force now.
func (p *Policy) granted(network [32]byte, name string, inside []Grant, now time.Time) []identity.PublicKey {
	best := map[identity.PublicKey]Grant{}
	for _, g := range slices.Concat(p.Grants, inside) {
		if g.Network != network || g.Name != name || !slices.Contains(p.Registrars, g.Registrar) {
			continue
		}
		if old, ok := best[g.Registrar]; !ok || g.Serial > old.Serial {
			best[g.Registrar] = g
		}
	}
	var owners []identity.PublicKey
	for _, g := range best {
		if Millis(now) >= g.NotBefore && Millis(now) < g.NotAfter {
			owners = append(owners, g.Root)
		}
	}
	return owners
}

// revoked reports whether a trusted revoker's order in force names target.
func (p *Policy) revoked(network [32]byte, scope Scope, target []byte, now time.Time) (reason string, ok bool) {
	latest := map[identity.PublicKey]Revocation{}
	for _, v := range p.Revocations {
		if v.Network != network || v.Scope != scope || string(v.Target) != string(target) || !slices.Contains(p.Revokers, v.Revoker) {
			continue
		}
		if old, seen := latest[v.Revoker]; !seen || v.Serial > old.Serial {
			latest[v.Revoker] = v
		}
	}
	for _, v := range latest {
		if Millis(now) < v.Expires {
			return v.Reason, true
		}
	}
	return "", false
}

// Refuses reports whether policy forbids resolving, storing or serving what
// the record names, and why.
func (p *Policy) Refuses(r *Record, now time.Time) (reason string, refused bool) {
	if reason, ok := p.revokedName(r.Network, r.Name, now); ok {
		return reason, true
	}
	if _, ok := p.Local.Owners[r.Root]; ok {
		return localReason, true
	}
	if reason, ok := p.revoked(r.Network, ScopeKey, r.Root[:], now); ok {
		return orDefault(reason, "the owner's key was revoked"), true
	}
	return p.RefusesHash(r.Network, r.Content, now)
}

func (p *Policy) revokedName(network [32]byte, label string, now time.Time) (reason string, ok bool) {
	if label == "" {
		return "", false
	}
	if _, ok := p.Local.Names[label]; ok {
		return localReason, true
	}
	reason, ok = p.revoked(network, ScopeName, []byte(label), now)
	return orDefault(reason, "the name was revoked"), ok
}

// RefusesHash reports whether policy forbids a content root or block.
func (p *Policy) RefusesHash(network [32]byte, h wire.Hash, now time.Time) (reason string, refused bool) {
	if _, ok := p.Local.Hashes[h]; ok {
		return localReason, true
	}
	if reason, ok := p.Blocklist.Has(h); ok {
		return orDefault(reason, "the content is on this node's blocklist"), true
	}
	for _, scope := range []Scope{ScopeRoot, ScopeHash} {
		if reason, ok := p.revoked(network, scope, h[:], now); ok {
			return orDefault(reason, "the content was revoked"), true
		}
	}
	return "", false
}

func orDefault(s, def string) string {
	if s == "" {
		return def
	}
	return s
}

package replica

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"altnet/engine/identity"
	"altnet/engine/store"
	"altnet/engine/wire"
)

// maxVouchers bounds the owners whose records vouch for one root. More than
// one may: anybody can sign a record that names any root. Each is kept apart,
// so that a stranger who offers a copy of a site and then withdraws it takes
// nothing from its author.
const maxVouchers = 4

// ErrRefusedHere is what Network.Vouch wraps where the operator's rules refuse
// the site.
var ErrRefusedHere = errors.New("refused by this node's rules")

// noted is a record that vouches for a root, as it lies in the store under
// root ‖ owner: its sequence (8 bytes, big-endian), then the signed bytes.
type noted struct {
	owner identity.PublicKey
	seq   uint64
	raw   []byte
}

func voucherKey(root wire.Hash, owner identity.PublicKey) []byte {
	return append(root[:len(root):len(root)], owner[:]...)
}

func readNoted(owner identity.PublicKey, value []byte) (noted, bool) {
	if len(value) < 8 {
		return noted{}, false
	}
	return noted{owner: owner, seq: binary.BigEndian.Uint64(value), raw: value[8:]}, true
}

// notes returns the records that vouch for a root.
func (k *Keeper) notes(root wire.Hash) (ns []noted, err error) {
	err = k.held.Range(root[:], func(key, value []byte, _ time.Time) bool {
		if len(key) == len(root)+len(identity.PublicKey{}) {
			if n, ok := readNoted(identity.PublicKey(key[len(root):]), append([]byte(nil), value...)); ok {
				ns = append(ns, n)
			}
		}
		return true
	})
	return ns, err
}

// noteOf returns the record of one owner that vouches for a root.
func (k *Keeper) noteOf(root wire.Hash, owner identity.PublicKey) (noted, bool) {
	value, ok, err := k.held.Get(voucherKey(root, owner))
	if !ok || err != nil {
		return noted{}, false
	}
	return readNoted(owner, value)
}

// errVouchers: there is no place for one more owner.
var errVouchers = errors.New("enough owners vouch for this site")

// note keeps the record that vouches for a root, unless a newer one of the
// same owner is here. ours is set for what is published or pinned here, which
// takes a place in any case.
func (k *Keeper) note(ctx context.Context, v Voucher, ours bool) error {
	old, known := k.noteOf(v.Root, v.Owner)
	if known && old.seq > v.Seq {
		return nil
	}
	if !known && !ours {
		ns, err := k.notes(v.Root)
		if err != nil {
			return fmt.Errorf("read what vouches for %s: %w", v.Root, err)
		}
		if len(ns) >= maxVouchers {
			return errVouchers
		}
	}
	value := append(binary.BigEndian.AppendUint64(nil, v.Seq), v.Raw...)
	if err := k.held.Put(ctx, voucherKey(v.Root, v.Owner), value, time.Time{}); err != nil {
		return fmt.Errorf("note the record of %s: %w", v.Root, err)
	}
	return nil
}

// unnote forgets the record of one owner.
func (k *Keeper) unnote(root wire.Hash, owner identity.PublicKey) {
	if err := k.held.Delete(k.ctx, voucherKey(root, owner)); err != nil && k.ctx.Err() == nil {
		k.cfg.Log.Warn("forget a record", "root", root, "err", err)
	}
}

// judge asks what became of each record that vouches for a root and returns
// the best: as long as one owner wants the site, it is kept. Records of owners
// that want it no longer are forgotten once another's stands.
func (k *Keeper) judge(ctx context.Context, root wire.Hash, ns []noted) (best Voucher, verdict standing) {
	verdict = refused
	for _, n := range ns {
		v, st := k.standing(ctx, root, n)
		gone := n.owner
		if best.Owner.IsZero() || rank(st) < rank(verdict) {
			gone = best.Owner
			best, verdict, st = v, st, verdict
		}
		if !gone.IsZero() && rank(st) == rank(withdrawn) {
			k.unnote(root, gone)
		}
	}
	return best, verdict
}

// rank orders standings, the best first.
func rank(s standing) int {
	switch s {
	case current:
		return 0
	case superseded, expired:
		return 1
	}
	return 2
}

// standing asks the network what became of a record.
func (k *Keeper) standing(ctx context.Context, root wire.Hash, n noted) (Voucher, standing) {
	v, err := k.cfg.Network.Vouch(ctx, n.raw, "")
	if errors.Is(err, ErrRefusedHere) {
		return Voucher{Owner: n.owner, Root: root}, refused
	}
	valid := err == nil && v.Owner == n.owner && v.Root == root && !v.Withdrawn && v.Expires.After(time.Now())
	if !valid {
		v = Voucher{Owner: n.owner, Root: root, Seq: n.seq, Raw: n.raw}
	}
	latest, err := k.latest(ctx, n.owner)
	switch {
	case err != nil || latest.Seq <= n.seq:
		if valid {
			return v, current // silence is no reason to let go
		}
		return v, expired
	case latest.Withdrawn:
		return v, withdrawn
	case latest.Root != root:
		return v, superseded
	case !latest.Expires.After(time.Now()):
		return v, expired
	}
	// Renewed: the later date is the one to announce.
	if err := k.note(ctx, latest, true); err != nil {
		k.cfg.Log.Warn("note a renewed record", "root", root, "err", err)
	}
	return latest, current
}

// latest asks for an owner's newest record.
func (k *Keeper) latest(ctx context.Context, owner identity.PublicKey) (Voucher, error) {
	ctx, cancel := context.WithTimeout(ctx, latestTimeout)
	defer cancel()
	v, err := k.cfg.Network.Latest(ctx, owner)
	if err == nil && v.Owner != owner {
		err = fmt.Errorf("asked for the record of %s, got that of %s", owner, v.Owner)
	}
	return v, err
}

// outdated reports whether a site is leased here under a newer record of the
// same owner.
func (k *Keeper) outdated(v Voucher) bool {
	for _, info := range k.cfg.Store.LeasesOf(v.Owner) {
		if n, ok := k.noteOf(info.Hash, v.Owner); ok && info.Hash != v.Root && n.seq > v.Seq {
			return true
		}
	}
	return false
}

// superseded returns the roots leased for the owner of v that a newer record,
// v, has taken the place of, oldest first.
func (k *Keeper) superseded(v Voucher) []store.RootInfo {
	var old []store.RootInfo
	seqs := map[wire.Hash]uint64{}
	for _, info := range k.cfg.Store.LeasesOf(v.Owner) {
		if info.Hash == v.Root || info.Class&(store.Own|store.Pinned) != 0 {
			continue
		}
		ns, err := k.notes(info.Hash)
		if err != nil || len(ns) != 1 || ns[0].owner != v.Owner || ns[0].seq >= v.Seq {
			continue // somebody else may want it still
		}
		seqs[info.Hash] = ns[0].seq
		old = append(old, info)
	}
	sortBy(old, func(r store.RootInfo) uint64 { return seqs[r.Hash] })
	return old
}

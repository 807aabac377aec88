package replica

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"altnet/engine/identity"
	"altnet/engine/wire"
)

// Site is what is offered: a root with the record that vouches for it.
type Site struct {
	Voucher
	Size   int64 // bytes of all distinct blocks
	Blocks int   // distinct blocks
}

// candidates is how many peers near a root are considered for a copy: the
// k of the DHT, so that one look-up finds them.
const candidates = 20

// Place offers a site to the volunteers nearest to its root until as many as
// wanted in Config.Copies keep it. It returns how many took it, and
// ErrNoVolunteer when nobody did.
func (k *Keeper) Place(ctx context.Context, s Site) (int, error) {
	return k.place(ctx, s, span{0, s.Blocks}, k.cfg.Copies, nil)
}

func (k *Keeper) place(ctx context.Context, s Site, part span, want int, skip map[identity.NodeID]bool) (int, error) {
	peers, err := k.volunteers(ctx, s.Root, skip)
	if err != nil {
		return 0, err
	}
	next := make(chan wire.Peer, len(peers))
	for _, p := range peers {
		next <- p
	}
	close(next)
	taken := tally{want: want}
	var wg sync.WaitGroup
	for range min(want, len(peers)) {
		wg.Go(func() { k.offerUntilTaken(ctx, s, part, next, &taken) })
	}
	wg.Wait()
	if taken.done == 0 {
		return 0, errors.Join(ErrNoVolunteer, taken.err)
	}
	return taken.done, nil
}

// tally counts the copies placed by several offers at once.
type tally struct {
	want int

	mu   sync.Mutex
	done int
	err  error // the last refusal, for the person who wonders
}

func (t *tally) add(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err != nil {
		t.err = err
		return
	}
	t.done++
}

// offerUntilTaken offers to one candidate after another until one takes it.
func (k *Keeper) offerUntilTaken(ctx context.Context, s Site, part span, next <-chan wire.Peer, t *tally) {
	for p := range next {
		if ctx.Err() != nil {
			return
		}
		err := k.offer(ctx, s, part, p)
		t.add(err)
		if err == nil {
			return
		}
		k.cfg.Log.Debug("offer not taken", "root", s.Root, "peer", p.ID.Short(), "err", err)
	}
}

// volunteers returns candidates for a copy of root, nearest first, one per IP
// group before the second of any.
func (k *Keeper) volunteers(ctx context.Context, root wire.Hash, skip map[identity.NodeID]bool) ([]wire.Peer, error) {
	peers, err := k.cfg.Network.Closest(ctx, root, candidates)
	if err != nil {
		return nil, fmt.Errorf("find volunteers for %s: %w", root, err)
	}
	byDistance(root, peers)
	self := k.cfg.Network.Self().ID
	var first, later []wire.Peer
	seen := map[string]bool{}
	for _, p := range peers {
		if p.ID == self || skip[p.ID] || p.Role&wire.RoleVolunteer == 0 || len(p.Addrs) == 0 {
			continue
		}
		if g := wire.GroupOf(p.Addrs[0].IP); seen[g] {
			later = append(later, p)
		} else {
			seen[g] = true
			first = append(first, p)
		}
	}
	return append(first, later...), nil
}

// offer asks one peer to keep a range of a site and waits until it has it.
func (k *Keeper) offer(ctx context.Context, s Site, part span, to wire.Peer) error {
	stream, err := k.cfg.Network.Open(ctx, to, wire.Offer{
		Record: s.Raw, Root: s.Root, Size: uint64(s.Size), Blocks: uint64(s.Blocks),
		First: uint64(part.first), Count: uint64(part.count),
	})
	if err != nil {
		return err
	}
	defer stream.Close()
	stop := context.AfterFunc(ctx, func() { stream.Close() })
	defer stop()
	stream.SetDeadline(time.Now().Add(replyTimeout))
	reply, err := readReply(stream)
	if err != nil {
		return err
	}
	return k.awaitReceipt(s, to, reply, stream)
}

func readReply(stream Stream) (wire.OfferReply, error) {
	m, err := stream.Read()
	if err != nil {
		return wire.OfferReply{}, fmt.Errorf("wait for the answer to an offer: %w", err)
	}
	reply, ok := m.(wire.OfferReply)
	if !ok {
		return wire.OfferReply{}, fmt.Errorf("answer to an offer: %T", m)
	}
	if !reply.Accepted {
		return wire.OfferReply{}, fmt.Errorf("%w: %s", ErrRefused, clip(reply.Reason))
	}
	return reply, nil
}

// awaitReceipt reads progress until the final Receipt.
func (k *Keeper) awaitReceipt(s Site, to wire.Peer, reply wire.OfferReply, stream Stream) error {
	for {
		stream.SetDeadline(time.Now().Add(progressTimeout))
		m, err := stream.Read()
		if err != nil {
			return fmt.Errorf("wait for a receipt: %w", err)
		}
		r, ok := m.(wire.Receipt)
		if !ok || r.Root != s.Root {
			return fmt.Errorf("instead of a receipt: %T", m)
		}
		if r.Until == 0 {
			continue
		}
		k.confirm(s.Root, Confirmation{
			Peer: to.ID, Blocks: r.Blocks, Full: r.Blocks >= uint64(s.Blocks), Until: k.clampUntil(r.Until),
		})
		return nil
	}
}

// clampUntil bounds a peer's promise: nobody is counted on for longer than
// two leases, whatever they say.
func (k *Keeper) clampUntil(ms uint64) time.Time {
	limit := time.Now().Add(2 * k.cfg.Lease)
	if ms > uint64(limit.UnixMilli()) {
		return limit
	}
	return time.UnixMilli(int64(ms))
}

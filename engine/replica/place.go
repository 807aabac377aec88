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
	// Reached is told how many blocks the volunteer has that has come furthest,
	// each time that is more, by one goroutine at a time; it may be nil.
	Reached func(blocks int)
}

// furthest is the volunteer that has come furthest of those that copy a site at
// the same time.
type furthest struct {
	mu     sync.Mutex
	blocks uint64
	tell   func(blocks int)
}

// reached takes a volunteer's word, as far as it can be true.
func (f *furthest) reached(blocks uint64, part span) {
	if blocks = min(blocks, uint64(part.count)); f == nil || f.tell == nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if blocks > f.blocks {
		f.blocks = blocks
		f.tell(int(blocks))
	}
}

// candidates is how many peers near a root are considered for a copy: the
// k of the DHT, so that one look-up finds them.
const candidates = 20

// Place offers a site to the volunteers nearest to its root until as many as
// wanted in Config.Copies keep it. It returns how many took it, and
// ErrNoVolunteer when nobody did. Where some are lacking the keeper tries
// again before long.
func (k *Keeper) Place(ctx context.Context, s Site) (int, error) {
	ctx, leave, err := k.enter(ctx)
	if err != nil {
		return 0, err
	}
	defer leave()
	k.busy(s.Root)
	defer k.free(s.Root)
	n, err := k.place(ctx, s, span{0, s.Blocks}, k.cfg.Copies, nil)
	if n < k.cfg.Copies {
		k.plan(s.Root, time.Now().Add(k.again()))
	}
	return n, err
}

// place has want further peers keep a range of a site, none of the holders
// that keep all of it already.
func (k *Keeper) place(ctx context.Context, s Site, part span, want int, holders []holder) (int, error) {
	peers, err := k.volunteers(ctx, s.Root, holders)
	if err != nil {
		return 0, err
	}
	next := make(chan wire.Peer, len(peers))
	for _, p := range peers {
		next <- p
	}
	close(next)
	var taken tally
	far := &furthest{tell: s.Reached}
	var wg sync.WaitGroup
	for range min(want, len(peers)) {
		wg.Go(func() { k.placeCopy(ctx, s, part, next, far, &taken) })
	}
	wg.Wait()
	if taken.done == 0 {
		return 0, errors.Join(ErrNoVolunteer, taken.err)
	}
	return taken.done, nil
}

// tally counts the copies placed by several offers at once.
type tally struct {
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

// placeCopy offers to one candidate after another until the whole range is
// taken, by one or by several that each keep a part.
func (k *Keeper) placeCopy(ctx context.Context, s Site, part span, next <-chan wire.Peer, far *furthest, t *tally) {
	left := []span{part}
	for p := range next {
		if ctx.Err() != nil {
			return
		}
		took, err := k.offer(ctx, s, left[0], p, far)
		if err != nil {
			t.add(err)
			k.cfg.Log.Debug("offer not taken", "root", s.Root, "peer", p.ID.Short(), "err", err)
			continue
		}
		if left = append(left[0].without(took), left[1:]...); len(left) == 0 {
			t.add(nil)
			return
		}
	}
}

// volunteers returns candidates for a copy of root, nearest first, one per IP
// group before the second of any. Holders count as seen in their groups.
func (k *Keeper) volunteers(ctx context.Context, root wire.Hash, holders []holder) ([]wire.Peer, error) {
	peers, err := k.cfg.Network.Closest(ctx, root, candidates)
	if err != nil {
		return nil, fmt.Errorf("find volunteers for %s: %w", root, err)
	}
	byDistance(root, peers)
	skip := map[identity.NodeID]bool{k.cfg.Network.Self().ID: true}
	seen := map[string]bool{}
	for _, h := range holders {
		skip[h.id] = skip[h.id] || h.full
		if len(h.peer.Addrs) > 0 {
			seen[groupOf(h.peer)] = true
		}
	}
	var first, later []wire.Peer
	for _, p := range peers {
		if skip[p.ID] || p.Role&wire.RoleVolunteer == 0 || len(p.Addrs) == 0 {
			continue
		}
		skip[p.ID] = true
		if g := groupOf(p); seen[g] {
			later = append(later, p)
		} else {
			seen[g] = true
			first = append(first, p)
		}
	}
	return append(first, later...), nil
}

func groupOf(p wire.Peer) string { return wire.GroupOf(p.Addrs[0].IP) }

// offer asks one peer to keep a range of a site, waits until it has it, and
// returns what part of the range it keeps.
func (k *Keeper) offer(ctx context.Context, s Site, part span, to wire.Peer, far *furthest) (span, error) {
	ctx, cancel := context.WithTimeout(ctx, patience(s.Size))
	defer cancel()
	stream, err := k.cfg.Network.Open(ctx, to, wire.Offer{
		Record: s.Raw, Root: s.Root, Size: uint64(s.Size), Blocks: uint64(s.Blocks),
		First: uint64(part.first), Count: uint64(part.count),
	})
	if err != nil {
		return span{}, err
	}
	defer stream.Close()
	stop := context.AfterFunc(ctx, func() { stream.Close() })
	defer stop()
	stream.SetDeadline(time.Now().Add(replyTimeout))
	took, err := readReply(stream, part)
	if err != nil {
		return span{}, err
	}
	until, err := k.awaitReceipt(s.Root, took, stream, far)
	if err != nil {
		return span{}, err
	}
	return took, k.verify(ctx, s, took, to, until)
}

// readReply reads the answer to an offer and the range that was accepted.
func readReply(stream Stream, offered span) (span, error) {
	m, err := stream.Read()
	if err != nil {
		return span{}, fmt.Errorf("wait for the answer to an offer: %w", err)
	}
	reply, ok := m.(wire.OfferReply)
	if !ok {
		return span{}, fmt.Errorf("answer to an offer: %w", unexpected(m))
	}
	if !reply.Accepted {
		return span{}, fmt.Errorf("%w: %s", ErrRefused, clip(reply.Reason))
	}
	first, end := uint64(offered.first), uint64(offered.end())
	if reply.First < first || reply.First >= end || reply.Count == 0 || reply.Count > end-reply.First {
		return span{}, fmt.Errorf("%d blocks from %d were accepted, %d from %d offered", reply.Count, reply.First, offered.count, offered.first)
	}
	return span{int(reply.First), int(reply.Count)}, nil
}

// unexpected is the error of a message that does not belong here. An Error
// tells its text.
func unexpected(m wire.Message) error {
	if e, ok := m.(wire.Error); ok {
		return fmt.Errorf("%w: %s", ErrRefused, clip(e.Text))
	}
	return fmt.Errorf("got %T", m)
}

// awaitReceipt reads progress until the final Receipt, and returns until when
// the volunteer promises to keep the range. One that gets no further is given
// up, however often it writes.
func (k *Keeper) awaitReceipt(root wire.Hash, took span, stream Stream, far *furthest) (time.Time, error) {
	blocks, moved := uint64(0), time.Now()
	for {
		stream.SetDeadline(time.Now().Add(progressTimeout))
		m, err := stream.Read()
		if err != nil {
			return time.Time{}, fmt.Errorf("wait for a receipt: %w", err)
		}
		r, ok := m.(wire.Receipt)
		if !ok {
			return time.Time{}, fmt.Errorf("instead of a receipt: %w", unexpected(m))
		}
		if r.Root != root {
			return time.Time{}, fmt.Errorf("a receipt for %s", r.Root)
		}
		switch {
		case r.Until > 0 && r.Blocks < uint64(took.count):
			return time.Time{}, fmt.Errorf("accepted %d blocks and kept %d", took.count, r.Blocks)
		case r.Until > 0:
			return k.clampUntil(r.Until)
		case r.Blocks > blocks:
			blocks, moved = r.Blocks, time.Now()
			far.reached(blocks, took)
		case time.Since(moved) > stallTimeout:
			return time.Time{}, fmt.Errorf("no block in %v, %d of %d before", stallTimeout, blocks, took.count)
		}
	}
}

// clampUntil bounds a peer's promise: nobody is counted on for longer than
// two leases, whatever they say, and one that has ended is none.
func (k *Keeper) clampUntil(ms uint64) (time.Time, error) {
	limit := time.Now().Add(2 * k.cfg.Lease)
	if ms > uint64(limit.UnixMilli()) {
		return limit, nil
	}
	until := time.UnixMilli(int64(ms))
	if !until.After(time.Now()) {
		return until, fmt.Errorf("the lease ended at %v, before it began", until)
	}
	return until, nil
}

// verify asks a volunteer for what it says to have and counts it as a copy if
// it answers so.
func (k *Keeper) verify(ctx context.Context, s Site, took span, p wire.Peer, until time.Time) error {
	h, ok := k.probe(ctx, p, s.Root, s.Blocks)
	if !ok {
		return errors.New("a receipt came for blocks that are not there")
	}
	for i := took.first; i < took.end(); i++ {
		if !h.has(i) {
			return fmt.Errorf("a receipt came, block %d did not", i)
		}
	}
	k.confirm(s.Root, h, s.Blocks, until)
	return nil
}

// patience is how long the pull of so many bytes may take at most: 64 KiB/s
// after a first ten minutes.
func patience(bytes int64) time.Duration {
	return 10*time.Minute + time.Duration(bytes>>16)*time.Second
}

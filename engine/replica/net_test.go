package replica

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"sync"
	"testing"
	"time"

	"altnet/engine/identity"
	"altnet/engine/store"
	"altnet/engine/wire"
)

// world is a network of keepers with stores of their own. Records are JSON
// that everybody believes, unless they say that they are forged.
type world struct {
	t *testing.T

	mu        sync.Mutex
	nodes     []*node
	sites     map[wire.Hash][][]byte
	providers map[wire.Hash]map[identity.NodeID]bool
	latest    map[identity.PublicKey]Voucher
}

// node is one peer. The funcs, where set, answer in place of the keeper.
type node struct {
	w      *world
	peer   wire.Peer
	store  *store.Store
	keeper *Keeper
	down   bool
	cut    bool // reaches nobody
	forbid map[wire.Hash]bool

	takes   func(o wire.Offer, s Stream)
	has     func(root wire.Hash) wire.Have
	perByte time.Duration
	drops   bool // fetches fail half-way
	news    int
}

func newWorld(t *testing.T) *world {
	return &world{t: t, sites: map[wire.Hash][][]byte{}, providers: map[wire.Hash]map[identity.NodeID]bool{}, latest: map[identity.PublicKey]Voucher{}}
}

// node starts a peer in an IP group of its own.
func (w *world) node(change func(*Config)) *node {
	w.t.Helper()
	dir, err := os.MkdirTemp(w.t.TempDir(), "node")
	if err != nil {
		w.t.Fatal(err)
	}
	s, err := store.Open(store.Config{Dir: dir, NoSync: true, Budget: 64 << 20})
	if err != nil {
		w.t.Fatal(err)
	}
	w.mu.Lock()
	i := len(w.nodes) + 1
	n := &node{w: w, store: s, forbid: map[wire.Hash]bool{}}
	n.peer = wire.Peer{
		ID: identity.NodeID(sha256.Sum256([]byte{byte(i)})), Role: wire.RoleServer | wire.RoleVolunteer,
		Addrs: []wire.Addr{{IP: netip.AddrPortFrom(netip.AddrFrom4([4]byte{20, 0, byte(i), 1}), 9000)}},
	}
	w.mu.Unlock()
	cfg := Config{Network: n.network(), Store: s, PerPeerBudget: 8 << 20, Report: func(wire.Hash) { w.mu.Lock(); n.news++; w.mu.Unlock() }}
	if change != nil {
		change(&cfg)
	}
	n.keeper = New(cfg)
	w.mu.Lock()
	w.nodes = append(w.nodes, n)
	w.mu.Unlock()
	w.t.Cleanup(func() { n.keeper.Close(); s.Close() })
	return n
}

// site makes a site of distinct blocks.
func (w *world) site(name string, blocks, size int) wire.Hash {
	var data [][]byte
	for i := range blocks {
		b := make([]byte, size)
		copy(b, fmt.Sprintf("block %d of %s", i, name))
		data = append(data, b)
	}
	root := wire.Hash(sha256.Sum256(data[0]))
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sites[root] = data
	return root
}

func hashes(data [][]byte) (hs []wire.Hash) {
	for _, b := range data {
		hs = append(hs, sha256.Sum256(b))
	}
	return hs
}

func owner(i byte) identity.PublicKey { return identity.FromSeed([32]byte{i}).Public() }

// record signs, as it were, and makes it the owner's newest.
func (w *world) record(owner identity.PublicKey, root wire.Hash, seq uint64, change func(*Voucher)) Voucher {
	v := Voucher{Owner: owner, Root: root, Seq: seq, Expires: time.Now().Add(90 * 24 * time.Hour)}
	if change != nil {
		change(&v)
	}
	v.Raw, _ = json.Marshal(v)
	w.mu.Lock()
	defer w.mu.Unlock()
	if v.Seq > w.latest[owner].Seq {
		w.latest[owner] = v
	}
	return v
}

func (w *world) find(id identity.NodeID) *node {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, n := range w.nodes {
		if n.peer.ID == id && !n.down {
			return n
		}
	}
	return nil
}

func (n *node) isolated() bool {
	n.w.mu.Lock()
	defer n.w.mu.Unlock()
	return n.cut || n.down
}

var errDown = errors.New("unreachable")

func (n *node) network() Network {
	w := n.w
	return Network{
		Self: func() wire.Peer { return n.peer },
		Open: n.open, Request: n.request, Fetch: n.fetch,
		Closest: func(_ context.Context, key wire.Hash, count int) (ps []wire.Peer, err error) {
			if n.isolated() {
				return nil, errDown
			}
			w.mu.Lock()
			defer w.mu.Unlock()
			for _, o := range w.nodes {
				if !o.down {
					ps = append(ps, o.peer)
				}
			}
			byDistance(key, ps)
			return ps[:min(count, len(ps))], nil
		},
		Providers: func(_ context.Context, root wire.Hash) (ps []wire.Peer, err error) {
			if n.isolated() {
				return nil, nil
			}
			w.mu.Lock()
			defer w.mu.Unlock()
			for _, o := range w.nodes {
				if w.providers[root][o.peer.ID] {
					ps = append(ps, o.peer)
				}
			}
			return ps, nil
		},
		Provide: func(_ context.Context, root wire.Hash, full bool, ttl time.Duration) error {
			w.mu.Lock()
			defer w.mu.Unlock()
			if w.providers[root] == nil {
				w.providers[root] = map[identity.NodeID]bool{}
			}
			w.providers[root][n.peer.ID] = true
			return nil
		},
		Vouch: func(_ context.Context, raw []byte, _ string) (v Voucher, err error) {
			if err := json.Unmarshal(raw, &v); err != nil {
				return v, err
			}
			w.mu.Lock()
			defer w.mu.Unlock()
			if n.forbid[v.Root] {
				return v, fmt.Errorf("%w: listed", ErrRefusedHere)
			}
			v.Raw = raw
			return v, nil
		},
		Latest: func(_ context.Context, owner identity.PublicKey) (Voucher, error) {
			if n.isolated() {
				return Voucher{}, errDown
			}
			w.mu.Lock()
			defer w.mu.Unlock()
			v, ok := w.latest[owner]
			if !ok {
				return v, errDown
			}
			return v, nil
		},
		Announce: func(context.Context, []byte) error { return nil },
	}
}

func (n *node) open(ctx context.Context, to wire.Peer, m wire.Message) (Stream, error) {
	o := n.w.find(to.ID)
	if o == nil || n.isolated() {
		return nil, errDown
	}
	a, b := pipe()
	go func() {
		if o.takes != nil {
			o.takes(m.(wire.Offer), b)
			return
		}
		o.keeper.HandleOffer(context.Background(), n.peer, groupOf(n.peer), m.(wire.Offer), b)
		b.Close()
	}()
	return a, nil
}

func (n *node) request(_ context.Context, to wire.Peer, m wire.Message) (wire.Message, error) {
	o := n.w.find(to.ID)
	if o == nil || n.isolated() {
		return nil, errDown
	}
	root := m.(wire.GetHave).Root
	if o.has != nil {
		return o.has(root), nil
	}
	bits, count, full, err := o.store.Bitmap(root)
	if info, _ := o.store.Root(root); err != nil || !info.Leased(time.Now()) && info.Class&(store.Own|store.Pinned) == 0 {
		return wire.Have{}, nil
	}
	return wire.Have{Count: uint64(count), Full: full, Bitmap: bits}, nil
}

func (n *node) fetch(ctx context.Context, job FetchJob) (FetchResult, error) {
	n.w.mu.Lock()
	data := n.w.sites[job.Root]
	n.w.mu.Unlock()
	if data == nil || n.isolated() {
		return FetchResult{}, errDown
	}
	r := FetchResult{Blocks: hashes(data), First: job.First, Held: min(job.Count, len(data)-job.First)}
	for _, b := range data {
		r.Size += int64(len(b))
	}
	part := data[job.First : job.First+r.Held]
	for _, b := range part {
		r.Bytes += int64(len(b))
	}
	if r.Bytes > job.MaxBytes {
		return FetchResult{}, errors.New("more than is wanted")
	}
	if err := job.Listed(r); err != nil {
		return FetchResult{}, err
	}
	view := n.store.For(job.Root)
	defer view.Close()
	sum := int64(0)
	for i, b := range part {
		if n.drops && i == len(part)/2 {
			return FetchResult{}, io.ErrUnexpectedEOF
		}
		select {
		case <-time.After(n.perByte * time.Duration(len(b))):
		case <-ctx.Done():
			return FetchResult{}, ctx.Err()
		}
		if err := view.Put(ctx, sha256.Sum256(b), b); err != nil {
			return FetchResult{}, err
		}
		sum += int64(len(b))
		job.Progress(i+1, sum)
	}
	return r, nil
}

// publish puts a site into the node's store as its own.
func (n *node) publish(v Voucher) Site {
	n.w.t.Helper()
	n.w.mu.Lock()
	data := n.w.sites[v.Root]
	n.w.mu.Unlock()
	s := Site{Voucher: v, Blocks: len(data)}
	view := n.store.For(v.Root)
	defer view.Close()
	for _, b := range data {
		s.Size += int64(len(b))
		if err := view.Put(context.Background(), sha256.Sum256(b), b); err != nil {
			n.w.t.Fatal(err)
		}
	}
	_, err := n.keeper.Hold(context.Background(), v, store.Root{Hash: v.Root, Class: store.Own, Owner: v.Owner, Size: s.Size, Blocks: hashes(data)})
	if err != nil {
		n.w.t.Fatal(err)
	}
	return s
}

// offerOf is an honest offer of a whole site.
func (w *world) offerOf(v Voucher) wire.Offer {
	w.mu.Lock()
	defer w.mu.Unlock()
	o := wire.Offer{Record: v.Raw, Root: v.Root, Blocks: uint64(len(w.sites[v.Root]))}
	for _, b := range w.sites[v.Root] {
		o.Size += uint64(len(b))
	}
	return o
}

// offered gives a node an offer and returns all that it answers.
func (n *node) offered(o wire.Offer, group string) (reply wire.OfferReply, last wire.Message) {
	a, b := pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		n.keeper.HandleOffer(context.Background(), wire.Peer{ID: id(0xee)}, group, o, b)
		b.Close()
	}()
	for {
		m, err := a.Read()
		if err != nil {
			<-done
			return reply, last
		}
		if r, ok := m.(wire.OfferReply); ok {
			reply = r
		}
		last = m
	}
}

// end is one end of a stream in memory.
type end struct {
	in, out  chan wire.Message
	closed   chan struct{}
	other    *end
	once     sync.Once
	mu       sync.Mutex
	deadline time.Time
}

func pipe() (a, b *end) {
	x, y := make(chan wire.Message, 16), make(chan wire.Message, 16)
	a = &end{in: x, out: y, closed: make(chan struct{})}
	b = &end{in: y, out: x, closed: make(chan struct{}), other: a}
	a.other = b
	return a, b
}

func (e *end) Read() (wire.Message, error) {
	var late <-chan time.Time
	e.mu.Lock()
	if !e.deadline.IsZero() {
		t := time.NewTimer(time.Until(e.deadline))
		defer t.Stop()
		late = t.C
	}
	e.mu.Unlock()
	select {
	case m := <-e.in:
		return m, nil
	default:
	}
	select {
	case m := <-e.in:
		return m, nil
	case <-e.closed:
		return nil, io.ErrClosedPipe
	case <-e.other.closed:
		select {
		case m := <-e.in:
			return m, nil
		default:
			return nil, io.EOF
		}
	case <-late:
		return nil, os.ErrDeadlineExceeded
	}
}

func (e *end) Write(m wire.Message) error {
	select {
	case <-e.other.closed:
		return io.ErrClosedPipe
	default:
	}
	select {
	case <-e.closed:
		return io.ErrClosedPipe
	case <-e.other.closed:
		return io.ErrClosedPipe
	case e.out <- m:
		return nil
	}
}

func (e *end) SetDeadline(t time.Time) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.deadline = t
	return nil
}

func (e *end) Close() error {
	e.once.Do(func() { close(e.closed) })
	return nil
}

package site

import (
	"context"
	"errors"
	"io"
	"sync"
	"testing"
	"time"

	"altnet/engine/identity"
	"altnet/engine/wire"
)

// frame is a message on a testStream; a wire.Block holds a copy.
type testStream struct {
	in, out chan wire.Message
	done    chan struct{} // shared by both ends
	once    *sync.Once
	delay   func() // before each block is written
	lie     func(data []byte) []byte
}

func pipe() (a, b *testStream) {
	x, y := make(chan wire.Message, 8), make(chan wire.Message, 8)
	done, once := make(chan struct{}), &sync.Once{}
	return &testStream{in: x, out: y, done: done, once: once}, &testStream{in: y, out: x, done: done, once: once}
}

func (s *testStream) Read() (wire.Message, error) {
	select {
	case m, ok := <-s.in:
		if !ok {
			return nil, io.EOF
		}
		return m, nil
	case <-s.done:
		return nil, errors.New("stream closed")
	}
}

func (s *testStream) ReadBlock(buf []byte) ([]byte, bool, error) {
	m, err := s.Read()
	if err != nil {
		return nil, false, err
	}
	switch m := m.(type) {
	case wire.Block:
		return append(buf[:0], m.Data...), true, nil
	case wire.Missing:
		return nil, false, nil
	}
	return nil, false, &wire.OtherError{Message: m}
}

func (s *testStream) Write(m wire.Message) error {
	select {
	case s.out <- m:
		return nil
	case <-s.done:
		return errors.New("stream closed")
	}
}

func (s *testStream) WriteBlock(data []byte) error {
	if s.delay != nil {
		s.delay()
	}
	data = append([]byte(nil), data...)
	if s.lie != nil {
		data = s.lie(data)
	}
	return s.Write(wire.Block{Data: data})
}

func (s *testStream) SetDeadline(time.Time) error { return nil }

func (s *testStream) Close() error {
	s.once.Do(func() { close(s.done) })
	return nil
}

// testPeer is a holder.
type testPeer struct {
	peer   wire.Peer
	full   bool
	server *Server
	store  *memStore
	delay  func(ctx context.Context)
	lie    func([]byte) []byte
	fail   error // of Open

	mu       sync.Mutex
	requests []wire.Message
	blocks   int
}

// testNet is a set of holders of one site.
type testNet struct {
	t     testing.TB
	mu    sync.Mutex
	peers []*testPeer
	wg    sync.WaitGroup
	rtt   time.Duration
	liars []wire.Peer
	ctx   context.Context
}

func newTestNet(t testing.TB) *testNet {
	ctx, cancel := context.WithCancel(context.Background())
	n := &testNet{t: t, ctx: ctx}
	t.Cleanup(func() { cancel(); n.wg.Wait() })
	return n
}

func (n *testNet) add(store *memStore, full bool) *testPeer {
	n.mu.Lock()
	defer n.mu.Unlock()
	p := &testPeer{full: full, store: store, server: NewServer(ServerConfig{Blocks: store})}
	p.peer.ID = identity.NodeID{byte(len(n.peers) + 1)}
	n.peers = append(n.peers, p)
	return p
}

func (n *testNet) find(ctx context.Context, _ wire.Hash, found func(wire.Peer, bool) bool) error {
	if err := wait(ctx, n.rtt); err != nil {
		return err
	}
	n.mu.Lock()
	peers := append([]*testPeer(nil), n.peers...)
	n.mu.Unlock()
	for _, p := range peers {
		if found(p.peer, p.full) {
			break
		}
	}
	return nil
}

func wait(ctx context.Context, d time.Duration) error {
	if d == 0 {
		return ctx.Err()
	}
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (n *testNet) open(ctx context.Context, to wire.Peer, m wire.Message) (Stream, error) {
	n.mu.Lock()
	p := n.peers[to.ID[0]-1]
	n.mu.Unlock()
	p.mu.Lock()
	p.requests = append(p.requests, m)
	fail := p.fail
	p.mu.Unlock()
	if fail != nil {
		return nil, fail
	}
	a, b := pipe()
	b.delay = func() {
		p.mu.Lock()
		p.blocks++
		p.mu.Unlock()
		if p.delay != nil {
			ctx, cancel := context.WithCancel(n.ctx)
			defer cancel()
			go func() {
				select {
				case <-b.done:
					cancel()
				case <-ctx.Done():
				}
			}()
			p.delay(ctx)
		}
	}
	b.lie = p.lie
	n.wg.Go(func() {
		defer close(b.out)
		if wait(n.ctx, n.rtt) == nil {
			_ = p.server.Serve(n.ctx, m, b)
		}
	})
	return a, nil
}

// fetcher returns a Fetcher into the store.
func (n *testNet) fetcher(store *memStore, change func(*FetcherConfig)) *Fetcher {
	cfg := FetcherConfig{Find: n.find, Open: n.open, Blocks: store, NewSink: func(wire.Hash) Sink { return store },
		Liar: func(p wire.Peer, _ error) {
			n.mu.Lock()
			defer n.mu.Unlock()
			n.liars = append(n.liars, p)
		}}
	if change != nil {
		change(&cfg)
	}
	f := NewFetcher(cfg)
	n.t.Cleanup(func() { f.Close() })
	return f
}

func (p *testPeer) served() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.blocks
}

// asked counts the requests of the type of m.
func (p *testPeer) asked(t wire.Type) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for _, m := range p.requests {
		if m.Type() == t {
			n++
		}
	}
	return n
}

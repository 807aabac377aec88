// Package controltest holds what tests of Control and its users share: a
// conformance suite that every implementation passes, and Fake, a node in
// memory.
package controltest

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"iter"
	"maps"
	"net"
	"slices"
	"sync"
	"testing"

	"altnet/engine/control"
	"altnet/engine/wire"
)

// Signed is a site ready to be published.
type Signed struct {
	Name   string
	Root   string // hex
	Seq    uint64
	Record []byte
	Blocks []Block // whatever order
	Prove  func(node, user string) []byte
}

// Block is one block of a site.
type Block struct {
	Hash wire.Hash
	Data []byte
}

// All yields the blocks as PutBlocks wants them.
func (s Signed) All() iter.Seq2[wire.Hash, []byte] {
	return func(yield func(wire.Hash, []byte) bool) {
		for _, b := range s.Blocks {
			if !yield(b.Hash, b.Data) {
				return
			}
		}
	}
}

// Hashes lists the blocks.
func (s Signed) Hashes() []wire.Hash {
	hashes := make([]wire.Hash, len(s.Blocks))
	for i, b := range s.Blocks {
		hashes[i] = b.Hash
	}
	return hashes
}

// FakeAuthor makes sites for a Fake: it signs nothing.
type FakeAuthor struct {
	mu  sync.Mutex
	seq uint64
}

func (a *FakeAuthor) next() uint64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.seq++
	return a.seq
}

// Site implements Author.
func (a *FakeAuthor) Site(t testing.TB, name string, files map[string]string) Signed {
	t.Helper()
	var packed bytes.Buffer
	w := tar.NewWriter(&packed)
	for _, path := range slices.Sorted(maps.Keys(files)) {
		head := &tar.Header{Name: path, Mode: 0o644, Size: int64(len(files[path])), Format: tar.FormatPAX}
		if err := w.WriteHeader(head); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(files[path])); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	s := Signed{Name: name, Seq: a.next()}
	var list []byte
	for data := range slices.Chunk(packed.Bytes(), wire.MaxBlock) {
		b := Block{wire.Hash(sha256.Sum256(data)), data}
		s.Blocks = append(s.Blocks, b)
		list = append(list, b.Hash[:]...)
	}
	root := wire.Hash(sha256.Sum256(list))
	s.Blocks = append(s.Blocks, Block{root, list})
	s.Root = root.String()
	s.Record = fakeSign(t, fakeRecord{Name: name, Root: s.Root, Seq: s.Seq, Size: int64(packed.Len() + len(list))})
	return s.proved()
}

// proved adds what a Fake takes for a proof.
func (s Signed) proved() Signed {
	s.Prove = func(node, user string) []byte { return fakeProof(s.Record, node, user) }
	return s
}

// fakeProof is what a Fake takes for a proof.
func fakeProof(record []byte, node, user string) []byte {
	return fmt.Appendf(nil, "%s for %s of %s", record, user, node)
}

// Tombstone implements Author.
func (a *FakeAuthor) Tombstone(t testing.TB, name string) Signed {
	t.Helper()
	s := Signed{Name: name, Seq: a.next()}
	s.Record = fakeSign(t, fakeRecord{Name: name, Seq: s.Seq, Tombstone: true})
	return s.proved()
}

func fakeSign(t testing.TB, r fakeRecord) []byte {
	t.Helper()
	raw, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// Served returns a client of c over connections in memory, whom the server
// takes for caller.
func Served(t testing.TB, c control.Control, caller control.Caller) *control.Client {
	t.Helper()
	l := newListener()
	ctx, cancel := context.WithCancel(context.Background())
	var done sync.WaitGroup
	done.Go(func() {
		cfg := control.ServerConfig{Identify: func(net.Conn) (control.Caller, error) { return caller, nil }}
		if err := control.Serve(ctx, l, c, cfg); err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	client := control.NewClient(l.dial)
	t.Cleanup(func() {
		client.Close()
		cancel()
		done.Wait()
	})
	return client
}

// listener hands out the other ends of pipes.
type listener struct {
	conns  chan net.Conn
	closed chan struct{}
	close  func()
}

func newListener() *listener {
	l := &listener{conns: make(chan net.Conn), closed: make(chan struct{})}
	l.close = sync.OnceFunc(func() { close(l.closed) })
	return l
}

func (l *listener) dial(ctx context.Context) (net.Conn, error) {
	near, far := net.Pipe()
	select {
	case l.conns <- far:
		return near, nil
	case <-l.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (l *listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *listener) Close() error { l.close(); return nil }

func (l *listener) Addr() net.Addr { return &net.UnixAddr{Name: "memory", Net: "pipe"} }

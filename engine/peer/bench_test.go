package peer

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"testing"

	"github.com/flynn/noise"

	"altnet/engine/identity"
	"altnet/engine/secure"
	"altnet/engine/wire"
)

// tcpPair connects two ends over loopback.
func tcpPair(b *testing.B) (near, far net.Conn) {
	b.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	if near, err = net.Dial("tcp", l.Addr().String()); err != nil {
		b.Fatal(err)
	}
	if far, err = l.Accept(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = near.Close(); _ = far.Close() })
	return near, far
}

// tcpHosts is two hosts over loopback; the second answers as f says.
func tcpHosts(b *testing.B, t wire.Type, f Handler) (from *Host, to wire.Peer) {
	b.Helper()
	var hosts [2]*Host
	for i := range hosts {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			b.Fatal(err)
		}
		hosts[i], err = New(Config{
			Self: wire.Self{Key: testKey(i)}, NetworkID: testNetwork, Listen: []net.Listener{l}, RequestRate: 1 << 30,
		})
		if err != nil {
			b.Fatal(err)
		}
		hosts[i].Handle(t, f)
		hosts[i].Start()
		b.Cleanup(func() { _ = hosts[i].Close() })
	}
	at := hosts[1].cfg.Listen[0].Addr().(*net.TCPAddr).AddrPort()
	to, err := hosts[0].Connect(b.Context(), netip.AddrPortFrom(at.Addr().Unmap(), at.Port()), identity.NodeID{})
	if err != nil {
		b.Fatal(err)
	}
	return hosts[0], to
}

const bulk = 64 << 20 // bytes per iteration

// BenchmarkBulk moves blocks of 256 KiB over one stream of a session. Its
// ceiling is bare Noise records of 64 KiB over the same loopback, and secure
// alone stands between the two. Target: at least 0.8 of the ceiling.
func BenchmarkBulk(b *testing.B) {
	b.Run("ceiling", benchNoiseRecords)
	b.Run("secure", benchSecure)
	b.Run("peer", benchBlocks)
}

// benchNoiseRecords seals 64 KiB at a time and opens them at the other end.
func benchNoiseRecords(b *testing.B) {
	near, far := tcpPair(b)
	var key [32]byte
	suite := noise.NewCipherSuite(noise.DH25519, noise.CipherAESGCM, noise.HashSHA256)
	seal, open := suite.Cipher(key), suite.Cipher(key)
	plain := make([]byte, 1<<16-1-16)
	go func() {
		buf := make([]byte, 0, 2+1<<16)
		for n := uint64(0); ; n++ {
			rec := seal.Encrypt(buf[:2], n, nil, plain)
			binary.BigEndian.PutUint16(rec, uint16(len(rec)-2))
			if _, err := near.Write(rec); err != nil {
				return
			}
		}
	}()
	b.SetBytes(bulk)
	buf, head := make([]byte, 1<<16), make([]byte, 2)
	nonce := uint64(0)
	for b.Loop() {
		for got := 0; got < bulk; nonce++ {
			if _, err := io.ReadFull(far, head); err != nil {
				b.Fatal(err)
			}
			rec := buf[:binary.BigEndian.Uint16(head)]
			if _, err := io.ReadFull(far, rec); err != nil {
				b.Fatal(err)
			}
			out, err := open.Decrypt(rec[:0], nonce, nil, rec)
			if err != nil {
				b.Fatal(err)
			}
			got += len(out)
		}
	}
}

func benchSecure(b *testing.B) {
	near, far := tcpPair(b)
	cfg := secure.Config{Key: testKey(1), NetworkID: testNetwork}
	served := make(chan *secure.Conn, 1)
	go func() {
		s, err := secure.Server(context.Background(), far, secure.Config{Key: testKey(2), NetworkID: testNetwork})
		if err != nil {
			b.Error(err)
		}
		served <- s
	}()
	c, err := secure.Client(b.Context(), near, cfg, identity.NodeID{})
	if err != nil {
		b.Fatal(err)
	}
	s := <-served
	go func() {
		data := make([]byte, wire.MaxBlock)
		for {
			if _, err := s.Write(data); err != nil {
				return
			}
		}
	}()
	b.SetBytes(bulk)
	buf := make([]byte, wire.MaxBlock)
	for b.Loop() {
		for got := 0; got < bulk; got += len(buf) {
			if _, err := io.ReadFull(c, buf); err != nil {
				b.Fatal(err)
			}
		}
	}
}

func benchBlocks(b *testing.B) {
	data := make([]byte, wire.MaxBlock)
	_, _ = rand.Read(data)
	h, to := tcpHosts(b, wire.TypeGetBlocks, func(_ context.Context, r *Request) {
		for r.Stream.WriteBlock(data) == nil {
		}
	})
	st, err := h.Open(b.Context(), to, wire.GetBlocks{})
	if err != nil {
		b.Fatal(err)
	}
	defer st.Close()
	b.SetBytes(bulk)
	buf := make([]byte, wire.MaxBlock)
	for b.Loop() {
		for got := 0; got < bulk; {
			block, _, err := st.ReadBlock(buf)
			if err != nil {
				b.Fatal(err)
			}
			got += len(block)
		}
	}
}

// BenchmarkSmallBlocks moves blocks of 4 KiB; an operation is one block. The
// target is 20,000 of them a second with everything else a fetch does.
func BenchmarkSmallBlocks(b *testing.B) {
	data := make([]byte, 4<<10)
	h, to := tcpHosts(b, wire.TypeGetBlocks, func(_ context.Context, r *Request) {
		for r.Stream.WriteBlock(data) == nil {
		}
	})
	st, err := h.Open(b.Context(), to, wire.GetBlocks{})
	if err != nil {
		b.Fatal(err)
	}
	defer st.Close()
	b.SetBytes(int64(len(data)))
	buf := make([]byte, wire.MaxBlock)
	for b.Loop() {
		if _, _, err := st.ReadBlock(buf); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkRequest is one request at a time on an open session. Its ceiling is
// the same bytes back and forth over a bare connection.
func BenchmarkRequest(b *testing.B) {
	b.Run("ceiling", func(b *testing.B) {
		near, far := tcpPair(b)
		go func() { _, _ = io.Copy(far, far) }()
		buf := make([]byte, 64)
		for b.Loop() {
			if _, err := near.Write(buf); err != nil {
				b.Fatal(err)
			}
			if _, err := io.ReadFull(near, buf); err != nil {
				b.Fatal(err)
			}
		}
	})
	h, to := tcpHosts(b, wire.TypeFindNode, answer(find))
	b.Run("peer", func(b *testing.B) {
		for b.Loop() {
			if _, err := h.Request(b.Context(), to, wire.FindNode{}); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("peer-16", func(b *testing.B) {
		b.SetParallelism(8)
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				if _, err := h.Request(b.Context(), to, wire.FindNode{}); err != nil && !errors.Is(err, ErrBusy) {
					b.Error(err)
				}
			}
		})
	})
}

// BenchmarkConnect is a whole session: connection, handshake, Hello, end.
func BenchmarkConnect(b *testing.B) {
	h, to := tcpHosts(b, wire.TypeFindNode, answer(find))
	at := h.Sessions()[0].Remote
	for b.Loop() {
		h.SetOnline(false)
		h.SetOnline(true)
		if _, err := h.Connect(b.Context(), at, to.ID); err != nil {
			b.Fatal(err)
		}
	}
}

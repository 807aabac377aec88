package wire

import (
	"bytes"
	"io"
	"testing"
)

// BenchmarkMessages measures a message there and back through the codec.
func BenchmarkMessages(b *testing.B) {
	peer := samplePeer(b, 1).Raw
	peers := make([][]byte, 20)
	for i := range peers {
		peers[i] = peer
	}
	hashes := make([]Hash, 256)
	for _, m := range []Message{FindNode{}, Nodes{Peers: peers}, GetBlocks{Hashes: hashes}} {
		b.Run(m.Type().String(), func(b *testing.B) {
			b.ReportAllocs()
			var buf bytes.Buffer
			for b.Loop() {
				if err := Write(&buf, m); err != nil {
					b.Fatal(err)
				}
				if _, err := Read(&buf); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkBlock measures a full block through the fast path; the ceiling is
// one copy of its bytes.
func BenchmarkBlock(b *testing.B) {
	data, buf := make([]byte, MaxBlock), make([]byte, MaxBlock)
	frame := bytes.NewBuffer(make([]byte, 0, MaxBlock+64))
	b.Run("altnet", func(b *testing.B) {
		b.SetBytes(MaxBlock)
		b.ReportAllocs()
		for b.Loop() {
			frame.Reset()
			if err := WriteBlock(frame, data); err != nil {
				b.Fatal(err)
			}
			if _, err := ReadBlock(frame, buf); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("ceiling", func(b *testing.B) {
		b.SetBytes(MaxBlock)
		for b.Loop() {
			frame.Reset()
			frame.Write(data)
			if _, err := io.ReadFull(frame, buf); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkParsePeer is what a peer record costs, most of it the signature.
func BenchmarkParsePeer(b *testing.B) {
	p := samplePeer(b, 1)
	b.Run("altnet", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := ParsePeer(p.Raw); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("ceiling", func(b *testing.B) {
		s, err := SplitSigned(p.Raw)
		if err != nil {
			b.Fatal(err)
		}
		for b.Loop() {
			if !p.Key.Verify(PeerDomain, s.Body, s.Sig) {
				b.Fatal("does not verify")
			}
		}
	})
}

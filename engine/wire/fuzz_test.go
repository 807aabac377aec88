package wire

import (
	"bytes"
	"slices"
	"testing"
)

// FuzzRead: what parses is written as the same bytes, and memory is bounded by
// what came in.
func FuzzRead(f *testing.F) {
	for _, m := range samples(f) {
		var b bytes.Buffer
		if err := Write(&b, m); err != nil {
			f.Fatal(err)
		}
		f.Add(b.Bytes())
	}
	for _, c := range refused() {
		frame := make([]byte, HeaderSize)
		putHeader(frame, c.t, len(c.body))
		f.Add(append(frame, c.body...))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		if got, most := allocated(func() { _, _ = Read(bytes.NewReader(in)) }), bound(len(in)); got > most {
			t.Fatalf("%d bytes allocated for %d, at most %d", got, len(in), most)
		}
		r := bytes.NewReader(in)
		m, err := Read(r)
		if err != nil {
			return
		}
		read := in[:len(in)-r.Len()]
		var b bytes.Buffer
		if err := Write(&b, m); err != nil || !bytes.Equal(b.Bytes(), read) {
			t.Fatalf("%x reads as %+v, which writes as %x (%v)", read, m, b.Bytes(), err)
		}
		data, err := ReadBlock(bytes.NewReader(in), nil)
		if block, ok := m.(Block); ok != (err == nil) || ok && !bytes.Equal(data, block.Data) {
			t.Fatalf("%x: Read and ReadBlock differ: %v", read, err)
		}
	})
}

// bound is the most Read may allocate for n bytes: what a header alone is
// trusted with, and some structs per byte: an empty byte string in a list is
// one byte on the wire and a slice header in memory, of which there can be
// fewItems, or a hash of 34.
func bound(n int) uint64 { return uint64(2*firstRead + 64<<10 + 40*n) }

// FuzzCanonical: what passes the check is what the encoder makes of it.
func FuzzCanonical(f *testing.F) {
	for _, m := range samples(f) {
		body, err := Encode(m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(body)
	}
	for _, c := range refused() {
		f.Add(c.body)
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		if CheckCanonical(in) != nil {
			return
		}
		var v any
		if err := decMode.Unmarshal(in, &v); err != nil {
			return // a map key no Go map can hold
		}
		if out, err := Marshal(v); err != nil || !bytes.Equal(in, out) {
			t.Fatalf("%x passes and encodes as %x (%v)", in, out, err)
		}
	})
}

// FuzzPeer: a record that parses, signature aside, has only addresses that
// encode again, and its envelope is the one encoding.
func FuzzPeer(f *testing.F) {
	f.Add(samplePeer(f, 1).Raw)
	f.Add(Sign(sampleKey(1), PeerDomain, []byte{0xa0}))
	f.Fuzz(func(t *testing.T, raw []byte) {
		p, s, err := parsePeer(raw)
		if err != nil {
			return
		}
		if out, err := Marshal(s); err != nil || !bytes.Equal(out, raw) {
			t.Fatalf("%x is not the encoding of its envelope (%v)", raw, err)
		}
		again, err := SignPeer(sampleKey(1), p)
		if err != nil {
			t.Fatal(err)
		}
		q, err := ParsePeer(again.Raw)
		if err != nil || !slices.Equal(q.Addrs, p.Addrs) || q.Seq != p.Seq || q.Expires != p.Expires {
			t.Fatalf("signed again: %+v, %v", q, err)
		}
	})
}

// FuzzAddr: what parses encodes to the same bytes.
func FuzzAddr(f *testing.F) {
	for _, a := range samplePeer(f, 1).Addrs {
		b, err := EncodeAddr(a)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		a, err := DecodeAddr(in)
		if err != nil {
			return
		}
		if out, err := EncodeAddr(a); err != nil || !bytes.Equal(in, out) {
			t.Fatalf("%x reads as %v, which encodes as %x (%v)", in, a, out, err)
		}
		_ = GroupOf(a.IP)
	})
}

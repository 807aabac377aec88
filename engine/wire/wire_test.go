package wire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"reflect"
	"runtime"
	"strings"
	"testing"
)

func TestEveryTypeRoundTrips(t *testing.T) {
	left := map[Type]bool{}
	for k := range kinds {
		left[k] = true
	}
	for _, m := range samples(t) {
		delete(left, m.Type())
		var b bytes.Buffer
		if err := Write(&b, m); err != nil {
			t.Fatalf("%v: %v", m.Type(), err)
		}
		got, err := Read(&b)
		if err != nil {
			t.Fatalf("%v: %v", m.Type(), err)
		}
		if !reflect.DeepEqual(got, m) {
			t.Errorf("%v: got %+v, want %+v", m.Type(), got, m)
		}
		if b.Len() != 0 {
			t.Errorf("%v: %d bytes left", m.Type(), b.Len())
		}
	}
	if len(left) > 0 {
		t.Errorf("types without a sample: %v", left)
	}
}

func TestUnknownFieldsAreKept(t *testing.T) {
	inner := append([]byte{0xa3}, 0x01, 0x41, 'v', 0x02, 0x07, 0x61, 'x', 0xf5) // StoredRecord with "x": true
	body := append([]byte{0xa3, 0x01, 0x81}, inner...)
	body = append(body, 0x18, 0x63, 0x82, 0x01, 0x02) // 99: [1, 2]
	body = append(body, 0x61, 'n', 0xf6)              // "n": null
	m, err := Decode(TypeRecords, body)
	if err != nil {
		t.Fatal(err)
	}
	r := m.(Records)
	if len(r.Records) != 1 || string(r.Records[0].Value) != "v" || r.Records[0].FirstSeen != 7 {
		t.Fatalf("got %+v", r)
	}
	r.Records[0].FirstSeen = 8
	want := bytes.Replace(body, []byte{0x02, 0x07, 0x61}, []byte{0x02, 0x08, 0x61}, 1)
	if got, err := Encode(r); err != nil || !bytes.Equal(got, want) {
		t.Errorf("got %x, want %x (%v)", got, want, err)
	}
}

// refusal is a body that must not parse. Where want is nil it does.
type refusal struct {
	name string
	t    Type
	body []byte
	want error
}

func refused() []refusal {
	hash := append([]byte{0x58, 0x20}, make([]byte, 32)...)
	field := func(key byte, val ...byte) []byte { return append([]byte{0xa1, key}, val...) }
	return []refusal{
		{"empty", TypeAck, nil, ErrNotCanonical},
		{"not a map", TypePing, []byte{0x01}, ErrMalformed},
		{"an array", TypePing, []byte{0x81, 0x01}, ErrMalformed},
		{"null", TypePing, []byte{0xf6}, ErrMalformed},
		{"zero field present", TypePing, field(1, 0x00), ErrMalformed},
		{"key zero", TypePing, field(0, 0x01), ErrMalformed},
		{"negative key", TypePing, []byte{0xa1, 0x20, 0x01}, nil},
		{"hash missing", TypeFindNode, []byte{0xa0}, ErrMalformed},
		{"hash of 31", TypeFindNode, append(field(1, 0x58, 31), make([]byte, 31)...), ErrMalformed},
		{"hash of 33", TypeFindNode, append(field(1, 0x58, 33), make([]byte, 33)...), ErrMalformed},
		{"hash as text", TypeFindNode, append(field(1, 0x78, 32), make([]byte, 32)...), ErrMalformed},
		{"long length", TypePing, field(1, 0x18, 0x01), ErrNotCanonical},
		{"nine-byte small int", TypePing, field(1, 0x1b, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff), ErrNotCanonical},
		{"float", TypePing, field(1, 0xf9, 0x3c, 0x00), ErrNotCanonical},
		{"undefined", TypePing, field(1, 0xf7), ErrNotCanonical},
		{"tag", TypePing, field(1, 0xc1, 0x01), ErrNotCanonical},
		{"indefinite", TypePing, []byte{0xbf, 0x01, 0x01, 0xff}, ErrNotCanonical},
		{"keys swapped", TypeFindNode, append(append([]byte{0xa2, 0x02, 0x01, 0x01}, hash...), 0), ErrNotCanonical},
		{"key twice", TypePing, []byte{0xa2, 0x01, 0x01, 0x01, 0x01}, ErrNotCanonical},
		{"bytes after", TypeAck, []byte{0xa0, 0x00}, ErrNotCanonical},
		{"bad UTF-8", TypeHello, field(3, 0x61, 0xff), ErrNotCanonical},
		{"too deep", TypeAck, append(field(9), bytes.Repeat([]byte{0x81}, 12)...), ErrNotCanonical},
		{"array lies", TypeNodes, field(1, 0x9a, 0xff, 0xff, 0xff, 0xff), ErrTooLarge},
		{"map lies", TypeAck, []byte{0xba, 0xff, 0xff, 0xff, 0xff}, ErrNotCanonical},
		{"bytes lie", TypeHello, field(1, 0x5b, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff), ErrNotCanonical},
		{"ints for bytes", TypeHello, field(1, 0x82, 0x01, 0x02), ErrMalformed},
		{"agent of 65", TypeHello, append(field(3, 0x78, 65), strings.Repeat("a", 65)...), ErrTooLarge},
		{"41 peers", TypeNodes, append(field(1, 0x98, 41), bytes.Repeat([]byte{0x40}, 41)...), ErrTooLarge},
		{"error text of 257", TypeError, append(field(2, 0x79, 1, 1), strings.Repeat("a", 257)...), ErrTooLarge},
		{"block with a tail", TypeBlock, []byte{0x41, 0, 0}, ErrMalformed},
		{"block as text", TypeBlock, []byte{0x61, 'a'}, ErrMalformed},
		{"body above the cap", TypePing, make([]byte, 257), ErrTooLarge},
		{"unknown type", 0x1000, []byte{0xa0}, ErrUnknownType},
	}
}

func TestDecodeRefuses(t *testing.T) {
	for _, c := range refused() {
		if _, err := Decode(c.t, c.body); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", c.name, err, c.want)
		}
	}
}

func TestReadSkipsUnknownTypes(t *testing.T) {
	var b bytes.Buffer
	b.Write([]byte{0x10, 0x07, 0, 0, 0, 3, 'a', 'b', 'c'})
	if err := Write(&b, Ping{Nonce: 1}); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(&b); !errors.Is(err, ErrUnknownType) {
		t.Fatalf("got %v", err)
	}
	if m, err := Read(&b); err != nil || m != (Ping{Nonce: 1}) {
		t.Fatalf("got %v, %v", m, err)
	}
}

// A header may announce what it likes: nothing is allocated above a type's
// limit, and little before bytes arrive.
func TestLengthPrefixAllocation(t *testing.T) {
	frame := func(typ Type, n uint32) []byte {
		h := make([]byte, HeaderSize)
		binary.BigEndian.PutUint16(h, uint16(typ))
		binary.BigEndian.PutUint32(h[2:], n)
		return h
	}
	for typ := range kinds {
		for _, n := range []uint32{uint32(MaxBody(typ)) + 1, 1 << 31, 1<<32 - 1} {
			if _, err := Read(bytes.NewReader(frame(typ, n))); !errors.Is(err, ErrTooLarge) {
				t.Errorf("%v of %d: %v", typ, n, err)
			}
			if _, err := ReadBlock(bytes.NewReader(frame(typ, n)), nil); !errors.Is(err, ErrTooLarge) {
				t.Errorf("%v of %d as a block: %v", typ, n, err)
			}
		}
		lie := frame(typ, uint32(MaxBody(typ)))
		if got := allocated(func() { _, _ = Read(bytes.NewReader(lie)) }); got > 2*firstRead {
			t.Errorf("%v: %d bytes allocated for a header alone", typ, got)
		}
		if _, err := Read(bytes.NewReader(lie)); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%v: %v", typ, err)
		}
	}
	if _, err := Read(bytes.NewReader(frame(0x7777, maxUnknown+1))); !errors.Is(err, ErrTooLarge) {
		t.Errorf("unknown type: %v", err)
	}
}

// allocated returns the bytes f allocates in one run, the mean of several.
func allocated(f func()) uint64 {
	const runs = 8
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range runs {
		f()
	}
	runtime.ReadMemStats(&after)
	return (after.TotalAlloc - before.TotalAlloc) / runs
}

func TestReadBlock(t *testing.T) {
	var b bytes.Buffer
	for _, n := range []int{0, 1, 23, 24, 255, 256, 65535, 65536, joinBelow, joinBelow + 1, MaxBlock} {
		data := bytes.Repeat([]byte{byte(n)}, n)
		for _, buf := range [][]byte{nil, make([]byte, 0, MaxBlock)} {
			if err := WriteBlock(&b, data); err != nil {
				t.Fatal(err)
			}
			got, err := ReadBlock(&b, buf)
			if err != nil || !bytes.Equal(got, data) {
				t.Fatalf("%d bytes: got %d, %v", n, len(got), err)
			}
			if cap(buf) > 0 && n > 0 && &got[0] != &buf[:1][0] {
				t.Errorf("%d bytes: buffer not used", n)
			}
			if err := WriteBlock(&b, data); err != nil {
				t.Fatal(err)
			}
			m, err := Read(&b)
			if block, ok := m.(Block); err != nil || !ok || !bytes.Equal(block.Data, data) {
				t.Fatalf("%d bytes by Read: %v", n, err)
			}
		}
	}
	if err := WriteBlock(&b, make([]byte, MaxBlock+1)); !errors.Is(err, ErrTooLarge) {
		t.Errorf("too large: %v", err)
	}
}

func TestReadBlockOfSomethingElse(t *testing.T) {
	var b bytes.Buffer
	for _, m := range []Message{Missing{}, End{Complete: true}} {
		if err := Write(&b, m); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := ReadBlock(&b, nil); !errors.Is(err, ErrMissing) {
		t.Errorf("missing: %v", err)
	}
	_, err := ReadBlock(&b, nil)
	if other, ok := errors.AsType[*OtherError](err); !ok || other.Message != (End{Complete: true}) {
		t.Errorf("end: %v", err)
	}
	if _, err := ReadBlock(&b, nil); err != io.EOF {
		t.Errorf("end of stream: %v", err)
	}
}

func TestTextsForPeopleAreCut(t *testing.T) {
	long := strings.Repeat("é", 200) + "\xff"
	for _, m := range []Message{Error{Code: CodeInternal, Text: long}, OfferReply{Reason: long}} {
		body, err := Encode(m)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Decode(m.Type(), body); err != nil {
			t.Errorf("%v: %v", m.Type(), err)
		}
	}
}

func TestEncodeRefusesWhatPeersWould(t *testing.T) {
	if _, err := Encode(&Ping{}); !errors.Is(err, ErrMalformed) {
		t.Errorf("pointer: %v", err)
	}
	for _, m := range []Message{
		GetBlocks{Hashes: make([]Hash, MaxBlockHashes+1)},
		Nodes{Peers: make([][]byte, MaxPeers+1)},
		PutRecord{Value: make([]byte, MaxRecord+1)},
		GetPath{Path: strings.Repeat("a", MaxPath+1)},
		Have{Bitmap: make([]byte, MaxBitmap+1)},
		Block{Data: make([]byte, MaxBlock+1)},
	} {
		if _, err := Encode(m); !errors.Is(err, ErrTooLarge) {
			t.Errorf("%v: %v", m.Type(), err)
		}
	}
}

// The largest message the field limits allow must fit the limit of its body.
func TestLimitsAgree(t *testing.T) {
	peers := make([][]byte, MaxPeers)
	for i := range peers {
		peers[i] = bytes.Repeat([]byte{1}, MaxPeerRecord)
	}
	value := bytes.Repeat([]byte{1}, MaxRecord)
	records := make([]StoredRecord, MaxRecords)
	for i := range records {
		records[i] = StoredRecord{Value: value, FirstSeen: 1 << 63}
	}
	providers := make([]Provider, MaxProviders)
	for i := range providers {
		providers[i] = Provider{Peer: peers[0], Full: true, Expires: 1 << 63}
	}
	for _, m := range []Message{
		Nodes{Peers: peers},
		Records{Records: records, Peers: peers},
		Providers{Providers: providers, Peers: peers},
		PutRecord{Value: value}, Stored{Newer: value, FirstSeen: 1 << 63, Incumbent: true},
		GetBlocks{Hashes: make([]Hash, MaxBlockHashes)},
		Block{Data: make([]byte, MaxBlock)},
		GetPath{Path: strings.Repeat("a", MaxPath), Offset: 1 << 63, Limit: 1 << 63},
		Have{Count: 1 << 63, Bitmap: bytes.Repeat([]byte{1}, MaxBitmap)},
		Hello{Record: peers[0], Observed: make([]byte, 52), Agent: strings.Repeat("a", MaxAgent), Time: 1 << 63},
		AddProvider{Peer: peers[0], Full: true, TTL: 1 << 63},
		Offer{Record: value, Size: 1 << 63, Blocks: 1 << 63, First: 1 << 63, Count: 1 << 63},
	} {
		body, err := Encode(m)
		if err == nil {
			_, err = Decode(m.Type(), body)
		}
		if err != nil {
			t.Errorf("%v: %v", m.Type(), err)
		}
	}
}

func ExampleType_String() {
	fmt.Println(TypeFindNode, Type(0x1001))
	// Output: FindNode 0x1001
}

package dht

import (
	"time"

	"altnet/engine/identity"
	"altnet/engine/wire"
)

// Keys in the Store: one prefix byte, then two times 32 bytes.
const (
	recordPrefix   = 'r' // DHT key, owner
	providerPrefix = 'p' // content root, NodeID
	tableKey       = "t" // the saved table
)

// diskRecord and diskProvider are how holdings lie in the Store, in
// deterministic CBOR.
type diskRecord struct {
	Value     []byte `cbor:"1,keyasint"`
	Seq       uint64 `cbor:"2,keyasint"`
	Sum       []byte `cbor:"3,keyasint"`
	FirstSeen uint64 `cbor:"4,keyasint"`
	Refreshed uint64 `cbor:"5,keyasint"`
	Expires   uint64 `cbor:"6,keyasint"`
	KeepUntil uint64 `cbor:"7,keyasint"`
	Tombstone bool   `cbor:"8,keyasint"`
	Exclusive bool   `cbor:"9,keyasint"`
	Node      []byte `cbor:"10,keyasint"`
	Group     string `cbor:"11,keyasint"`
}

type diskProvider struct {
	Peer    []byte `cbor:"1,keyasint"`
	Full    bool   `cbor:"2,keyasint"`
	Added   uint64 `cbor:"3,keyasint"`
	Expires uint64 `cbor:"4,keyasint"`
	Group   string `cbor:"5,keyasint"`
}

func recordKey(key wire.Hash, owner identity.PublicKey) string {
	return joinKey(recordPrefix, key, owner)
}

func providerKey(root wire.Hash, id identity.NodeID) string {
	return joinKey(providerPrefix, root, id)
}

func joinKey(prefix byte, a, b [32]byte) string {
	k := make([]byte, 0, 1+len(a)+len(b))
	k = append(k, prefix)
	k = append(k, a[:]...)
	return string(append(k, b[:]...))
}

func splitKey(k []byte) (a wire.Hash, b [32]byte, ok bool) {
	if len(k) != 1+len(a)+len(b) {
		return a, b, false
	}
	copy(a[:], k[1:])
	copy(b[:], k[1+len(a):])
	return a, b, true
}

func packRecord(h *holding, value []byte) []byte {
	return pack(diskRecord{
		Value: value, Seq: h.Seq, Sum: h.Sum[:],
		FirstSeen: millis(h.FirstSeen), Refreshed: millis(h.Refreshed),
		Expires: millis(h.Expires), KeepUntil: millis(h.KeepUntil),
		Tombstone: h.Tombstone, Exclusive: h.Exclusive,
		Node: h.Source.Node[:], Group: h.Source.Group,
	})
}

// unpackRecord reads what packRecord wrote; the owner is in the key.
func unpackRecord(b []byte) (*holding, []byte, bool) {
	var d diskRecord
	if b == nil || wire.Unmarshal(b, &d) != nil || len(d.Sum) != 32 || len(d.Node) != 32 {
		return nil, nil, false
	}
	return &holding{
		Seq: d.Seq, Sum: [32]byte(d.Sum),
		FirstSeen: instant(d.FirstSeen), Refreshed: instant(d.Refreshed),
		Expires: instant(d.Expires), KeepUntil: instant(d.KeepUntil),
		Tombstone: d.Tombstone, Exclusive: d.Exclusive,
		Source: source{identity.NodeID(d.Node), d.Group},
	}, d.Value, true
}

func packProvider(h *provider, raw []byte) []byte {
	return pack(diskProvider{raw, h.Full, millis(h.Added), millis(h.Expires), h.Source.Group})
}

// unpackProvider reads what packProvider wrote; the NodeID is in the key.
func unpackProvider(b []byte) (*provider, []byte, bool) {
	var d diskProvider
	if b == nil || wire.Unmarshal(b, &d) != nil {
		return nil, nil, false
	}
	return &provider{Full: d.Full, Added: instant(d.Added), Expires: instant(d.Expires),
		Source: source{Group: d.Group}}, d.Peer, true
}

// pack encodes a struct of plain fields, which cannot fail.
func pack(v any) []byte {
	b, err := wire.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}

// maxMillis is the last instant the arithmetic here deals with: the year 2500.
const maxMillis = 16725225600000

// instant turns Unix milliseconds, which may be a peer's, into a time.
func instant(ms uint64) time.Time { return time.UnixMilli(int64(min(ms, maxMillis))) }

func millis(t time.Time) uint64 { return uint64(max(t.UnixMilli(), 0)) }

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

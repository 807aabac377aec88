package wire

import (
	"bytes"
	"net/netip"
	"testing"

	"altnet/engine/identity"
)

// sampleKey is the key of the vectors: 32 bytes of n.
func sampleKey(n byte) identity.Key {
	return identity.FromSeed([32]byte(bytes.Repeat([]byte{n}, 32)))
}

func sampleHash(n byte) Hash { return Hash(bytes.Repeat([]byte{n}, 32)) }

// sampleTime is 2026-01-01 00:00:00 UTC in unix milliseconds.
const sampleTime = 1767225600000

func samplePeer(t testing.TB, n byte) Peer {
	t.Helper()
	p, err := SignPeer(sampleKey(n), Peer{
		Puzzle: uint64(n), Seq: sampleTime, Expires: sampleTime + 86400000, Role: RoleServer | RoleVolunteer,
		Addrs: []Addr{
			AddrOf(netip.MustParseAddrPort("192.0.2.7:9000")),
			AddrOf(netip.MustParseAddrPort("[2001:db8::7]:9000")),
			{Kind: AddrRelay, Relay: sampleKey(9).ID(), IP: netip.MustParseAddrPort("198.51.100.1:443")},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// samples returns at least one message of every type.
func samples(t testing.TB) []Message {
	peer, other := samplePeer(t, 1).Raw, samplePeer(t, 2).Raw
	seen, err := EncodeAddr(AddrOf(netip.MustParseAddrPort("203.0.113.9:40000")))
	if err != nil {
		t.Fatal(err)
	}
	record := Sign(sampleKey(3), "altnet example", []byte{0xa0})
	return []Message{
		Hello{Record: peer, Observed: seen, Agent: "altnet/1.0.0", Time: sampleTime},
		Ping{Nonce: 0x0102030405060708}, Ping{}, Pong{Nonce: 23}, Ack{},
		Error{Code: CodeBusy, Text: "too many requests", RetryAfter: 1500},
		FindNode{Target: sampleHash(0x11)}, FindNode{},
		Nodes{Peers: [][]byte{peer, other}}, Nodes{},
		GetRecords{Key: sampleHash(0x22)},
		Records{Records: []StoredRecord{{Value: record, FirstSeen: sampleTime}, {Value: record}}, Peers: [][]byte{peer}},
		PutRecord{Key: sampleHash(0x22), Value: record},
		Stored{Incumbent: true, FirstSeen: sampleTime}, Stored{FirstSeen: sampleTime, Newer: record},
		GetProviders{Root: sampleHash(0x33)},
		Providers{Providers: []Provider{{Peer: peer, Full: true, Expires: sampleTime}, {Peer: other}}, Peers: [][]byte{other}},
		AddProvider{Root: sampleHash(0x33), Peer: peer, Full: true, TTL: 172800},
		GetBlocks{Root: sampleHash(0x33), Hashes: []Hash{sampleHash(0x44), sampleHash(0x55)}},
		Block{Data: []byte("a block")}, Block{Data: []byte{}}, Missing{},
		GetPath{Root: sampleHash(0x33), Path: "docs/index.html", Offset: 262144, Limit: 1 << 20},
		GetPath{Root: sampleHash(0x33), Limit: 1 << 20, Below: true},
		End{Complete: true}, End{},
		GetHave{Root: sampleHash(0x33)},
		Have{Count: 10, Bitmap: []byte{0xff, 0x80}}, Have{Count: 10, Full: true},
		Offer{Record: record, Root: sampleHash(0x33), Size: 1 << 20, Blocks: 5, First: 1, Count: 2},
		OfferReply{Accepted: true, Until: sampleTime + 172800000, First: 1, Count: 2}, OfferReply{Reason: "no room"},
		Receipt{Root: sampleHash(0x33), Blocks: 2, Until: sampleTime + 172800000},
	}
}

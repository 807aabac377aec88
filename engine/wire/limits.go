package wire

import "fmt"

// Limits on what a message may hold. They are part of the protocol: a sender
// stays below them and a receiver refuses what is above.
const (
	MaxBlock       = 256 << 10 // bytes of a block: a chunk of a file; tree nodes are smaller
	MaxPeers       = 40        // peer records in one message: 2k
	MaxPeerRecord  = 1 << 10   // bytes of a signed peer record
	MaxAddrs       = 8         // addresses in a peer record
	MaxRecord      = 2 << 10   // bytes of a signed record in the DHT
	MaxRecords     = 8         // records in one answer: the incumbent and its rivals
	MaxProviders   = 40        // providers in one answer
	MaxBlockHashes = 4096      // hashes in one GetBlocks
	MaxPath        = 4 << 10   // bytes of a path
	MaxText        = 256       // bytes of a text for people
	MaxAgent       = 64        // bytes of Hello.Agent
	MaxBitmap      = 1 << 20   // bytes of Have.Bitmap: 8 Mi blocks, 2 TiB of full chunks
	maxUnknown     = 64 << 10  // body of a message of unknown type, which is skipped
	fewItems       = 64        // elements of an array in messages that have none yet
)

// kind is what the codec knows about one message type.
type kind struct {
	name   string
	body   int // most bytes of the body
	items  int // most elements of any array in it
	decode func(body []byte, items int) (Message, error)
}

// kinds is the table of PROTOCOL.md section 5; nothing writes to it.
var kinds = map[Type]kind{
	TypeHello: {"Hello", 4 << 10, fewItems, decodeAs[Hello]},
	TypePing:  {"Ping", 256, fewItems, decodeAs[Ping]},
	TypePong:  {"Pong", 256, fewItems, decodeAs[Pong]},
	TypeError: {"Error", 1 << 10, fewItems, decodeAs[Error]},
	TypeAck:   {"Ack", 256, fewItems, decodeAs[Ack]},

	TypeFindNode:     {"FindNode", 256, fewItems, decodeAs[FindNode]},
	TypeNodes:        {"Nodes", 48 << 10, fewItems, decodeAs[Nodes]},
	TypeGetRecords:   {"GetRecords", 256, fewItems, decodeAs[GetRecords]},
	TypeRecords:      {"Records", 72 << 10, fewItems, decodeAs[Records]},
	TypePutRecord:    {"PutRecord", 4 << 10, fewItems, decodeAs[PutRecord]},
	TypeStored:       {"Stored", 4 << 10, fewItems, decodeAs[Stored]},
	TypeGetProviders: {"GetProviders", 256, fewItems, decodeAs[GetProviders]},
	TypeProviders:    {"Providers", 96 << 10, fewItems, decodeAs[Providers]},
	TypeAddProvider:  {"AddProvider", 2 << 10, fewItems, decodeAs[AddProvider]},

	TypeGetBlocks: {"GetBlocks", 144 << 10, MaxBlockHashes, decodeAs[GetBlocks]},
	TypeBlock:     {"Block", maxBlockBody, fewItems, decodeBlock},
	TypeMissing:   {"Missing", 256, fewItems, decodeAs[Missing]},
	TypeGetPath:   {"GetPath", 8 << 10, fewItems, decodeAs[GetPath]},
	TypeEnd:       {"End", 256, fewItems, decodeAs[End]},
	TypeGetHave:   {"GetHave", 256, fewItems, decodeAs[GetHave]},
	TypeHave:      {"Have", MaxBitmap + 256, fewItems, decodeAs[Have]},

	TypeOffer:      {"Offer", 4 << 10, fewItems, decodeAs[Offer]},
	TypeOfferReply: {"OfferReply", 1 << 10, fewItems, decodeAs[OfferReply]},
	TypeReceipt:    {"Receipt", 256, fewItems, decodeAs[Receipt]},
}

// MaxBody returns the most bytes a body of type t may have. Types this version
// does not know have a limit too, since they are read and skipped.
func MaxBody(t Type) int {
	if k, ok := kinds[t]; ok {
		return k.body
	}
	return maxUnknown
}

// String returns the name of the type, or its number in hex.
func (t Type) String() string {
	if k, ok := kinds[t]; ok {
		return k.name
	}
	return fmt.Sprintf("0x%04x", uint16(t))
}

// limit is a field of a message that has a limit of its own.
type limit struct {
	field string
	got   int
	most  int
}

// limits lists the fields of m whose limits are tighter than its body's.
func limits(m Message) []limit {
	switch m := m.(type) {
	case Hello:
		return []limit{{"record", len(m.Record), MaxPeerRecord}, {"agent", len(m.Agent), MaxAgent}}
	case Error:
		return []limit{{"text", len(m.Text), MaxText}}
	case Nodes:
		return peerLimits(m.Peers)
	case Records:
		return append(peerLimits(m.Peers), recordLimits(m.Records)...)
	case PutRecord:
		return []limit{{"value", len(m.Value), MaxRecord}}
	case Stored:
		return []limit{{"newer", len(m.Newer), MaxRecord}}
	case Providers:
		return append(peerLimits(m.Peers), providerLimits(m.Providers)...)
	case AddProvider:
		return []limit{{"peer", len(m.Peer), MaxPeerRecord}}
	case GetBlocks:
		return []limit{{"hashes", len(m.Hashes), MaxBlockHashes}}
	case Block:
		return []limit{{"data", len(m.Data), MaxBlock}}
	case GetPath:
		return []limit{{"path", len(m.Path), MaxPath}}
	case Have:
		return []limit{{"bitmap", len(m.Bitmap), MaxBitmap}}
	case Offer:
		return []limit{{"record", len(m.Record), MaxRecord}}
	case OfferReply:
		return []limit{{"reason", len(m.Reason), MaxText}}
	}
	return nil
}

func peerLimits(peers [][]byte) []limit {
	l := []limit{{"peers", len(peers), MaxPeers}}
	for _, p := range peers {
		l = append(l, limit{"peer", len(p), MaxPeerRecord})
	}
	return l
}

func recordLimits(records []StoredRecord) []limit {
	l := []limit{{"records", len(records), MaxRecords}}
	for _, r := range records {
		l = append(l, limit{"value", len(r.Value), MaxRecord})
	}
	return l
}

func providerLimits(providers []Provider) []limit {
	l := []limit{{"providers", len(providers), MaxProviders}}
	for _, p := range providers {
		l = append(l, limit{"peer", len(p.Peer), MaxPeerRecord})
	}
	return l
}

// checkLimits holds m against the limits of its fields.
func checkLimits(m Message) error {
	for _, l := range limits(m) {
		if l.got > l.most {
			return fmt.Errorf("%v: %s of %d, at most %d: %w", m.Type(), l.field, l.got, l.most, ErrTooLarge)
		}
	}
	return nil
}

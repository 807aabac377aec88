package wire

import "altnet/engine/identity"

// Type is a message type. Ranges are reserved so that later features need no
// flag day; PROTOCOL.md has the table.
type Type uint16

// Message types. 0x10xx relay, 0x11xx punch, 0x12xx challenge (reachability
// and storage), 0x13xx revoke and 0x14xx grant are reserved.
const (
	TypeHello Type = 0x0001
	TypePing  Type = 0x0002
	TypePong  Type = 0x0003
	TypeError Type = 0x0004
	TypeAck   Type = 0x0005

	TypeFindNode     Type = 0x0101
	TypeNodes        Type = 0x0102
	TypeGetRecords   Type = 0x0103
	TypeRecords      Type = 0x0104
	TypePutRecord    Type = 0x0105
	TypeStored       Type = 0x0106
	TypeGetProviders Type = 0x0107
	TypeProviders    Type = 0x0108
	TypeAddProvider  Type = 0x0109

	TypeGetBlocks Type = 0x0201
	TypeBlock     Type = 0x0202
	TypeMissing   Type = 0x0203
	TypeGetPath   Type = 0x0204
	TypeEnd       Type = 0x0205
	TypeGetHave   Type = 0x0206
	TypeHave      Type = 0x0207

	TypeOffer      Type = 0x0301
	TypeOfferReply Type = 0x0302
	TypeReceipt    Type = 0x0303
)

// Message is one of the structs below.
type Message interface{ Type() Type }

// Hello is sent once on the first stream of a session by each side, and again
// when the sender's record changed.
type Hello struct {
	Record   []byte `cbor:"1,keyasint"` // sender's signed peer record
	Observed []byte `cbor:"2,keyasint"` // Addr at which the sender sees the receiver
	Agent    string `cbor:"3,keyasint"` // "altnet/1.2.3", at most 64 bytes
	Time     uint64 `cbor:"4,keyasint"` // sender's clock, unix milliseconds
}

// Ping asks for a Pong with the same nonce.
type Ping struct {
	Nonce uint64 `cbor:"1,keyasint"`
}

// Pong answers Ping.
type Pong struct {
	Nonce uint64 `cbor:"1,keyasint"`
}

// ErrorCode classifies an Error.
type ErrorCode uint64

// Error codes.
const (
	CodeBadRequest  ErrorCode = 1
	CodeUnsupported ErrorCode = 2
	CodeBusy        ErrorCode = 3 // a quota or rate is used up; see RetryAfter
	CodeNotFound    ErrorCode = 4
	CodeRefused     ErrorCode = 5 // policy: blocklist, revocation, invalid record
	CodeInternal    ErrorCode = 6
)

// Error answers a request that was not carried out.
type Error struct {
	Code       ErrorCode `cbor:"1,keyasint"`
	Text       string    `cbor:"2,keyasint"` // for people, at most 256 bytes
	RetryAfter uint64    `cbor:"3,keyasint"` // milliseconds; 0: do not retry
}

// Ack answers a request that needs no more than that.
type Ack struct{}

// FindNode asks for the peers closest to Target.
type FindNode struct {
	Target Hash `cbor:"1,keyasint"`
}

// Nodes answers FindNode with at most 2k signed peer records.
type Nodes struct {
	Peers [][]byte `cbor:"1,keyasint"`
}

// GetRecords asks for the signed records stored under Key.
type GetRecords struct {
	Key Hash `cbor:"1,keyasint"`
}

// StoredRecord is a signed record and when the storing node first saw its
// owner under this key (unix milliseconds).
type StoredRecord struct {
	Value     []byte `cbor:"1,keyasint"`
	FirstSeen uint64 `cbor:"2,keyasint"`
}

// Records answers GetRecords: the incumbent first, then rivals, then the
// closest peers the answerer knows.
type Records struct {
	Records []StoredRecord `cbor:"1,keyasint"`
	Peers   [][]byte       `cbor:"2,keyasint"`
}

// PutRecord asks to store a signed record under Key.
type PutRecord struct {
	Key   Hash   `cbor:"1,keyasint"`
	Value []byte `cbor:"2,keyasint"`
}

// Stored answers PutRecord. Incumbent is false where the node keeps an
// earlier owner's record ahead of this one. Newer holds the record the node
// prefers to the one sent (a higher sequence), so that a stale announcer learns.
type Stored struct {
	Incumbent bool   `cbor:"1,keyasint"`
	FirstSeen uint64 `cbor:"2,keyasint"`
	Newer     []byte `cbor:"3,keyasint"`
}

// GetProviders asks who holds the site with this root.
type GetProviders struct {
	Root Hash `cbor:"1,keyasint"`
}

// Provider is a holder of a site.
type Provider struct {
	Peer    []byte `cbor:"1,keyasint"` // signed peer record
	Full    bool   `cbor:"2,keyasint"` // has every block
	Expires uint64 `cbor:"3,keyasint"` // unix milliseconds
}

// Providers answers GetProviders.
type Providers struct {
	Providers []Provider `cbor:"1,keyasint"`
	Peers     [][]byte   `cbor:"2,keyasint"`
}

// AddProvider says that the sender (whom the session authenticates) holds a
// site. TTL is in seconds, at most 48 h. 0 withdraws.
type AddProvider struct {
	Root Hash   `cbor:"1,keyasint"`
	Peer []byte `cbor:"2,keyasint"` // sender's signed peer record
	Full bool   `cbor:"3,keyasint"`
	TTL  uint64 `cbor:"4,keyasint"`
}

// GetBlocks asks for blocks; the answer is one Block or Missing per hash, in
// order, then the stream ends.
type GetBlocks struct {
	Hashes []Hash `cbor:"1,keyasint"`
}

// Block carries a block's bytes, at most MaxBlock. On the wire its body is
// one CBOR byte string, so that it is written and read without copying.
type Block struct {
	Data []byte
}

// Missing stands for a block the holder does not have.
type Missing struct{}

// GetPath asks for everything needed to show one path of a site: the tree
// nodes from the root along Path, then the file's own nodes and its chunks
// from Offset on, at most Limit bytes of chunks, each as a Block, then End.
// A directory answers with its index.html where it has one.
type GetPath struct {
	Root   Hash   `cbor:"1,keyasint"`
	Path   string `cbor:"2,keyasint"` // slash-separated, no leading slash, "" is the root
	Offset uint64 `cbor:"3,keyasint"`
	Limit  uint64 `cbor:"4,keyasint"`
}

// End closes a sequence of Blocks. Complete is false where the holder lacked
// some of them.
type End struct {
	Complete bool `cbor:"1,keyasint"`
}

// GetHave asks which blocks of a site the peer holds.
type GetHave struct {
	Root Hash `cbor:"1,keyasint"`
}

// Have answers GetHave: a bitmap over the distinct blocks in canonical
// preorder, most significant bit first; empty with Full set where all are held.
type Have struct {
	Count  uint64 `cbor:"1,keyasint"` // distinct blocks; 0 where not known yet
	Full   bool   `cbor:"2,keyasint"`
	Bitmap []byte `cbor:"3,keyasint"`
}

// Offer asks a volunteer to keep a site, or a range of its distinct blocks in
// canonical preorder, under a lease. The volunteer pulls the blocks from the
// offerer and every other holder it finds.
type Offer struct {
	Record []byte `cbor:"1,keyasint"` // the signed name record that vouches for Root
	Root   Hash   `cbor:"2,keyasint"`
	Size   uint64 `cbor:"3,keyasint"` // bytes of all distinct blocks
	Blocks uint64 `cbor:"4,keyasint"` // distinct blocks
	First  uint64 `cbor:"5,keyasint"`
	Count  uint64 `cbor:"6,keyasint"` // 0: to the end
}

// OfferReply answers Offer at once. Accepted with Until in the past never
// happens; Until is unix milliseconds.
type OfferReply struct {
	Accepted bool   `cbor:"1,keyasint"`
	Until    uint64 `cbor:"2,keyasint"`
	First    uint64 `cbor:"3,keyasint"` // the range it will keep
	Count    uint64 `cbor:"4,keyasint"`
	Reason   string `cbor:"5,keyasint"` // where refused; at most 256 bytes
}

// Receipt follows OfferReply on the same stream once every block of the range
// is verified and durable on the volunteer.
type Receipt struct {
	Root   Hash   `cbor:"1,keyasint"`
	Blocks uint64 `cbor:"2,keyasint"`
	Until  uint64 `cbor:"3,keyasint"`
}

// Signed is the envelope of every signed object: Body is what was signed, as
// opaque bytes, and exactly those bytes are verified.
type Signed struct {
	_    struct{} `cbor:",toarray"`
	Body []byte
	Sig  []byte
}

// Self says which key signs in this process; peers are known by NodeID.
type Self struct {
	Key    identity.Key
	Puzzle uint64
}

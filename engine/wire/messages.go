package wire

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

// Message is one of the structs below, by value.
type Message interface{ Type() Type }

// Hello is sent once on the first stream of a session by each side, and again
// when the sender's record changed.
type Hello struct {
	Extra `cbor:"-"`

	Record   []byte `cbor:"1,keyasint,omitempty"` // sender's signed peer record
	Observed []byte `cbor:"2,keyasint,omitempty"` // Addr at which the sender sees the receiver
	Agent    string `cbor:"3,keyasint,omitempty"` // "altnet/1.2.3", at most 64 bytes
	Time     uint64 `cbor:"4,keyasint,omitempty"` // sender's clock, unix milliseconds
}

// Ping asks for a Pong with the same nonce.
type Ping struct {
	Extra `cbor:"-"`

	Nonce uint64 `cbor:"1,keyasint,omitempty"`
}

// Pong answers Ping.
type Pong struct {
	Extra `cbor:"-"`

	Nonce uint64 `cbor:"1,keyasint,omitempty"`
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
	Extra `cbor:"-"`

	Code       ErrorCode `cbor:"1,keyasint,omitempty"`
	Text       string    `cbor:"2,keyasint,omitempty"` // for people, at most 256 bytes
	RetryAfter uint64    `cbor:"3,keyasint,omitempty"` // milliseconds; 0: do not retry
}

// Ack answers a request that needs no more than that.
type Ack struct {
	Extra `cbor:"-"`
}

// FindNode asks for the peers closest to Target.
type FindNode struct {
	Extra `cbor:"-"`

	Target Hash `cbor:"1,keyasint"`
}

// Nodes answers FindNode with at most 2k signed peer records.
type Nodes struct {
	Extra `cbor:"-"`

	Peers [][]byte `cbor:"1,keyasint,omitempty"`
}

// GetRecords asks for the signed records stored under Key.
type GetRecords struct {
	Extra `cbor:"-"`

	Key Hash `cbor:"1,keyasint"`
}

// StoredRecord is a signed record and when the storing node first saw its
// owner under this key (unix milliseconds).
type StoredRecord struct {
	Extra `cbor:"-"`

	Value     []byte `cbor:"1,keyasint,omitempty"`
	FirstSeen uint64 `cbor:"2,keyasint,omitempty"`
}

// Records answers GetRecords: the incumbent first, then rivals, then the
// closest peers the answerer knows.
type Records struct {
	Extra `cbor:"-"`

	Records []StoredRecord `cbor:"1,keyasint,omitempty"`
	Peers   [][]byte       `cbor:"2,keyasint,omitempty"`
}

// PutRecord asks to store a signed record under Key.
type PutRecord struct {
	Extra `cbor:"-"`

	Key   Hash   `cbor:"1,keyasint"`
	Value []byte `cbor:"2,keyasint,omitempty"`
}

// Stored answers PutRecord. Incumbent is false where the node keeps an
// earlier owner's record ahead of this one. Newer holds the record the node
// prefers to the one sent (a higher sequence), so that a stale announcer learns.
type Stored struct {
	Extra `cbor:"-"`

	Incumbent bool   `cbor:"1,keyasint,omitempty"`
	FirstSeen uint64 `cbor:"2,keyasint,omitempty"`
	Newer     []byte `cbor:"3,keyasint,omitempty"`
}

// GetProviders asks who holds the site with this root.
type GetProviders struct {
	Extra `cbor:"-"`

	Root Hash `cbor:"1,keyasint"`
}

// Provider is a holder of a site.
type Provider struct {
	Extra `cbor:"-"`

	Peer    []byte `cbor:"1,keyasint,omitempty"` // signed peer record
	Full    bool   `cbor:"2,keyasint,omitempty"` // has every block
	Expires uint64 `cbor:"3,keyasint,omitempty"` // unix milliseconds
}

// Providers answers GetProviders.
type Providers struct {
	Extra `cbor:"-"`

	Providers []Provider `cbor:"1,keyasint,omitempty"`
	Peers     [][]byte   `cbor:"2,keyasint,omitempty"`
}

// AddProvider says that the sender (whom the session authenticates) holds a
// site. TTL is in seconds, at most 48 h. 0 withdraws.
type AddProvider struct {
	Extra `cbor:"-"`

	Root Hash   `cbor:"1,keyasint"`
	Peer []byte `cbor:"2,keyasint,omitempty"` // sender's signed peer record
	Full bool   `cbor:"3,keyasint,omitempty"`
	TTL  uint64 `cbor:"4,keyasint,omitempty"`
}

// GetBlocks asks for blocks; the answer is one Block or Missing per hash, in
// order, then the stream ends. Root says as part of which site they are asked
// for: a holder hands out blocks of sites that it shares and none of those it
// merely read.
type GetBlocks struct {
	Extra `cbor:"-"`

	Hashes Hashes `cbor:"1,keyasint,omitzero"`
	Root   Hash   `cbor:"2,keyasint"`
}

// Block carries a block's bytes, at most MaxBlock. On the wire its body is
// one CBOR byte string, so that it is written and read without copying.
type Block struct {
	Data []byte
}

// Missing stands for a block the holder does not have.
type Missing struct {
	Extra `cbor:"-"`
}

// GetPath asks for everything needed to show one path of a site: the tree
// nodes from the root along Path, then the file's own nodes and its chunks
// from Offset on, at most Limit bytes of chunks, each as a Block, then End.
// A directory answers with its index.html where it has one. With Below set it
// asks for every block of the site instead, in canonical preorder, as long as
// they are at most Limit bytes together; Path and Offset are not set then.
type GetPath struct {
	Extra `cbor:"-"`

	Root   Hash   `cbor:"1,keyasint"`
	Path   string `cbor:"2,keyasint,omitempty"` // slash-separated, no leading slash, "" is the root
	Offset uint64 `cbor:"3,keyasint,omitempty"`
	Limit  uint64 `cbor:"4,keyasint,omitempty"`
	Below  bool   `cbor:"5,keyasint,omitempty"`
}

// End closes a sequence of Blocks. Complete is false where the holder lacked
// some of them.
type End struct {
	Extra `cbor:"-"`

	Complete bool `cbor:"1,keyasint,omitempty"`
}

// GetHave asks which blocks of a site the peer holds.
type GetHave struct {
	Extra `cbor:"-"`

	Root Hash `cbor:"1,keyasint"`
}

// Have answers GetHave: a bitmap over the distinct blocks in canonical
// preorder, most significant bit first; empty with Full set where all are held.
type Have struct {
	Extra `cbor:"-"`

	Count  uint64 `cbor:"1,keyasint,omitempty"` // distinct blocks; 0 where not known yet
	Full   bool   `cbor:"2,keyasint,omitempty"`
	Bitmap []byte `cbor:"3,keyasint,omitempty"`
}

// Offer asks a volunteer to keep a site, or a range of its distinct blocks in
// canonical preorder, under a lease. The volunteer pulls the blocks from the
// offerer and every other holder it finds.
type Offer struct {
	Extra `cbor:"-"`

	Record []byte `cbor:"1,keyasint,omitempty"` // the signed name record that vouches for Root
	Root   Hash   `cbor:"2,keyasint"`
	Size   uint64 `cbor:"3,keyasint,omitempty"` // bytes of all distinct blocks
	Blocks uint64 `cbor:"4,keyasint,omitempty"` // distinct blocks
	First  uint64 `cbor:"5,keyasint,omitempty"`
	Count  uint64 `cbor:"6,keyasint,omitempty"` // 0: to the end
}

// OfferReply answers Offer at once. Accepted with Until in the past never
// happens; Until is unix milliseconds.
type OfferReply struct {
	Extra `cbor:"-"`

	Accepted bool   `cbor:"1,keyasint,omitempty"`
	Until    uint64 `cbor:"2,keyasint,omitempty"`
	First    uint64 `cbor:"3,keyasint,omitempty"` // the range it will keep
	Count    uint64 `cbor:"4,keyasint,omitempty"`
	Reason   string `cbor:"5,keyasint,omitempty"` // where refused; at most 256 bytes
}

// Receipt follows OfferReply on the same stream once every block of the range
// is verified and durable on the volunteer.
type Receipt struct {
	Extra `cbor:"-"`

	Root   Hash   `cbor:"1,keyasint"`
	Blocks uint64 `cbor:"2,keyasint,omitempty"`
	Until  uint64 `cbor:"3,keyasint,omitempty"`
}

// Package control is how everything outside the engine talks to it: the
// Control interface with its plain types, a Client that speaks it as JSON over
// HTTP on a local socket, and Serve, the other end.
//
// The engine implements Control itself, so window, tray, prompt and commands
// do not know whether the node runs in their own process or as a service.
// The suite in controltest holds both to the same behaviour.
//
// # Who is calling
//
// Serve learns from the operating system who holds the other end of a
// connection and puts it into the context (Caller, CallerFrom). Operators may
// use every method; anybody else sees whether the node is online, and no more.
// Among operators, what one user published is not shown to another.
package control

import (
	"context"
	"io"
	"iter"
	"time"

	"altnet/engine/wire"
)

// Control is what a node does for the person at the computer.
//
// Errors are, or wrap, the sentinels of this package; they survive the
// crossing to a Client. A name is a human name ("pg.alt", the suffix may be
// missing) or a key address; a target is a name or a content root in hex.
type Control interface {
	// Status says how the node is doing.
	Status(ctx context.Context) (Status, error)
	// Peers lists the peers in session and those of the routing table.
	Peers(ctx context.Context) ([]Peer, error)
	// SetOnline joins the network or leaves it. Offline, local copies stay
	// readable and no packet is sent. The choice outlives a restart.
	SetOnline(ctx context.Context, online bool) error
	// Events yields a status event at once, so that a reader needs nothing
	// else to draw its first picture, then what changes, until ctx ends, the
	// reader stops or the node closes (which yields an error last, unless ctx
	// ended). A slow reader misses events between, never the latest status.
	Events(ctx context.Context) iter.Seq2[Event, error]

	// HaveBlocks says of each hash whether the store holds the block, so that
	// an update uploads only what changed.
	HaveBlocks(ctx context.Context, hashes []wire.Hash) ([]bool, error)
	// PutBlocks stores blocks durably. Every block is checked against its
	// hash: ErrInvalid for a wrong one, and blocks before it may have been
	// stored. The data is used only until the iterator continues. Blocks that
	// no site adopts are swept after a day; a user of a service may have half
	// of the free room so, and gets ErrFull beyond that.
	PutBlocks(ctx context.Context, blocks iter.Seq2[wire.Hash, []byte]) error
	// Publish adopts the site whose signed record it is given as the caller's
	// own, announces the record and offers the site to volunteers. Every
	// block must be there (ErrMissing), and on a service be one that the
	// caller put, published or pinned. It returns once another peer has
	// confirmed a complete copy, or with the receipt as it stands when that
	// takes too long: a receipt without copies is not an error.
	Publish(ctx context.Context, p PublishRequest) (Receipt, error)
	// Withdraw announces a signed tombstone, which is the request's record, and
	// keeps announcing it.
	Withdraw(ctx context.Context, p PublishRequest) (Receipt, error)
	// Receipt tells how far the copies of one of the caller's sites have come.
	Receipt(ctx context.Context, name string) (Receipt, error)
	// Sites lists what the caller published or pinned; an administrator and
	// the node's own process see everybody's.
	Sites(ctx context.Context) ([]Site, error)
	// Versions lists the kept versions of one of the caller's sites, newest
	// first.
	Versions(ctx context.Context, name string) ([]Version, error)
	// DropVersion forgets one version that is not the current one.
	DropVersion(ctx context.Context, name string, seq uint64) error

	// Resolve finds out what a name stands for. With ErrConflict and
	// ErrOwnerChanged the Resolution is filled in too and lists the rivals.
	Resolve(ctx context.Context, name string) (Resolution, error)
	// Accept trusts the present owner of a name whose owner changed.
	Accept(ctx context.Context, name string) error
	// Archive streams a site as a tar archive, fetching what is not here yet:
	// regular files only, in canonical order, slash-separated relative paths.
	// An error that comes up under way is what Read returns last.
	Archive(ctx context.Context, target string) (io.ReadCloser, error)
	// SetPinned keeps a site complete on this node and shares it, or stops
	// doing so. Pinning returns when the site is complete here.
	SetPinned(ctx context.Context, name string, pinned bool) error

	// Connect joins the network through host:port or nodeid@host:port.
	Connect(ctx context.Context, addr string) (Peer, error)
	// Ping measures a round trip to a peer, given by NodeID (a unique prefix
	// will do where the peer is known) or as for Connect.
	Ping(ctx context.Context, peer string) (Pong, error)
	// Find looks a key up in the DHT: a name, a content root, or any 64 hex
	// digits.
	Find(ctx context.Context, target string) (Found, error)
	// Put stores one block of 1 to wire.MaxBlock bytes, announces this
	// node as its holder and returns its hash.
	Put(ctx context.Context, data []byte) (wire.Hash, error)
	// Get returns one block, from here or from a holder.
	Get(ctx context.Context, hash wire.Hash) ([]byte, error)

	// Settings returns what may be changed while the node runs.
	Settings(ctx context.Context) (Settings, error)
	// SetSettings puts all of them in force at once and for the starts to come.
	// ErrInvalid names the field that cannot be so.
	SetSettings(ctx context.Context, s Settings) error
	// Pause exchanges nothing with peers until a time, across restarts too.
	// The zero time and one that is past end a pause at once.
	Pause(ctx context.Context, until time.Time) error
	// Forget erases what is kept for others and what was merely read; own and
	// pinned sites stay. It returns the bytes freed.
	Forget(ctx context.Context) (int64, error)
	// Logs returns the newest lines of the log, oldest first, MaxLogs at most.
	// They hold no secrets and nothing of who read what.
	Logs(ctx context.Context) ([]LogLine, error)
	// ProveGateway has the node find out that its own gateway is what answers
	// at the addresses of its http doors, and returns those as this computer
	// reaches them, host:port.
	// ErrImpostor: another program does, and no browser may be led there.
	// It is for who cannot read the secret in the node's folder.
	ProveGateway(ctx context.Context) ([]string, error)

	// Activity tells of visits to one of the caller's sites on this node, and
	// of its copies, over the last ActivityDays days, oldest first. Who shares
	// the node is told of visits to sites that they published alone.
	Activity(ctx context.Context, name string) (Activity, error)
	// Visited lists the sites that the caller opened through this node's
	// gateway, newest first.
	Visited(ctx context.Context) ([]Visited, error)
	// ClearVisited forgets them.
	ClearVisited(ctx context.Context) error
	// SetBlocked keeps a name, a key address or a content root out of this
	// node: never resolved, served or stored again, and what is here of it is
	// erased. Taking the block back brings nothing back.
	SetBlocked(ctx context.Context, target string, blocked bool) error
	// Blocked lists what SetBlocked keeps out, newest first.
	Blocked(ctx context.Context) ([]Blocked, error)
	// Preview opens a kept version of one of the caller's sites under an
	// unguessable host of its own for PreviewTime, and returns its URL. Nothing
	// is announced.
	Preview(ctx context.Context, name string, seq uint64) (string, error)
}

// Status is how a node is doing. Who only uses the node is not shown what its
// users together do with it; a stranger, Version and Online alone.
type Status struct {
	Version   string    `json:"version"`
	Online    bool      `json:"online"`              // the user wants to be in the network
	Connected bool      `json:"connected"`           // at least one peer is in session
	NodeID    string    `json:"node_id,omitempty"`   // hex
	User      string    `json:"user,omitempty"`      // for whom the node takes the caller: user ID or SID
	Operator  bool      `json:"operator"`            // the caller may use every method
	Network   string    `json:"network,omitempty"`   // name of the network
	Agent     string    `json:"agent,omitempty"`     // what the node calls itself to peers
	Started   time.Time `json:"started,omitzero"`    //
	Listen    []string  `json:"listen,omitempty"`    // where peers are accepted
	Addresses []string  `json:"addresses,omitempty"` // what the node announces
	Doors     Doors     `json:"doors,omitzero"`
	Peers     int       `json:"peers"` // in session
	DHT       DHT       `json:"dht,omitzero"`
	Store     Store     `json:"store,omitzero"`
	Traffic   Traffic   `json:"traffic,omitzero"`
	Sites     int       `json:"sites"`   // published here, of all users
	Keeping   int       `json:"keeping"` // other people's, under lease

	Data      string  `json:"data,omitempty"`   // folder of the node
	Host      Host    `json:"host,omitempty"`   // which process the node lives in
	Accepted  bool    `json:"accepted"`         // somebody agreed to this computer being a peer, where that is asked
	Paused    *Paused `json:"paused,omitempty"` // nil: not paused
	Reach     Reach   `json:"reach,omitempty"`  // how peers get here
	MonthUsed int64   `json:"month_used"`       // bytes up and down in this calendar month
}

// Doors are the local ways in for browsers; empty where closed.
type Doors struct {
	Gateway    string `json:"gateway,omitempty"`     // host:port of the http gateway and proxy
	GatewayTLS string `json:"gateway_tls,omitempty"` // host:port of the https gateway
	DNS        string `json:"dns,omitempty"`         // host:port of the DNS server
	PAC        string `json:"pac,omitempty"`         // URL of the proxy configuration, its path this installation's own
	CA         string `json:"ca,omitempty"`          // path of the root certificate
	// CAFingerprint is SHA-256 of the root certificate in hex, by which it is
	// found in a trust store.
	CAFingerprint string `json:"ca_fingerprint,omitempty"`
}

// DHT is the node's part in the distributed hash table.
type DHT struct {
	Peers     int      `json:"peers"`     // in the routing table
	Estimate  int      `json:"estimate"`  // peers in the whole network, roughly
	Records   int      `json:"records"`   // stored here for others
	Providers int      `json:"providers"` // provider entries stored here
	Server    bool     `json:"server"`    // answers requests
	Buckets   []Bucket `json:"buckets,omitempty"`
}

// Bucket is one bucket of the routing table: peers whose IDs share exactly
// Prefix leading bits with the node's.
type Bucket struct {
	Prefix int `json:"prefix"`
	Peers  int `json:"peers"`
}

// Store is the use of the store, in bytes unless stated.
type Store struct {
	Used   int64 `json:"used"`
	Budget int64 `json:"budget"`
	Own    int64 `json:"own"`
	Pinned int64 `json:"pinned"`
	Leased int64 `json:"leased"`
	Cache  int64 `json:"cache"`
	Blocks int   `json:"blocks"` // number
	Roots  int   `json:"roots"`  // number
}

// Traffic counts bytes to and from peers since the start.
type Traffic struct {
	Up   uint64 `json:"up"`
	Down uint64 `json:"down"`
}

// Peer is another node.
type Peer struct {
	ID        string        `json:"id"` // NodeID in hex
	Addresses []string      `json:"addresses,omitempty"`
	Agent     string        `json:"agent,omitempty"`
	Connected bool          `json:"connected"`      // in session
	Inbound   bool          `json:"inbound"`        // the session was opened by the peer
	Routing   bool          `json:"routing"`        // stands in the routing table
	Server    bool          `json:"server"`         // answers DHT requests
	Volunteer bool          `json:"volunteer"`      // keeps other people's sites
	RTT       time.Duration `json:"rtt_ns"`         // 0: not measured
	Since     time.Time     `json:"since,omitzero"` // of the session
	Up        uint64        `json:"up"`             // bytes to the peer
	Down      uint64        `json:"down"`           // bytes from the peer
}

// EventKind says which field of an Event is set.
type EventKind string

// The kinds of event.
const (
	EventStatus   EventKind = "status"   // Status: first, and when something in it changed that people see
	EventReceipt  EventKind = "receipt"  // Receipt: another copy of a site of the caller's, or one less
	EventProgress EventKind = "progress" // Progress: something long is under way
	EventSite     EventKind = "site"     // Site: published, updated, withdrawn, pinned, unpinned
	EventNotice   EventKind = "notice"   // Notice: something the person should read
)

// Event is something that changed.
type Event struct {
	Kind     EventKind `json:"kind"`
	Time     time.Time `json:"time"`
	Status   *Status   `json:"status,omitempty"`
	Receipt  *Receipt  `json:"receipt,omitempty"`
	Progress *Progress `json:"progress,omitempty"`
	Site     *Site     `json:"site,omitempty"`
	Notice   *Notice   `json:"notice,omitempty"`
}

// TaskOffer is the task of giving copies of an own site to other peers. The one
// that has come furthest counts.
const TaskOffer = "offer"

// Progress is how far something long has come. It has ended when Done equals
// Total or Error is set.
type Progress struct {
	Task  string `json:"task"` // "fetch", "pin", TaskOffer
	Name  string `json:"name,omitempty"`
	Root  string `json:"root,omitempty"`
	Done  int64  `json:"done"`  // bytes
	Total int64  `json:"total"` // bytes; 0: not known yet
	Error string `json:"error,omitempty"`
}

// PublishRequest is a signed record and what only the author's node notes.
type PublishRequest struct {
	Record []byte `json:"record"`
	Note   string `json:"note,omitempty"` // the author's remark on this version
	// Proof shows that the caller has the key that signed: record.Prove for the
	// node and the user of Status. Where several users share the node nothing
	// is published without it (ErrDenied), since anybody may have read the
	// record in the network; and who has it gets a site back that is in another
	// user's hands.
	Proof []byte `json:"proof,omitempty"`
}

// Receipt tells honestly what the network has confirmed of a site.
type Receipt struct {
	Name      string         `json:"name"`    // "pg.alt", or the key address where there is no human name
	Address   string         `json:"address"` // key address, always works
	Root      string         `json:"root"`    // content root, hex
	Seq       uint64         `json:"seq"`
	Size      int64          `json:"size"`      // bytes of all distinct blocks
	Withdrawn bool           `json:"withdrawn"` // the record is a tombstone
	Records   int            `json:"records"`   // peers that stored the signed record
	Copies    int            `json:"copies"`    // complete copies on other peers
	Confirmed []Confirmation `json:"confirmed,omitempty"`
	Sleeps    bool           `json:"sleeps"` // fewer than two remote copies: offline when this computer is
}

// Confirmation is a peer's word that it keeps a site, or a range of it.
type Confirmation struct {
	Peer   string    `json:"peer"` // NodeID in hex
	Blocks uint64    `json:"blocks"`
	Full   bool      `json:"full"`
	Until  time.Time `json:"until"` // end of the lease
}

// Site is a site that the caller published or pinned.
type Site struct {
	Name      string    `json:"name"`
	Address   string    `json:"address"` // key address
	Root      string    `json:"root"`    // hex
	Seq       uint64    `json:"seq"`
	Size      int64     `json:"size"` // bytes
	Own       bool      `json:"own"`  // published here
	Pinned    bool      `json:"pinned"`
	Withdrawn bool      `json:"withdrawn"`
	Copies    int       `json:"copies"` // complete ones on other peers
	Sleeps    bool      `json:"sleeps"`
	Published time.Time `json:"published,omitzero"`
	Expires   time.Time `json:"expires,omitzero"` // of the record
	User      string    `json:"user,omitempty"`   // who published or pinned it
}

// Version is one published state of a site.
type Version struct {
	Seq     uint64    `json:"seq"`
	Root    string    `json:"root"` // hex
	Size    int64     `json:"size"` // bytes
	Time    time.Time `json:"time"`
	Note    string    `json:"note,omitempty"`
	Current bool      `json:"current"`
}

// Resolution is what a name stands for.
type Resolution struct {
	Name    string    `json:"name"`
	Unicode string    `json:"unicode,omitempty"` // how people read it, where that differs and is safe
	Warning string    `json:"warning,omitempty"` // mixed scripts and the like
	Address string    `json:"address"`           // key address
	Owner   string    `json:"owner"`             // root key, hex
	Root    string    `json:"root"`              // hex
	Seq     uint64    `json:"seq"`
	Size    int64     `json:"size"` // bytes
	Issued  time.Time `json:"issued,omitzero"`
	Expires time.Time `json:"expires,omitzero"`
	Stale   bool      `json:"stale"`   // the last known state; the network could not be asked
	Pinned  bool      `json:"pinned"`  // decided by this node's pin of the owner
	Answers int       `json:"answers"` // IP groups that answered
	Rivals  []Rival   `json:"rivals,omitempty"`
	Record  []byte    `json:"record,omitempty"` // signed bytes
}

// Rival is another owner who claims the same name.
type Rival struct {
	Address   string    `json:"address"` // key address
	Owner     string    `json:"owner"`   // root key, hex
	Root      string    `json:"root"`    // hex
	FirstSeen time.Time `json:"first_seen,omitzero"`
	Answers   int       `json:"answers"` // IP groups that back it
}

// Pong is the answer to a Ping.
type Pong struct {
	Peer Peer          `json:"peer"`
	RTT  time.Duration `json:"rtt_ns"`
}

// Found is what the DHT knows about a key.
type Found struct {
	Key       string        `json:"key"`     // hex
	Closest   []Peer        `json:"closest"` // nearest first
	Records   int           `json:"records"` // distinct owners' records under the key
	Providers []Provider    `json:"providers,omitempty"`
	Requests  int           `json:"requests"` // that the look-up sent
	Took      time.Duration `json:"took_ns"`
}

// Provider is a holder of a site.
type Provider struct {
	Peer string `json:"peer"` // NodeID in hex
	Full bool   `json:"full"`
}

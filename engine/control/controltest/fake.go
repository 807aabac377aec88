package controltest

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"altnet/engine/control"
	"altnet/engine/wire"
)

// Fake is a Control in memory, with one peer that confirms every publish. Its
// records are unsigned JSON and its sites a tar in blocks (see FakeSite): it
// stands in for a node wherever only what Control promises matters.
type Fake struct {
	mu      sync.Mutex
	online  bool
	blocks  map[wire.Hash][]byte
	uploads map[upload]bool
	sites   map[string]*fakeSite // by name
	foreign map[string]Foreign
	watch   map[chan struct{}]bool
	closed  bool
	person  person
}

// upload is a block that a user put.
type upload struct {
	user string
	hash wire.Hash
}

type fakeSite struct {
	user      string
	own       bool
	pins      map[string]bool // users who pinned it
	withdrawn bool
	versions  []fakeVersion // oldest first
	seq       uint64
}

type fakeVersion struct {
	record fakeRecord
	note   string
	time   time.Time
}

type fakeRecord struct {
	Name      string
	Root      string
	Seq       uint64
	Size      int64
	Tombstone bool
}

// Foreign is what Resolve says of a name that somebody else published.
type Foreign struct {
	Resolution control.Resolution
	Err        error
}

var _ control.Control = (*Fake)(nil)

const (
	fakeNode = "00000000000000000000000000000000000000000000000000000000000000aa"
	fakePeer = "00000000000000000000000000000000000000000000000000000000000000bb"
	fakeAddr = "192.0.2.1:9000"
)

// NewFake returns a node that is online and holds nothing.
func NewFake() *Fake {
	return &Fake{
		online:  true,
		blocks:  map[wire.Hash][]byte{},
		uploads: map[upload]bool{},
		sites:   map[string]*fakeSite{},
		foreign: map[string]Foreign{},
		watch:   map[chan struct{}]bool{},
		person:  newPerson(),
	}
}

// SetForeign makes Resolve answer so for name.
func (f *Fake) SetForeign(name string, as Foreign) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.foreign[name] = as
}

// Close ends every Events with ErrClosed.
func (f *Fake) Close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	f.changedLocked()
}

func (f *Fake) changedLocked() {
	for ch := range f.watch {
		select {
		case ch <- struct{}{}:
		default:
		}
	}
}

// Status implements control.Control.
func (f *Fake) Status(ctx context.Context) (control.Status, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.statusLocked(), ctx.Err()
}

func (f *Fake) statusLocked() control.Status {
	s := control.Status{
		Version: "0.0.0-fake", Online: f.online, Connected: f.online, NodeID: fakeNode, Network: "altnet",
		Started: time.Unix(1_700_000_000, 0).UTC(), Listen: []string{"127.0.0.1:9000"},
		Doors: control.Doors{Gateway: "127.0.0.1:8080", DNS: "127.0.0.1:5353", PAC: "http://127.0.0.1:8080/proxy.pac"},
		DHT:   control.DHT{Peers: 1, Estimate: 2, Buckets: []control.Bucket{{Prefix: 0, Peers: 1}}},
		Store: control.Store{Budget: f.person.settings.DiskBudget, Blocks: len(f.blocks), Roots: len(f.sites)},
		Data:  "/fake/data", Host: control.HostCommand, Accepted: !f.person.settings.Accepted.IsZero(),
		Paused: f.pausedLocked(), Reach: control.ReachDirect,
	}
	s.Connected = s.Online && s.Paused == nil
	if s.Connected {
		s.Peers = 1
	}
	for _, data := range f.blocks {
		s.Store.Used += int64(len(data))
	}
	for _, site := range f.sites {
		if site.own {
			s.Sites++
		}
	}
	return s
}

// Peers implements control.Control.
func (f *Fake) Peers(ctx context.Context) ([]control.Peer, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	p := peer()
	p.Connected = f.online
	return []control.Peer{p}, ctx.Err()
}

func peer() control.Peer {
	return control.Peer{
		ID: fakePeer, Addresses: []string{fakeAddr}, Agent: "altnet/fake",
		Connected: true, Routing: true, Server: true, RTT: 20 * time.Millisecond,
	}
}

// SetOnline implements control.Control.
func (f *Fake) SetOnline(ctx context.Context, online bool) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.online = online
	f.changedLocked()
	return ctx.Err()
}

// Events implements control.Control. It yields status events, and what Notify
// is given.
func (f *Fake) Events(ctx context.Context) iter.Seq2[control.Event, error] {
	return func(yield func(control.Event, error) bool) {
		ch := make(chan struct{}, 1)
		f.mu.Lock()
		f.watch[ch] = true
		seen := len(f.person.notices)
		f.mu.Unlock()
		defer func() {
			f.mu.Lock()
			delete(f.watch, ch)
			f.mu.Unlock()
		}()
		for {
			f.mu.Lock()
			s, closed := f.statusLocked(), f.closed
			news := slices.Clone(f.person.notices[seen:])
			seen += len(news)
			f.mu.Unlock()
			if closed {
				yield(control.Event{}, control.ErrClosed)
				return
			}
			if !yield(control.Event{Kind: control.EventStatus, Time: time.Now(), Status: &s}, nil) {
				return
			}
			for _, e := range news {
				if !yield(e, nil) {
					return
				}
			}
			select {
			case <-ch:
			case <-ctx.Done():
				return
			}
		}
	}
}

// HaveBlocks implements control.Control.
func (f *Fake) HaveBlocks(ctx context.Context, hashes []wire.Hash) ([]bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	caller := control.CallerFrom(ctx)
	have := make([]bool, len(hashes))
	for i, h := range hashes {
		_, have[i] = f.blocks[h]
		have[i] = have[i] && (!caller.OneOfMany() || f.ownsBlockLocked(caller, h))
	}
	return have, ctx.Err()
}

// PutBlocks implements control.Control.
func (f *Fake) PutBlocks(ctx context.Context, blocks iter.Seq2[wire.Hash, []byte]) error {
	for hash, data := range blocks {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if len(data) > wire.MaxBlock || sha256.Sum256(data) != hash {
			return fmt.Errorf("block %s has another hash or is too large: %w", hash, control.ErrInvalid)
		}
		f.mu.Lock()
		f.blocks[hash] = bytes.Clone(data)
		f.uploads[upload{control.CallerFrom(ctx).User, hash}] = true
		f.mu.Unlock()
	}
	return nil
}

// Publish implements control.Control.
func (f *Fake) Publish(ctx context.Context, p control.PublishRequest) (control.Receipt, error) {
	var r fakeRecord
	if err := json.Unmarshal(p.Record, &r); err != nil || r.Tombstone {
		return control.Receipt{}, fmt.Errorf("read the record: %w", control.ErrInvalid)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, err := f.contentLocked(control.CallerFrom(ctx), r.Root); err != nil {
		return control.Receipt{}, err
	}
	site := f.sites[r.Name]
	if site == nil {
		site = &fakeSite{pins: map[string]bool{}}
		f.sites[r.Name] = site
	}
	if err := site.mayReplace(ctx, r, p); err != nil {
		return control.Receipt{}, err
	}
	site.withdrawn, site.seq = false, r.Seq
	site.versions = append(site.versions, fakeVersion{r, p.Note, time.Now().UTC()})
	f.changedLocked()
	return f.receiptLocked(r.Name, site), nil
}

// mayReplace says whether a caller may hand in a record, and makes the site
// the caller's where it was not.
func (s *fakeSite) mayReplace(ctx context.Context, r fakeRecord, p control.PublishRequest) error {
	caller := control.CallerFrom(ctx)
	holds := bytes.Equal(p.Proof, fakeProof(p.Record, fakeNode, caller.User))
	if !holds && (caller.OneOfMany() || s.own && !caller.Owns(s.user)) {
		return fmt.Errorf("the key of %s was not shown: %w", r.Name, control.ErrDenied)
	}
	if r.Seq <= s.seq {
		return fmt.Errorf("sequence %d after %d: %w", r.Seq, s.seq, control.ErrStale)
	}
	if s.own && caller.Owns(s.user) {
		return nil
	}
	s.user, s.own = caller.User, true
	for i := range s.versions {
		s.versions[i].note = ""
	}
	return nil
}

func (f *Fake) receiptLocked(name string, s *fakeSite) control.Receipt {
	r := s.versions[len(s.versions)-1].record
	receipt := control.Receipt{
		Name: name, Address: fakeAddress(name), Root: r.Root, Seq: s.seq, Size: r.Size,
		Withdrawn: s.withdrawn, Records: 1, Sleeps: true,
	}
	if f.online && !s.withdrawn {
		receipt.Copies = 1
		receipt.Confirmed = []control.Confirmation{{Peer: fakePeer, Blocks: 1, Full: true, Until: time.Unix(2_000_000_000, 0).UTC()}}
	}
	return receipt
}

func fakeAddress(name string) string {
	sum := sha256.Sum256([]byte(name))
	return "k" + hex.EncodeToString(sum[:16]) + ".alt"
}

// Withdraw implements control.Control.
func (f *Fake) Withdraw(ctx context.Context, p control.PublishRequest) (control.Receipt, error) {
	var r fakeRecord
	if err := json.Unmarshal(p.Record, &r); err != nil || !r.Tombstone {
		return control.Receipt{}, fmt.Errorf("read the tombstone: %w", control.ErrInvalid)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	site := f.sites[r.Name]
	if site == nil {
		return control.Receipt{}, fmt.Errorf("site %s: %w", r.Name, control.ErrNotFound)
	}
	if err := site.mayReplace(ctx, r, p); err != nil {
		return control.Receipt{}, err
	}
	site.withdrawn, site.seq = true, r.Seq
	f.changedLocked()
	return f.receiptLocked(r.Name, site), ctx.Err()
}

// ownLocked returns a site that the caller published.
func (f *Fake) ownLocked(ctx context.Context, name string) (*fakeSite, error) {
	name, err := canonical(name)
	if err != nil {
		return nil, err
	}
	s := f.sites[name]
	if s == nil || !s.own || !control.CallerFrom(ctx).Owns(s.user) {
		return nil, fmt.Errorf("site %s: %w", name, control.ErrNotFound)
	}
	return s, nil
}

func canonical(name string) (string, error) {
	name = strings.TrimSuffix(strings.ToLower(name), ".alt")
	if name == "" || strings.ContainsAny(name, " /\\\x00_") {
		return "", fmt.Errorf("name %q: %w", name, control.ErrInvalid)
	}
	return name + ".alt", nil
}

// Receipt implements control.Control.
func (f *Fake) Receipt(ctx context.Context, name string) (control.Receipt, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	s, err := f.ownLocked(ctx, name)
	if err != nil {
		return control.Receipt{}, err
	}
	return f.receiptLocked(s.versions[0].record.Name, s), nil
}

// Sites implements control.Control.
func (f *Fake) Sites(ctx context.Context) ([]control.Site, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var sites []control.Site
	caller := control.CallerFrom(ctx)
	for _, name := range slices.Sorted(maps.Keys(f.sites)) {
		s := f.sites[name]
		own, pinned := s.own && caller.Owns(s.user), s.pinnedBy(caller)
		if !own && !pinned {
			continue
		}
		site := control.Site{Name: name, Address: fakeAddress(name), Own: own, Pinned: pinned, User: s.user, Withdrawn: s.withdrawn, Seq: s.seq}
		if s.own {
			v := s.versions[len(s.versions)-1]
			site.Root, site.Size, site.Published, site.Copies, site.Sleeps = v.record.Root, v.record.Size, v.time, 1, true
		}
		sites = append(sites, site)
	}
	return sites, ctx.Err()
}

// pinnedBy reports whether a caller pinned a site, or may see who did.
func (s *fakeSite) pinnedBy(c control.Caller) bool {
	for user := range s.pins {
		if c.Owns(user) {
			return true
		}
	}
	return false
}

// Versions implements control.Control.
func (f *Fake) Versions(ctx context.Context, name string) ([]control.Version, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	s, err := f.ownLocked(ctx, name)
	if err != nil {
		return nil, err
	}
	var versions []control.Version
	for i, v := range slices.Backward(s.versions) {
		versions = append(versions, control.Version{
			Seq: v.record.Seq, Root: v.record.Root, Size: v.record.Size, Time: v.time, Note: v.note,
			Current: i == len(s.versions)-1,
		})
	}
	return versions, nil
}

// DropVersion implements control.Control.
func (f *Fake) DropVersion(ctx context.Context, name string, seq uint64) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	s, err := f.ownLocked(ctx, name)
	if err != nil {
		return err
	}
	i, found := slices.BinarySearchFunc(s.versions, seq, func(v fakeVersion, seq uint64) int { return cmp.Compare(v.record.Seq, seq) })
	switch {
	case !found:
		return fmt.Errorf("version %d of %s: %w", seq, name, control.ErrNotFound)
	case i == len(s.versions)-1:
		return fmt.Errorf("version %d of %s is the current one: %w", seq, name, control.ErrInvalid)
	}
	s.versions = slices.Delete(s.versions, i, i+1)
	return nil
}

// Resolve implements control.Control.
func (f *Fake) Resolve(ctx context.Context, name string) (control.Resolution, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.resolveLocked(ctx, name)
}

func (f *Fake) resolveLocked(ctx context.Context, name string) (control.Resolution, error) {
	name, err := canonical(name)
	if err != nil {
		return control.Resolution{}, err
	}
	if f.blockedLocked(name) {
		return control.Resolution{}, fmt.Errorf("%s: %w", name, control.ErrBlocked)
	}
	if r, ok := f.foreign[name]; ok {
		return r.Resolution, r.Err
	}
	s := f.sites[name]
	switch {
	case s == nil || !s.own:
		return control.Resolution{}, fmt.Errorf("%s: %w", name, control.ErrUnknown)
	case s.withdrawn:
		return control.Resolution{}, fmt.Errorf("%s: %w", name, control.ErrWithdrawn)
	}
	v := s.versions[len(s.versions)-1]
	return control.Resolution{
		Name: name, Address: fakeAddress(name), Owner: fakeNode, Root: v.record.Root, Seq: s.seq, Size: v.record.Size,
		Issued: v.time, Expires: v.time.Add(90 * 24 * time.Hour), Answers: 1,
	}, ctx.Err()
}

// Accept implements control.Control.
func (f *Fake) Accept(ctx context.Context, name string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	name, err := canonical(name)
	if err != nil {
		return err
	}
	r, ok := f.foreign[name]
	if !ok {
		return fmt.Errorf("%s: %w", name, control.ErrNotFound)
	}
	f.foreign[name] = Foreign{Resolution: r.Resolution}
	return ctx.Err()
}

// Archive implements control.Control.
func (f *Fake) Archive(ctx context.Context, target string) (io.ReadCloser, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.blockedLocked(target) {
		return nil, fmt.Errorf("%s: %w", target, control.ErrBlocked)
	}
	if _, err := hex.DecodeString(target); err != nil || len(target) != 64 {
		r, err := f.resolveLocked(ctx, target)
		if err != nil {
			return nil, err
		}
		target = r.Root
	}
	tar, err := f.contentLocked(control.Caller{}, target)
	if err != nil {
		return nil, err
	}
	return io.NopCloser(bytes.NewReader(tar)), ctx.Err()
}

// contentLocked puts a site's tar together of what a caller may know of.
func (f *Fake) contentLocked(c control.Caller, root string) ([]byte, error) {
	raw, err := hex.DecodeString(root)
	if err != nil || len(raw) != 32 {
		return nil, fmt.Errorf("root %.80q: %w", root, control.ErrInvalid)
	}
	list, ok := f.knownLocked(c, wire.Hash(raw))
	if !ok || len(list)%32 != 0 {
		return nil, fmt.Errorf("root %s: %w", root, control.ErrMissing)
	}
	var tar []byte
	for hash := range slices.Chunk(list, 32) {
		data, ok := f.knownLocked(c, wire.Hash(hash))
		if !ok {
			return nil, fmt.Errorf("block %x: %w", hash, control.ErrMissing)
		}
		tar = append(tar, data...)
	}
	return tar, nil
}

// SetPinned implements control.Control.
func (f *Fake) SetPinned(ctx context.Context, name string, pinned bool) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	r, err := f.resolveLocked(ctx, name)
	if err != nil {
		return err
	}
	caller := control.CallerFrom(ctx)
	s := f.sites[r.Name]
	if s == nil {
		s = &fakeSite{pins: map[string]bool{}}
		f.sites[r.Name] = s
	}
	switch {
	case pinned:
		s.pins[caller.User] = true
	case !s.pinnedBy(caller):
		return fmt.Errorf("%s is not pinned: %w", name, control.ErrNotFound)
	case s.pins[caller.User]:
		delete(s.pins, caller.User)
	default:
		clear(s.pins) // an administrator's word
	}
	f.changedLocked()
	return nil
}

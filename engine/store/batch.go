package store

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"altnet/engine/wire"
)

const (
	// Small blocks are gathered into writes of runSize; large ones go to the
	// pack from the caller's memory.
	runSize    = 512 << 10
	largeBlock = 64 << 10

	// A batch commits on its own after this much, behind the caller's back:
	// fsync and hashing overlap, and memory stays flat however much is put.
	flushBytes = 64 << 20
	flushPuts  = 16 << 10
	// maxFlights bounds the commits of one batch that are under way.
	maxFlights = 2
)

// runBuffers holds the buffers of all batches between uses. It is memory that
// the collector may take at any time, not state.
var runBuffers = sync.Pool{New: func() any { b := make([]byte, 0, runSize); return &b }}

// put is a block written to a pack and not yet in the index.
type put struct {
	hash wire.Hash
	loc  loc
}

// Batch takes blocks and makes them durable together, many at the price of a
// few fsyncs. It may be used by several goroutines, and again after Commit.
// Whoever gives one up without Commit calls Discard.
type Batch struct {
	s    *Store
	root wire.Hash // whose blocks these are; zero: nobody's yet

	mu      sync.Mutex
	part    part
	flights []flight
	err     error // the first failure; Commit returns it
	placed  []put // nobody's yet, and in the index since the last Commit

	seen, seenBefore map[wire.Hash]struct{} // in this part and in the one before
}

// flight is a commit under way.
type flight struct {
	*write
	puts []put
}

// part is what goes into one commit.
type part struct {
	puts  []put
	dups  []wire.Hash // held already; noted for roots without a list
	packs map[*pack]uint64
	bytes int64

	run    *[]byte // entries not yet written
	runned []put   // what they are; offsets from the start of run
}

// NewBatch returns an empty batch. Blocks that no root lists are kept for
// Config.Grace.
func (s *Store) NewBatch() *Batch { return &Batch{s: s} }

// Put stores a block in one batch of its own. The caller has verified that
// hash is the SHA-256 of data.
func (s *Store) Put(ctx context.Context, hash wire.Hash, data []byte) error {
	b := s.NewBatch()
	defer b.Discard()
	if err := b.PutContext(ctx, hash, data); err != nil {
		return err
	}
	return b.Commit(ctx)
}

// Put adds a block that the caller has verified to hash to hash, unless it is
// held already. It is done with data when it returns. The block can be read
// after Commit. ErrFull and ErrDiskFull as in Commit.
func (b *Batch) Put(hash wire.Hash, data []byte) error {
	return b.PutContext(context.Background(), hash, data)
}

// PutContext is Put for one who may lose patience: making room and waiting for
// the disk end with ctx.
func (b *Batch) PutContext(ctx context.Context, hash wire.Hash, data []byte) error {
	if len(data) > wire.MaxBlock {
		return fmt.Errorf("block of %d bytes: %w", len(data), ErrTooLarge)
	}
	fresh, err := b.admit(ctx, hash, len(data))
	if err != nil || !fresh {
		return err
	}
	l := loc{size: uint32(len(data)), sum: checksum(data), born: uint32(time.Now().Unix())}
	if len(data) >= largeBlock {
		err = b.putLarge(put{hash, l}, data)
	} else {
		err = b.putSmall(put{hash, l}, data)
	}
	if err != nil {
		return err
	}
	return b.flushIfDue(ctx)
}

// admit decides whether the block is to be written at all, and claims it for
// this batch if so.
func (b *Batch) admit(ctx context.Context, hash wire.Hash, size int) (fresh bool, err error) {
	held := b.s.keepIfHeld(hash, b.root.IsZero())
	b.mu.Lock()
	if b.err != nil {
		defer b.mu.Unlock()
		return false, b.err
	}
	if held {
		if !b.root.IsZero() {
			b.part.dups = append(b.part.dups, hash)
		}
		b.mu.Unlock()
		return false, nil
	}
	_, now := b.seen[hash]
	_, before := b.seenBefore[hash]
	if now || before {
		b.mu.Unlock()
		return false, nil
	}
	if b.seen == nil {
		b.seen = map[wire.Hash]struct{}{}
	}
	b.seen[hash] = struct{}{}
	cost := entryHeader + int64(size)
	b.part.bytes += cost
	waiting := b.part.bytes
	b.mu.Unlock()
	if err := b.s.makeRoom(ctx, waiting); err != nil {
		return false, b.fail(err)
	}
	return true, nil
}

// fail keeps the first error: a batch with a hole in it must not commit.
func (b *Batch) fail(err error) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err == nil {
		b.err = err
	}
	return err
}

// putLarge writes the block where it will stay, without copying it.
func (b *Batch) putLarge(p put, data []byte) error {
	pk, off, err := b.s.app.reserve(p.loc.cost())
	if err != nil {
		return b.fail(err)
	}
	header := appendEntryHeader(make([]byte, 0, entryHeader), p.hash, p.loc.size, p.loc.sum)
	if err := b.s.app.write(pk, off, header, data); err != nil {
		b.s.packs.releaseWriter(pk)
		return b.fail(err)
	}
	p.loc.pack, p.loc.off = pk.id, off+entryHeader
	b.mu.Lock()
	defer b.mu.Unlock()
	b.part.wrote(b.s, pk)
	b.part.puts = append(b.part.puts, p)
	return nil
}

// wrote notes that a reserved and held piece of pk has been written.
func (t *part) wrote(s *Store, pk *pack) {
	if t.packs == nil {
		t.packs = map[*pack]uint64{}
	}
	if _, held := t.packs[pk]; held {
		s.packs.releaseWriter(pk)
	}
	t.packs[pk] = pk.written.Add(1)
}

// putSmall copies the block behind others.
func (b *Batch) putSmall(p put, data []byte) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	t := &b.part
	if t.run != nil && int64(len(*t.run))+p.loc.cost() > min(runSize, b.s.cfg.PackSize-packHeader) {
		if err := t.writeRun(b.s); err != nil {
			b.err = cmp.Or(b.err, err)
			return err
		}
	}
	if t.run == nil {
		t.run = runBuffers.Get().(*[]byte)
	}
	*t.run = appendEntryHeader(*t.run, p.hash, p.loc.size, p.loc.sum)
	p.loc.off = int64(len(*t.run))
	*t.run = append(*t.run, data...)
	t.runned = append(t.runned, p)
	return nil
}

// writeRun writes what putSmall gathered.
func (t *part) writeRun(s *Store) error {
	if t.run == nil {
		return nil
	}
	pk, off, err := s.app.reserve(int64(len(*t.run)))
	if err != nil {
		return err
	}
	if err := s.app.write(pk, off, *t.run); err != nil {
		s.packs.releaseWriter(pk)
		return err
	}
	t.wrote(s, pk)
	for _, p := range t.runned {
		p.loc.pack = pk.id
		p.loc.off += off
		t.puts = append(t.puts, p)
	}
	t.runned = t.runned[:0]
	t.dropRun()
	return nil
}

func (t *part) dropRun() {
	if t.run != nil {
		*t.run = (*t.run)[:0]
		runBuffers.Put(t.run)
		t.run = nil
	}
}

// flushIfDue commits a part that has grown large, and waits only where too
// many commits are under way already.
func (b *Batch) flushIfDue(ctx context.Context) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.part.bytes < flushBytes && len(b.part.puts) < flushPuts {
		return nil
	}
	if len(b.flights) >= maxFlights {
		b.landLocked(1)
	}
	b.launchLocked(ctx)
	return b.err
}

// launchLocked hands the part to the committer.
func (b *Batch) launchLocked(ctx context.Context) {
	err := b.part.writeRun(b.s)
	if err == nil && b.err == nil && len(b.part.puts)+len(b.part.dups) > 0 {
		w := b.part.write(b.s, b.root)
		if err = b.s.submit(ctx, w); err == nil {
			b.flights = append(b.flights, flight{w, b.part.puts})
		} else {
			b.part.letGo(b.s)
		}
	} else {
		b.part.letGo(b.s)
	}
	b.err = cmp.Or(b.err, err)
	b.part = part{}
	b.seen, b.seenBefore = b.seenBefore, b.seen
	clear(b.seen)
}

// landLocked waits for the n oldest commits.
func (b *Batch) landLocked(n int) {
	for _, f := range b.flights[:n] {
		<-f.done
		b.err = cmp.Or(b.err, f.err)
		if f.err == nil && b.root.IsZero() {
			b.placed = append(b.placed, f.puts[:min(len(f.puts), maxPlaced-len(b.placed))]...)
		}
	}
	b.flights = slices.Delete(b.flights, 0, n)
}

// Commit makes every block put so far durable and readable, or says why not;
// then some of them may be there and some not. The batch is empty afterwards.
func (b *Batch) Commit(ctx context.Context) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.launchLocked(ctx)
	b.landLocked(len(b.flights))
	err, placed := b.err, b.placed
	b.resetLocked()
	if err != nil {
		b.s.giveBack(err, placed)
		return fmt.Errorf("store blocks: %w", err)
	}
	return nil
}

// Discard gives up what was put since the last Commit. It does nothing to an
// empty batch.
func (b *Batch) Discard() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.part.letGo(b.s)
	b.landLocked(len(b.flights))
	err, placed := b.err, b.placed
	b.resetLocked()
	b.s.giveBack(err, placed)
}

func (b *Batch) resetLocked() {
	b.part, b.err, b.placed = part{}, nil, nil
	clear(b.seen)
	clear(b.seenBefore)
}

// letGo gives back the packs.
func (t *part) letGo(s *Store) {
	t.dropRun()
	for pk := range t.packs {
		s.packs.releaseWriter(pk)
	}
	t.packs = nil
}

// write turns the part into a change of the index.
func (t *part) write(s *Store, root wire.Hash) *write {
	puts, dups, packs := t.puts, t.dups, t.packs
	runs := runsOf(puts) // in the order of the disk
	slices.SortFunc(puts, func(a, b put) int { return bytes.Compare(a.hash[:], b.hash[:]) })
	return &write{
		packs: packs,
		do: func(t *txn) error {
			if err := t.index(puts, runs); err != nil {
				return err
			}
			return s.ownLoose(t, root, puts, dups)
		},
		finally: func() {
			for pk := range packs {
				s.packs.releaseWriter(pk)
			}
		},
	}
}

// run is a value of bucketContents with its key.
type run struct {
	at   spot
	pack uint32
	end  int64
	list []byte
}

// maxRun bounds the bytes of one value in bucketContents.
const maxRun = 32 << 10

// runsOf sorts puts by place and joins neighbours.
func runsOf(puts []put) []run {
	slices.SortFunc(puts, func(a, b put) int {
		return cmp.Or(cmp.Compare(a.loc.pack, b.loc.pack), cmp.Compare(a.loc.off, b.loc.off))
	})
	var runs []run
	for _, p := range puts {
		start := p.loc.off - entryHeader
		last := len(runs) - 1
		if last < 0 || runs[last].pack != p.loc.pack || runs[last].end != start || len(runs[last].list) >= maxRun {
			runs = append(runs, run{at: spotAt(p.loc.pack, start), pack: p.loc.pack})
			last++
		}
		r := &runs[last]
		r.list = appendRun(r.list, p.hash, p.loc.size)
		r.end = p.loc.off + int64(p.loc.size)
	}
	return runs
}

// index adds blocks to the index. One that somebody else stored meanwhile is
// left where it is, and this copy is dead from the start.
func (t *txn) index(puts []put, runs []run) error {
	idx := t.Bucket(bucketIndex)
	contents := t.Bucket(bucketContents)
	for _, r := range runs {
		st := t.statOrNew(r.pack)
		st.end = max(st.end, r.end)
		if err := contents.Put(r.at[:], r.list); err != nil {
			return err
		}
	}
	values := make([]byte, locSize*len(puts))
	for i := range puts {
		p := &puts[i]
		if idx.Get(p.hash[:]) != nil {
			continue
		}
		v := values[i*locSize : (i+1)*locSize : (i+1)*locSize]
		p.loc.put(v)
		if err := idx.Put(p.hash[:], v); err != nil {
			return err
		}
		st := t.statOrNew(p.loc.pack)
		st.live += p.loc.cost()
		st.blocks++
	}
	return nil
}

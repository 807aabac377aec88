package site

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"

	"altnet/engine/wire"

	"golang.org/x/sync/errgroup"
)

// ErrChanged: a file changed between Scan and Build.
var ErrChanged = errors.New("file changed while it was being published")

// Progress says how far a Build is.
type Progress struct {
	Files, TotalFiles int   // wholly read
	Bytes, TotalBytes int64 // read
	NewBytes          int64 // the sink did not have
}

// Summary is what Build made.
type Summary struct {
	Root      wire.Hash
	Size      int64       // bytes of all files
	Files     int         // files published
	Blocks    []wire.Hash // distinct, in canonical preorder
	Stored    int64       // bytes of all distinct blocks
	NewBlocks int         // the sink did not have before
	NewBytes  int64       // bytes of those
	Skipped   []Skip
}

// batchBytes is how much is read, hashed and handed on at once: 16 chunks, or
// as many small files, so that the cost of a hand-over is spread and the four
// or so batches in flight stay small.
const (
	batchBytes = 16 * ChunkSize
	batchFiles = 1024
)

// Build reads the files of the plan, puts the blocks the sink lacks and
// returns the root, whose blocks are then durable. progress may be nil; it is
// called from one goroutine at a time. Memory does not grow with file sizes,
// but for the list of blocks.
func Build(ctx context.Context, plan *Plan, sink Sink, progress func(Progress)) (Summary, error) {
	if err := plan.Err(); err != nil {
		return Summary{}, err
	}
	root, err := os.OpenRoot(plan.Dir)
	if err != nil {
		return Summary{}, fmt.Errorf("open folder: %w", err)
	}
	defer root.Close()
	b := newBuilder(plan, root, sink, progress)
	if err := b.readAll(ctx); err != nil {
		return Summary{}, fmt.Errorf("publish %s: %w", plan.Dir, err)
	}
	sum, err := b.finish(ctx)
	if err != nil {
		return Summary{}, fmt.Errorf("publish %s: %w", plan.Dir, err)
	}
	return sum, nil
}

// builder is one Build. Readers fill batches side by side and write their own
// parts of chunks; one writer drains the batches into the sink.
type builder struct {
	plan    *Plan
	root    *os.Root
	sink    Sink
	report  func(Progress)
	workers int
	chunks  [][]Link // per file

	// Of the writer alone.
	sent     map[wire.Hash]struct{}
	nodes    memNodes
	stored   int64
	newCount int
	progress Progress
}

func newBuilder(plan *Plan, root *os.Root, sink Sink, progress func(Progress)) *builder {
	return &builder{
		plan: plan, root: root, sink: sink, report: progress, workers: runtime.GOMAXPROCS(0),
		chunks: make([][]Link, len(plan.Files)), sent: map[wire.Hash]struct{}{}, nodes: memNodes{},
		progress: Progress{TotalFiles: len(plan.Files), TotalBytes: plan.Size},
	}
}

// job is a stretch of work for one batch: either whole files [first, last), or
// from one big file the chunks [chunk, chunk+count).
type job struct {
	first, last  int
	chunk, count int
}

// batch carries blocks from a reader to the writer; their bytes lie in arena.
type batch struct {
	arena  []byte
	blocks []Block
	files  int
	bytes  int64
}

func (b *builder) readAll(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	jobs := make(chan job)
	free := make(chan *batch, b.workers+2)
	full := make(chan *batch, cap(free))
	for range cap(free) {
		free <- &batch{}
	}
	group.Go(func() error { defer close(jobs); return b.plant(ctx, jobs) })
	var readers sync.WaitGroup
	for range b.workers {
		readers.Add(1)
		group.Go(func() error { defer readers.Done(); return b.reader(ctx, jobs, free, full) })
	}
	group.Go(func() error { readers.Wait(); close(full); return nil })
	group.Go(func() error {
		for batch := range full {
			if err := b.write(ctx, batch); err != nil {
				return err
			}
			free <- batch // as many places as batches: never blocks
		}
		return ctx.Err()
	})
	return group.Wait()
}

// plant cuts the plan into jobs.
func (b *builder) plant(ctx context.Context, jobs chan<- job) error {
	files := b.plan.Files
	for i := 0; i < len(files); {
		if files[i].Size > ChunkSize {
			if err := b.plantBig(ctx, jobs, i); err != nil {
				return err
			}
			i++
			continue
		}
		first, sum := i, int64(0)
		for ; i < len(files) && i-first < batchFiles && files[i].Size <= ChunkSize && sum+files[i].Size <= batchBytes; i++ {
			sum += files[i].Size
		}
		if err := plantJob(ctx, jobs, job{first: first, last: i}); err != nil {
			return err
		}
	}
	return nil
}

func (b *builder) plantBig(ctx context.Context, jobs chan<- job, i int) error {
	total := int((b.plan.Files[i].Size + ChunkSize - 1) / ChunkSize)
	if total > MaxBlocks {
		return fmt.Errorf("%s: more than %d blocks: %w", b.plan.Files[i].Path, MaxBlocks, ErrLimit)
	}
	b.chunks[i] = make([]Link, total)
	for chunk := 0; chunk < total; chunk += batchBytes / ChunkSize {
		count := min(batchBytes/ChunkSize, total-chunk)
		if err := plantJob(ctx, jobs, job{first: i, last: i + 1, chunk: chunk, count: count}); err != nil {
			return err
		}
	}
	return nil
}

func plantJob(ctx context.Context, jobs chan<- job, j job) error {
	select {
	case jobs <- j:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (b *builder) reader(ctx context.Context, jobs <-chan job, free <-chan *batch, full chan<- *batch) error {
	for j := range jobs {
		var out *batch
		select {
		case out = <-free:
		case <-ctx.Done():
			return ctx.Err()
		}
		out.reset()
		if err := b.read(ctx, j, out); err != nil {
			return err
		}
		full <- out // as many places as batches: never blocks
	}
	return nil
}

func (t *batch) reset() {
	if t.arena == nil {
		t.arena = make([]byte, 0, batchBytes)
	}
	t.arena, t.blocks, t.files, t.bytes = t.arena[:0], t.blocks[:0], 0, 0
}

// add hashes the last n bytes of the arena as a block.
func (t *batch) add(n int) Link {
	data := t.arena[len(t.arena)-n:]
	h := wire.Hash(sha256.Sum256(data))
	t.blocks = append(t.blocks, Block{Hash: h, Data: data})
	t.bytes += int64(n)
	return Link{Kind: KindChunk, Size: uint64(n), Hash: h}
}

func (b *builder) read(ctx context.Context, j job, out *batch) error {
	for i := j.first; i < j.last; i++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := b.readFile(i, j, out); err != nil {
			return fmt.Errorf("%s: %w", b.plan.Files[i].Path, err)
		}
	}
	return nil
}

// readFile reads one file of the job, or its part of it, and makes sure that
// the file is still the one that was planned.
func (b *builder) readFile(i int, j job, out *batch) error {
	want := b.plan.Files[i]
	f, err := b.root.Open(want.source)
	if err != nil {
		return err
	}
	defer f.Close()
	if j.count == 0 {
		err = b.readWhole(i, f, out)
	} else {
		err = b.readPart(i, f, j, out)
	}
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if info.Size() != want.Size || !info.ModTime().Equal(want.ModTime) {
		return ErrChanged
	}
	return nil
}

func (b *builder) readWhole(i int, f io.Reader, out *batch) error {
	out.files++
	n := int(b.plan.Files[i].Size)
	if n == 0 {
		return nil
	}
	if err := out.fill(f, n); err != nil {
		return err
	}
	b.chunks[i] = []Link{out.add(n)}
	return nil
}

func (b *builder) readPart(i int, f io.ReaderAt, j job, out *batch) error {
	size := b.plan.Files[i].Size
	for c := j.chunk; c < j.chunk+j.count; c++ {
		off := int64(c) * ChunkSize
		n := int(min(ChunkSize, size-off))
		if err := out.fill(io.NewSectionReader(f, off, int64(n)), n); err != nil {
			return err
		}
		b.chunks[i][c] = out.add(n)
	}
	if j.chunk+j.count == len(b.chunks[i]) {
		out.files++
	}
	return nil
}

// fill appends the next n bytes of r to the arena.
func (t *batch) fill(r io.Reader, n int) error {
	start := len(t.arena)
	t.arena = t.arena[:start+n]
	_, err := io.ReadFull(r, t.arena[start:])
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return ErrChanged
	}
	return err
}

// write puts the blocks of a batch that the sink does not have.
func (b *builder) write(ctx context.Context, t *batch) error {
	if err := b.put(ctx, t.blocks); err != nil {
		return err
	}
	b.progress.Files += t.files
	b.progress.Bytes += t.bytes
	if b.report != nil {
		b.report(b.progress)
	}
	return nil
}

func (b *builder) put(ctx context.Context, blocks []Block) error {
	fresh := blocks[:0]
	for _, block := range blocks {
		if _, ok := b.sent[block.Hash]; ok {
			continue
		}
		b.sent[block.Hash] = struct{}{}
		b.stored += int64(len(block.Data))
		fresh = append(fresh, block)
	}
	if len(b.sent) > MaxBlocks {
		return fmt.Errorf("more than %d blocks: %w", MaxBlocks, ErrLimit)
	}
	fresh, err := lacking(ctx, b.sink, fresh)
	if err != nil || len(fresh) == 0 {
		return err
	}
	for _, block := range fresh {
		b.progress.NewBytes += int64(len(block.Data))
	}
	b.newCount += len(fresh)
	return b.sink.PutBatch(ctx, fresh)
}

// lacking keeps, in place, the blocks that the sink does not have.
func lacking(ctx context.Context, sink Sink, blocks []Block) ([]Block, error) {
	if len(blocks) == 0 {
		return nil, nil
	}
	hashes := make([]wire.Hash, len(blocks))
	for i := range blocks {
		hashes[i] = blocks[i].Hash
	}
	has, err := sink.HasMany(ctx, hashes)
	if err != nil {
		return nil, fmt.Errorf("ask for known blocks: %w", err)
	}
	if len(has) != len(blocks) {
		return nil, fmt.Errorf("ask for known blocks: %d answers to %d questions", len(has), len(blocks))
	}
	kept := blocks[:0]
	for i, block := range blocks {
		if !has[i] {
			kept = append(kept, block)
		}
	}
	return kept, nil
}

// finish composes the tree, stores its nodes and makes all durable.
func (b *builder) finish(ctx context.Context) (Summary, error) {
	root, order, err := b.compose(ctx)
	if err != nil {
		return Summary{}, err
	}
	for hashes := range slices.Chunk(b.nodes.sorted(), batchBytes/MaxNode) {
		blocks := make([]Block, len(hashes))
		for i, h := range hashes {
			blocks[i] = Block{Hash: h, Data: b.nodes[h]}
		}
		if err := b.put(ctx, blocks); err != nil {
			return Summary{}, err
		}
	}
	if err := b.sink.Flush(ctx); err != nil {
		return Summary{}, fmt.Errorf("make blocks durable: %w", err)
	}
	return Summary{Root: root, Size: b.plan.Size, Files: len(b.plan.Files), Blocks: order, Stored: b.stored,
		NewBlocks: b.newCount, NewBytes: b.progress.NewBytes, Skipped: b.plan.Skipped}, nil
}

// compose makes all nodes and returns the root and the canonical preorder.
func (b *builder) compose(ctx context.Context) (wire.Hash, []wire.Hash, error) {
	files := make([]child, len(b.plan.Files))
	for i, f := range b.plan.Files {
		files[i] = child{name: f.Path, link: composeFile(b.chunks[i], b.nodes.put)}
		b.chunks[i] = nil
	}
	top, err := b.nodes.tree(files)
	if err != nil {
		return wire.Hash{}, nil, err
	}
	return b.nodes.root(ctx, top)
}

// memNodes holds the nodes of a tree under construction.
type memNodes map[wire.Hash][]byte

func (m memNodes) put(encoded []byte) wire.Hash {
	h := wire.Hash(sha256.Sum256(encoded))
	m[h] = encoded
	return h
}

// Get implements Blocks, so that the tree can be walked.
func (m memNodes) Get(_ context.Context, h wire.Hash, _ []byte) ([]byte, error) {
	if data, ok := m[h]; ok {
		return data, nil
	}
	return nil, &MissingError{Hash: h, Count: 1}
}

// root wraps the top directory in a root, which counts what is below.
func (m memNodes) root(ctx context.Context, top Link) (wire.Hash, []wire.Hash, error) {
	order := make([]wire.Hash, 1, len(m)+1)
	w := newWalker(ctx, m, func(p place, _ uint64) error {
		order = append(order, p.Hash)
		return nil
	})
	if err := w.top(top); err != nil {
		return wire.Hash{}, nil, fmt.Errorf("list blocks: %w", err)
	}
	n := node{kind: KindRoot, links: []Link{top}, blocks: w.count, bytes: w.bytes}
	order[0] = m.put(n.encode())
	return order[0], order, nil
}

func (m memNodes) sorted() []wire.Hash {
	hashes := make([]wire.Hash, 0, len(m))
	for h := range m {
		hashes = append(hashes, h)
	}
	slices.SortFunc(hashes, func(a, b wire.Hash) int { return slices.Compare(a[:], b[:]) })
	return hashes
}

// tree makes the root of files, sorted by path. Paths of one folder follow
// each other, so every folder is a run of them.
func (m memNodes) tree(files []child) (Link, error) {
	var entries []child
	for i := 0; i < len(files); {
		name, _, nested := strings.Cut(files[i].name, "/")
		if !nested {
			entries = append(entries, files[i])
			i++
			continue
		}
		var below []child
		for ; i < len(files) && strings.HasPrefix(files[i].name, name+"/"); i++ {
			below = append(below, child{name: files[i].name[len(name)+1:], link: files[i].link})
		}
		link, err := m.tree(below)
		if err != nil {
			return Link{}, fmt.Errorf("folder %s: %w", name, err)
		}
		entries = append(entries, child{name: name, link: link})
	}
	slices.SortFunc(entries, func(a, b child) int { return strings.Compare(a.name, b.name) })
	return composeDir(entries, position{}, m.put)
}

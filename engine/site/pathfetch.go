package site

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"altnet/engine/wire"
)

// errNoPath: a holder that cannot follow the path to its end.
var errNoPath = errors.New("peer does not have the whole path")

const (
	pathLimit  = 2 << 20  // bytes of a file that are asked for with its path
	pathMost   = 16 << 20 // bytes that an answer may have, nodes included
	pathTries  = 3        // holders asked, one after the other
	pathBuffer = 1 << 20  // bytes kept before they are stored
)

// pathFetch is a GetPath under way, shared by all who read that path. Its
// fields are under the swarm's lock.
type pathFetch struct {
	path string
	got  map[wire.Hash][]byte // verified, not yet readable from local
	over bool
	// done counts bytes that came. total is what will come, once the link to
	// the file was met; until then it is 0.
	done, total int64
}

// met notes the size of the file at the end of the path.
func (pf *pathFetch) met(p place, n *node) {
	dir, name := path.Split(pf.path)
	if n.kind != KindLeaf || int(p.depth) != strings.Count(dir, "/") {
		return
	}
	if i := slices.Index(n.names, name); i >= 0 && n.links[i].Kind.isFile() {
		pf.total = pf.done + int64(min(n.links[i].Size, pathLimit))
	}
}

// fetchPath starts or joins the fetch of a path.
func (r *Remote) fetchPath(path string) *pathFetch {
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	if pf, ok := r.paths[path]; ok {
		return pf
	}
	pf := &pathFetch{path: path, got: map[wire.Hash][]byte{}}
	if r.s.start(func() { r.runPath(pf) }) {
		r.paths[path] = pf
	} else {
		pf.over = true
	}
	return pf
}

// runPath asks holders, the next when one is silent or fails, then leaves what
// is still wanted to the swarm.
func (r *Remote) runPath(pf *pathFetch) {
	asked := map[*holder]bool{}
	for range pathTries {
		h := r.s.waitHolder(asked)
		if h == nil {
			break
		}
		asked[h] = true
		err := r.askPath(h, pf)
		if err == nil {
			break
		}
		r.f.cfg.Log.Debug("fetch path", "peer", h.peer.ID.Short(), "path", pf.path, "err", err)
		r.s.judge(&request{holder: h}, err)
	}
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	delete(r.paths, pf.path)
	pf.over, pf.got = true, nil
	for _, it := range r.s.items {
		if it.path == pf && !it.queued && it.asked == 0 {
			r.s.queueLocked(it)
		}
	}
	r.s.goLocked()
}

// waitHolder returns the most promising holder that was not asked, once there
// is one; nil when the search is over without.
func (s *swarm) waitHolder(asked map[*holder]bool) *holder {
	s.mu.Lock()
	defer s.mu.Unlock()
	for first := true; s.ctx.Err() == nil; first = false {
		if h := s.bestLocked(asked); h != nil {
			return h
		}
		if first && len(asked) == 0 {
			s.searchLocked()
		}
		if !s.searching {
			return nil
		}
		s.quiet.Wait()
	}
	return nil
}

// bestLocked prefers holders of everything, then the fastest known, then the
// one found first.
func (s *swarm) bestLocked(asked map[*holder]bool) *holder {
	var best *holder
	now := time.Now()
	for _, h := range s.holders {
		if !asked[h] && !h.dropped && !now.Before(h.resting) && (best == nil || h.before(best)) {
			best = h
		}
	}
	return best
}

func (h *holder) before(other *holder) bool {
	if h.full != other.full {
		return h.full
	}
	if (h.perByte > 0) != (other.perByte > 0) {
		return h.perByte > 0
	}
	if h.perByte != other.perByte {
		return h.perByte < other.perByte
	}
	return h.order < other.order
}

// askPath asks one holder for a path. Silence ends it.
func (r *Remote) askPath(h *holder, pf *pathFetch) error {
	ctx, cancel := context.WithCancel(r.s.ctx)
	defer cancel()
	silence := time.AfterFunc(2*r.f.cfg.HedgeAfter, cancel)
	defer silence.Stop()
	a, err := r.s.slot()
	if err != nil {
		return err
	}
	defer r.s.release(a)
	st, err := r.f.cfg.Open(ctx, h.peer, wire.GetPath{Root: r.s.root, Path: pf.path, Limit: pathLimit})
	if err != nil {
		return fmt.Errorf("ask for path: %w", err)
	}
	defer st.Close()
	defer context.AfterFunc(ctx, func() { st.Close() })()
	in := newPathReader(r.s, a, pathMost)
	in.deliver = func(at place, n *node, b Block) error {
		if pf.done += int64(len(b.Data)); n != nil {
			pf.met(at, n)
		}
		pf.got[b.Hash] = b.Data
		if it, ok := r.s.items[b.Hash]; ok {
			_, err := r.s.deliverLocked(it, b.Data)
			return err
		}
		return nil
	}
	in.stored = func() { clear(pf.got) }
	return in.run(st, func() { silence.Reset(r.f.cfg.StallAfter) })
}

// pathReader checks and stores the blocks of an answer to GetPath. Each must be
// one that a node before it linked to, so a holder can send nothing that is not
// part of the site.
type pathReader struct {
	s        *swarm
	most     int // bytes
	expected map[wire.Hash]place
	buf      []byte
	blocks   []Block
	total    int

	// deliver is called with each verified block, where it stands and the node it
	// is, nil for a chunk, with the swarm's lock. May be nil.
	deliver func(at place, n *node, b Block) error
	stored  func() // with the lock, after what was delivered is readable; may be nil
}

func newPathReader(s *swarm, a *arena, most int) *pathReader {
	return &pathReader{s: s, most: most, buf: a.room(pathBuffer),
		expected: map[wire.Hash]place{s.root: {Link: Link{Kind: KindRoot, Hash: s.root}}}}
}

// run reads an answer to its end and stores what came, also where that was not
// all of it.
func (p *pathReader) run(st Stream, heard func()) error {
	err := p.read(st, heard)
	if storeErr := p.store(); err == nil {
		err = storeErr
	}
	return err
}

func (p *pathReader) read(st Stream, heard func()) error {
	for {
		if cap(p.buf)-len(p.buf) < wire.MaxBlock {
			if err := p.store(); err != nil {
				return err
			}
		}
		start := len(p.buf)
		data, ok, err := st.ReadBlock(p.buf[start:start])
		if other, is := errors.AsType[*wire.OtherError](err); is && other.Message.Type() == wire.TypeEnd {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read block: %w", err)
		}
		if !ok {
			return errNoPath
		}
		heard()
		if p.total += len(data); p.total > p.most {
			return fmt.Errorf("answer of more than %d bytes: %w", p.most, ErrLiar)
		}
		if err := p.take(data); err != nil {
			return err
		}
		p.buf = p.buf[:min(cap(p.buf), start+len(data))]
	}
}

// take verifies a block and hands it on.
func (p *pathReader) take(data []byte) error {
	h := wire.Hash(sha256.Sum256(data))
	at, ok := p.expected[h]
	if !ok {
		return fmt.Errorf("block %s: %w", h, ErrLiar)
	}
	var node *node
	if at.Kind != KindChunk {
		n, err := at.parse(data)
		if err == nil {
			err = at.children(n, func(c place) error { p.expected[c.Hash] = c; return nil })
		}
		if err != nil {
			return err
		}
		node = n
	}
	if p.s.f.cfg.Refuse(h) {
		return nil // who wants it is told so
	}
	p.blocks = append(p.blocks, Block{Hash: h, Data: data})
	if p.deliver == nil {
		return nil
	}
	p.s.mu.Lock()
	defer p.s.mu.Unlock()
	return p.deliver(at, node, Block{Hash: h, Data: data})
}

// store makes what came readable from local and lets go of the memory.
func (p *pathReader) store() error {
	if err := p.s.storeLacking(p.blocks); err != nil {
		return fmt.Errorf("store fetched blocks: %w", err)
	}
	p.buf, p.blocks = p.buf[:0], nil
	if p.stored != nil {
		p.s.mu.Lock()
		defer p.s.mu.Unlock()
		p.stored()
	}
	return nil
}

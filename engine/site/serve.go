package site

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"sync"
	"time"

	"altnet/engine/wire"
)

// Stream is one exchange with a peer: a request and what answers it.
type Stream interface {
	Read() (wire.Message, error)
	// ReadBlock reads a Block, whose bytes lie in buf where it is big enough,
	// or the Missing in its place, for which ok is false. Any other message is
	// an error; End is a *wire.OtherError.
	ReadBlock(buf []byte) (data []byte, ok bool, err error)
	Write(wire.Message) error
	WriteBlock(data []byte) error
	SetDeadline(time.Time) error
	// Close ends the exchange, whoever else is reading or writing.
	Close() error
}

// maxPathBytes is the most chunk bytes that one GetPath is answered with.
const maxPathBytes = 8 << 20

// ServerConfig is what a Server needs. Blocks is required.
type ServerConfig struct {
	Blocks Blocks
	// Site returns what may be handed out as part of a site, and whether
	// anything may: what was merely read is nobody's business. nil: Blocks.
	Site func(ctx context.Context, root wire.Hash) (Blocks, bool)
	// Have answers GetHave; see Bitmap. nil: nothing is known of any site.
	Have func(ctx context.Context, root wire.Hash) (wire.Have, error)
	// Refuse holds for blocks that are not served (the blocklist). May be nil.
	Refuse func(wire.Hash) bool
	Log    *slog.Logger
}

func (c ServerConfig) withDefaults() ServerConfig {
	if c.Have == nil {
		c.Have = func(context.Context, wire.Hash) (wire.Have, error) { return wire.Have{}, nil }
	}
	if c.Site == nil {
		c.Site = func(context.Context, wire.Hash) (Blocks, bool) { return c.Blocks, true }
	}
	if c.Refuse == nil {
		c.Refuse = func(wire.Hash) bool { return false }
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

// Server answers GetBlocks, GetPath and GetHave.
type Server struct {
	cfg     ServerConfig
	buffers sync.Pool // of *[]byte, each a block long
}

// NewServer returns a Server. It starts nothing.
func NewServer(cfg ServerConfig) *Server {
	return &Server{cfg: cfg.withDefaults(), buffers: sync.Pool{New: func() any {
		b := make([]byte, 0, wire.MaxBlock)
		return &b
	}}}
}

// Serve answers one request and leaves the stream open. An error means that
// the answer is cut short.
func (s *Server) Serve(ctx context.Context, request wire.Message, st Stream) error {
	switch m := request.(type) {
	case wire.GetBlocks:
		return s.blocks(ctx, m, st)
	case wire.GetPath:
		return s.path(ctx, m, st)
	case wire.GetHave:
		return s.have(ctx, m, st)
	}
	return st.Write(wire.Error{Code: wire.CodeUnsupported, Text: "not a request for blocks"})
}

// absent reports whether err says that a block is not here, as opposed to a
// failing disk.
func absent(err error) bool {
	return errors.Is(err, ErrMissing) || errors.Is(err, fs.ErrNotExist)
}

func (s *Server) blocks(ctx context.Context, m wire.GetBlocks, st Stream) error {
	if len(m.Hashes) > wire.MaxBlockHashes {
		return st.Write(wire.Error{Code: wire.CodeBadRequest, Text: "too many hashes"})
	}
	from := s.site(ctx, m.Root)
	buf := s.buffers.Get().(*[]byte)
	defer s.buffers.Put(buf)
	for _, h := range m.Hashes {
		data, err := from.Get(ctx, h, *buf)
		switch {
		case err == nil:
			err = st.WriteBlock(data)
		case absent(err):
			err = st.Write(wire.Missing{})
		}
		if err != nil {
			return fmt.Errorf("serve block %s: %w", h, err)
		}
	}
	return nil
}

// servable is the part of a Blocks that may be handed out.
type servable struct {
	blocks Blocks // nil: nothing
	refuse func(wire.Hash) bool
}

func (s *Server) site(ctx context.Context, root wire.Hash) servable {
	blocks, ok := s.cfg.Site(ctx, root)
	if !ok || s.cfg.Refuse(root) {
		blocks = nil
	}
	return servable{blocks: blocks, refuse: s.cfg.Refuse}
}

// Get implements Blocks.
func (b servable) Get(ctx context.Context, h wire.Hash, buf []byte) ([]byte, error) {
	if b.blocks == nil || b.refuse(h) {
		return nil, &MissingError{Hash: h, Count: 1}
	}
	return b.blocks.Get(ctx, h, buf)
}

// path walks the path, or the whole site, as a reader does, with every block
// that is read sent on the way.
func (s *Server) path(ctx context.Context, m wire.GetPath, st Stream) error {
	name := m.Path
	if name == "" {
		name = "."
	}
	if !fs.ValidPath(name) || len(name) > MaxPath || m.Root.IsZero() || m.Below && (m.Path != "" || m.Offset > 0) {
		return st.Write(wire.Error{Code: wire.CodeBadRequest, Text: "not a path"})
	}
	t := &tracer{server: s, from: s.site(ctx, m.Root), stream: st, sent: map[wire.Hash]struct{}{}}
	walk := t.walk
	if m.Below {
		walk = t.walkAll
	}
	err := walk(ctx, name, m)
	switch {
	case t.failed != nil:
		return fmt.Errorf("serve path: %w", t.failed)
	case err == nil || errors.Is(err, fs.ErrNotExist):
		return st.Write(wire.End{Complete: true})
	case absent(err), errors.Is(err, errEnough):
		return st.Write(wire.End{})
	}
	s.cfg.Log.Debug("cannot serve path", "root", m.Root, "path", name, "err", err)
	return st.Write(wire.End{})
}

// tracer is a Blocks that sends what is read from it.
type tracer struct {
	server *Server
	from   Blocks
	stream Stream
	sent   map[wire.Hash]struct{}
	failed error // of the stream
}

// Get implements Blocks.
func (t *tracer) Get(ctx context.Context, h wire.Hash, buf []byte) ([]byte, error) {
	data, err := t.from.Get(ctx, h, buf)
	if err != nil {
		return nil, err
	}
	if _, ok := t.sent[h]; !ok {
		t.sent[h] = struct{}{}
		t.failed = t.stream.WriteBlock(data)
	}
	return data, t.failed
}

func (t *tracer) walk(ctx context.Context, name string, m wire.GetPath) error {
	fsys, err := Open(ctx, m.Root, t)
	if err != nil {
		return err
	}
	l, err := fsys.find(t, name)
	if err == nil && l.Kind.isDir() {
		l, err = fsys.lookup(t, l, "index.html")
	}
	if err != nil || !l.Kind.isFile() || m.Offset >= l.Size {
		return err
	}
	f := &File{fsys: fsys, blocks: t, link: l}
	buf := t.server.buffers.Get().(*[]byte)
	defer t.server.buffers.Put(buf)
	left := int64(min(m.Limit, maxPathBytes))
	for off := int64(m.Offset); left > 0 && off < f.Size(); {
		c, err := f.locate(off, false)
		if err != nil {
			return err
		}
		if _, err := t.Get(ctx, c.Hash, *buf); err != nil {
			return err
		}
		left -= c.Offset + c.Length - off
		off = c.Offset + c.Length
	}
	return nil
}

// errEnough: more would be beyond what was asked for.
var errEnough = errors.New("limit reached")

// walkAll sends the whole site, up to the limit. Reading a node sends it.
func (t *tracer) walkAll(ctx context.Context, _ string, m wire.GetPath) error {
	buf := t.server.buffers.Get().(*[]byte)
	defer t.server.buffers.Put(buf)
	left := min(m.Limit, maxPathBytes)
	return walkSite(ctx, m.Root, t, func(p place, length uint64) error {
		if length > left {
			return errEnough
		}
		left -= length
		if p.Kind != KindChunk {
			return nil
		}
		_, err := t.Get(ctx, p.Hash, *buf)
		return err
	})
}

func (s *Server) have(ctx context.Context, m wire.GetHave, st Stream) error {
	var h wire.Have
	var err error
	if !s.cfg.Refuse(m.Root) {
		h, err = s.cfg.Have(ctx, m.Root)
	}
	if err != nil {
		s.cfg.Log.Debug("cannot say what is held", "root", m.Root, "err", err)
		h = wire.Have{}
	}
	return st.Write(h)
}

// holds reports whether the i-th block is held. A bitmap that is too short
// says no.
func holds(h wire.Have, i int) bool {
	return h.Full || i/8 < len(h.Bitmap) && h.Bitmap[i/8]&(0x80>>(i%8)) != 0
}

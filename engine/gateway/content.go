package gateway

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"altnet/engine/site"
	"altnet/engine/wire"
)

// smallFile is read whole before the answer begins: its blocks are one, and
// one write is faster than what the kernel's copying costs to set up.
const smallFile = 64 << 10

func itoa(n uint16) string { return strconv.Itoa(int(n)) }

// hasher is a file that knows the hash of its content (*site.File).
type hasher interface{ Hash() wire.Hash }

// chunked is a file whose blocks can be found one by one (*site.File).
type chunked interface {
	ChunkAt(off int64) (site.Chunk, error)
}

// loaded is a found file up to its first byte.
type loaded struct {
	content io.ReadSeeker
	head    []byte // its beginning
	room    *[smallFile]byte
	lender  *buffers
}

func (l *loaded) giveBack() {
	if l.room != nil {
		l.lender.pool.Put(l.room)
		l.room, l.head = nil, nil
	}
}

// whole is a small file in memory.
type whole struct {
	*bytes.Reader
	data []byte
}

// buffers lends room for small files.
type buffers struct{ pool sync.Pool }

func (p *buffers) get() *[smallFile]byte {
	if b, ok := p.pool.Get().(*[smallFile]byte); ok {
		return b
	}
	return new([smallFile]byte)
}

// load reads the beginning, so that a file whose holders are gone fails before
// the answer says 200.
func (f *found) load(sections bool, lender *buffers) error {
	rs, err := f.seeker()
	if err != nil {
		return err
	}
	if _, ok := f.file.(chunked); ok && sections && f.size > smallFile {
		// The first section is looked for when it is sent; asking for its
		// place loads the lists above it.
		_, err := f.file.(chunked).ChunkAt(0)
		if err != nil || !strings.HasPrefix(typeByName(f.name), "text/html") && typeByName(f.name) != "" {
			f.content = rs
			return err
		}
	}
	f.room, f.lender = lender.get(), lender
	head := f.room[:min(f.size, smallFile)]
	if f.size > smallFile {
		head = f.room[:titleWithin]
	}
	if _, err := io.ReadFull(rs, head); err != nil {
		return err
	}
	f.head, f.content = head, rs
	if int64(len(head)) == f.size {
		f.content = &whole{bytes.NewReader(head), head}
		return nil
	}
	_, err = rs.Seek(0, io.SeekStart)
	return err
}

// send writes a file with what browsers have to know about it.
func (g *Gateway) send(w http.ResponseWriter, r *request, f *found) {
	g.describe(w.Header(), r, f)
	o := &out{ResponseWriter: w, section: g.cfg.Section}
	began := time.Now()
	if r.kind == hostSite { // what an author previews is no visit
		v := visitOf(r, f, began)
		defer func() {
			v.Status, v.Bytes, v.Took = o.status, o.sent, time.Since(began)
			g.cfg.Visit(v)
		}()
	}
	content := f.content
	if c, ok := f.file.(chunked); ok && g.cfg.Section != nil && f.size > smallFile {
		content = &body{under: content, blocks: c, size: f.size}
	}
	if f.status != http.StatusOK {
		o.Header().Set("Content-Length", strconv.FormatInt(f.size, 10))
		o.WriteHeader(f.status)
		if r.Method == http.MethodGet {
			_, _ = io.CopyN(o, content, f.size) // the browser went away, or sees it by the length
		}
		return
	}
	http.ServeContent(o, r.Request, "", time.Time{}, content)
}

// describe sets the headers of a site's file.
func (g *Gateway) describe(h http.Header, r *request, f *found) {
	if t := typeByName(f.name); t != "" {
		h.Set("Content-Type", withoutCharset(t, f.head))
	} else if f.head != nil {
		h.Set("Content-Type", http.DetectContentType(f.head[:min(len(f.head), 512)]))
	} else {
		h.Set("Content-Type", "application/octet-stream")
	}
	h.Set("Cache-Control", "no-cache") // kept, and asked about each time: the ETag answers
	if known, ok := f.file.(hasher); ok {
		hash := known.Hash().String()
		if f.status == http.StatusOK {
			h.Set("Etag", `"`+hash+`"`)
			if strings.Contains(r.URL.Path+"?"+r.URL.RawQuery, hash[:16]) {
				// The URL names this very content and can never mean another.
				h.Set("Cache-Control", "public, max-age=31536000, immutable")
			}
		}
	}
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cross-Origin-Resource-Policy", "same-site")
	// What the reader opens under .alt is nobody else's business.
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Content-Security-Policy", policy(r))
	h.Add("Content-Security-Policy", apart(g.cfg.Suffix)) // a second policy: both hold
	if f.site.Stale {
		h.Set("Altnet-Copy", f.site.Date.UTC().Format(http.TimeFormat))
	}
	if r.kind == hostPreview {
		// Nothing of it is to outlive it, and its address is its key.
		h.Set("Cache-Control", "no-store")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("X-Frame-Options", "DENY")
		h.Set("X-Robots-Tag", "noindex")
	}
}

// policy keeps a site out of other names' frames, and out of the services on
// the reader's own machine and network: a page that came over a loopback
// address would otherwise count as one of them. Over plain http by DNS Chromium
// would refuse the page its own files too, so there it is left out.
func policy(r *request) string {
	frames := "frame-ancestors 'self'"
	if r.kind == hostPreview {
		frames = "frame-ancestors 'none'"
	}
	if r.onDNS() {
		return frames
	}
	return "treat-as-public-address; " + frames
}

// apart keeps a site from the services on the reader's computer and network in
// browsers that do not know treat-as-public-address: Firefox counts a page that
// came by a proxy on this computer as one of its own. Nearly all such services
// speak http, so a site may load from itself, from other sites under suffix and,
// from the world outside, by https alone.
func apart(suffix string) string {
	sites := " 'self' https: http://*." + suffix
	return "default-src" + sites + " wss: ws://*." + suffix + " data: blob: 'unsafe-inline' 'unsafe-eval'; form-action" + sites
}

// out counts what is sent, and lets the kernel copy blocks from where they lie.
type out struct {
	http.ResponseWriter
	section func(wire.Hash) (*os.File, int64, int64, error)
	status  int
	sent    int64
}

func (o *out) WriteHeader(status int) {
	o.status = status
	o.ResponseWriter.WriteHeader(status)
}

func (o *out) Write(p []byte) (int, error) {
	n, err := o.ResponseWriter.Write(p)
	o.sent += int64(n)
	return n, err
}

// Unwrap is for http.ResponseController.
func (o *out) Unwrap() http.ResponseWriter { return o.ResponseWriter }

// ReadFrom implements io.ReaderFrom for io.CopyN from a body.
func (o *out) ReadFrom(src io.Reader) (int64, error) {
	limit, ok := src.(*io.LimitedReader)
	if !ok {
		return o.copy(src)
	}
	switch from := limit.R.(type) {
	case *whole:
		at := len(from.data) - from.Len()
		n, err := o.Write(from.data[at : at+int(min(limit.N, int64(from.Len())))])
		return int64(n), err
	case *body:
		return o.blocks(from, limit)
	}
	return o.copy(src)
}

// blocks sends what limit allows of b.
func (o *out) blocks(b *body, limit *io.LimitedReader) (int64, error) {
	var total int64
	for limit.N > 0 {
		n, err := o.block(b, limit.N)
		total, limit.N = total+n, limit.N-n
		if err != nil {
			return total, err
		}
		if n == 0 {
			return total, io.ErrUnexpectedEOF
		}
	}
	return total, nil
}

// copy is the way without sections.
func (o *out) copy(src io.Reader) (int64, error) {
	n, err := io.Copy(o.ResponseWriter, src)
	o.sent += n
	return n, err
}

// block sends at most limit bytes of the block at b's place.
func (o *out) block(b *body, limit int64) (int64, error) {
	c, err := b.blocks.ChunkAt(b.pos)
	if err != nil {
		return 0, err
	}
	skip := b.pos - c.Offset
	limit = min(limit, c.Length-skip)
	f, at, length, err := o.section(c.Hash)
	if err != nil || length != c.Length {
		if err == nil {
			f.Close()
		}
		return o.copy(io.LimitReader(b, limit)) // fetched from a peer, or gone this moment
	}
	defer f.Close()
	if _, err := f.Seek(at+skip, io.SeekStart); err != nil {
		return 0, err
	}
	n, err := o.copy(io.LimitReader(f, limit))
	b.pos += n
	return n, err
}

// body is a file's content with a place of its own, so that blocks sent by the
// kernel and blocks read through the FS can follow each other.
type body struct {
	under  io.ReadSeeker
	blocks chunked
	size   int64
	pos    int64
	at     int64 // where under stands
}

var errWhence = errors.New("seek to before the start")

func (b *body) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += b.pos
	case io.SeekEnd:
		offset += b.size
	}
	if offset < 0 {
		return 0, errWhence
	}
	b.pos = offset
	return offset, nil
}

func (b *body) Read(p []byte) (int, error) {
	if b.at != b.pos {
		if _, err := b.under.Seek(b.pos, io.SeekStart); err != nil {
			return 0, err
		}
		b.at = b.pos
	}
	n, err := b.under.Read(p)
	b.pos, b.at = b.pos+int64(n), b.at+int64(n)
	return n, err
}

package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"sync"

	"altnet/engine/wire"
)

// HaveBlocks implements Control.
func (c *Client) HaveBlocks(ctx context.Context, hashes []wire.Hash) ([]bool, error) {
	have := make([]bool, 0, len(hashes))
	for len(hashes) > 0 {
		part := hashes[:min(len(hashes), maxAsked)]
		hashes = hashes[len(part):]
		bits, err := c.haveBlocks(ctx, part)
		if err != nil {
			return nil, err
		}
		have = append(have, bits...)
	}
	return have, nil
}

func (c *Client) haveBlocks(ctx context.Context, hashes []wire.Hash) ([]bool, error) {
	body := make([]byte, 0, len(hashes)*len(wire.Hash{}))
	for i := range hashes {
		body = append(body, hashes[i][:]...)
	}
	resp, err := c.post(ctx, "have", bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if err := refusal(resp, nil); err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	bits := make([]byte, len(hashes))
	if _, err := io.ReadFull(resp.Body, bits); err != nil {
		return nil, lost(ctx, "have", err)
	}
	have := make([]bool, len(bits))
	for i, b := range bits {
		have[i] = b != 0
	}
	return have, nil
}

// PutBlocks implements Control.
func (c *Client) PutBlocks(ctx context.Context, blocks iter.Seq2[wire.Hash, []byte]) error {
	ctx, cancel := context.WithCancel(ctx)
	body := newFrames(blocks)
	// The answer may come while the upload still runs; the iterator must have
	// stopped when this returns.
	defer body.Close()
	defer cancel()
	resp, err := c.post(ctx, "blocks", body)
	if err := body.failed(); err != nil {
		return err
	}
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	return readAnswer(resp, nil)
}

// frames is the request body that an iterator of blocks makes. The HTTP
// client reads and closes it from goroutines of its own.
type frames struct {
	mu   sync.Mutex
	next func() (wire.Hash, []byte, bool)
	stop func()
	head []byte // of the present frame, what is still to be sent
	data []byte
	err  error
}

func newFrames(blocks iter.Seq2[wire.Hash, []byte]) *frames {
	f := &frames{}
	f.next, f.stop = iter.Pull2(blocks)
	return f
}

// Read implements io.Reader.
func (f *frames) Read(p []byte) (n int, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for n < len(p) {
		if len(f.head)+len(f.data) == 0 && !f.advance() {
			break
		}
		k := copy(p[n:], f.head)
		f.head, n = f.head[k:], n+k
		k = copy(p[n:], f.data)
		f.data, n = f.data[k:], n+k
	}
	if n == 0 && len(p) > 0 {
		if f.err != nil {
			return 0, f.err
		}
		return 0, io.EOF
	}
	return n, nil
}

// advance asks the iterator for the next block.
func (f *frames) advance() bool {
	if f.err != nil {
		return false
	}
	hash, data, ok := f.next()
	if !ok {
		return false
	}
	if len(data) > wire.MaxBlock {
		f.err = fmt.Errorf("a block of %d bytes: %w", len(data), ErrInvalid)
		return false
	}
	head := frameHeader(hash, len(data))
	f.head, f.data = head[:], data
	return true
}

func (f *frames) failed() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if errors.Is(f.err, ErrInvalid) {
		return f.err
	}
	return nil
}

// Close implements io.Closer. It waits for a Read under way.
func (f *frames) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err == nil {
		f.err = io.ErrClosedPipe
	}
	f.stop()
	return nil
}

// Archive implements Control.
func (c *Client) Archive(ctx context.Context, target string) (io.ReadCloser, error) {
	body, err := json.Marshal(nameIn{target})
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	resp, err := c.post(ctx, "archive", bytes.NewReader(body))
	if err == nil {
		err = refusal(resp, nil)
	}
	if err != nil {
		cancel()
		return nil, err
	}
	return &archive{resp: resp, ctx: ctx, cancel: cancel}, nil
}

// archive is the tar stream of a response.
type archive struct {
	resp   *http.Response
	ctx    context.Context // of the request
	cancel context.CancelFunc
}

// Read returns the stream, then the error from the trailer.
func (a *archive) Read(p []byte) (int, error) {
	n, err := a.resp.Body.Read(p)
	switch {
	case err == nil:
		return n, nil
	case !errors.Is(err, io.EOF):
		return n, lost(a.ctx, "archive", err)
	}
	if code := a.resp.Trailer.Get(trailerCode); code != "" {
		text, _ := url.QueryUnescape(a.resp.Trailer.Get(trailerText))
		return n, (&failure{Code: code, Text: text}).err()
	}
	return n, io.EOF
}

// Close ends the request.
func (a *archive) Close() error {
	a.cancel()
	return a.resp.Body.Close()
}

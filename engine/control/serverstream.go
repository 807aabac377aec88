package control

import (
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"

	"altnet/engine/wire"
)

// blocks takes an upload. Where it fails under way the answer goes out at
// once, and the rest of the upload is read and dropped until the client
// notices: closing instead would race the answer.
func (s *server) blocks(w http.ResponseWriter, r *http.Request) {
	if err := http.NewResponseController(w).EnableFullDuplex(); err != nil {
		fail(w, err)
		return
	}
	up := upload{body: r.Body}
	err := s.control.PutBlocks(r.Context(), up.frames())
	if up.err != nil {
		err = up.err // why the iterator ended: the blocks that came were no upload
	}
	reply(w, nil, err)
	http.NewResponseController(w).Flush()
	io.Copy(io.Discard, r.Body)
}

// upload is a stream of block frames.
type upload struct {
	body io.Reader
	err  error // why it ended early
}

func (u *upload) frames() iter.Seq2[wire.Hash, []byte] {
	return func(yield func(wire.Hash, []byte) bool) {
		buf := make([]byte, wire.MaxBlock)
		for {
			hash, data, err := readFrame(u.body, buf)
			if errors.Is(err, io.EOF) {
				return
			}
			if err != nil {
				u.err = fmt.Errorf("read the upload: %w", err)
				return
			}
			if !yield(hash, data) {
				return
			}
		}
	}
}

// archive sends a site as tar. Its beginning has been sent when an error
// comes up, so the error travels in the trailer.
func (s *server) archive(w http.ResponseWriter, r *http.Request) {
	var in nameIn
	if err := readJSON(w, r, &in); err != nil {
		fail(w, err)
		return
	}
	tar, err := s.control.Archive(r.Context(), in.Name)
	if err != nil {
		fail(w, err)
		return
	}
	defer tar.Close()
	w.Header().Set("Content-Type", "application/x-tar")
	w.Header().Set("Trailer", trailerCode+", "+trailerText)
	if _, err := io.CopyBuffer(struct{ io.Writer }{w}, tar, make([]byte, wire.MaxBlock)); err != nil {
		w.Header().Set(trailerCode, Code(err))
		w.Header().Set(trailerText, url.QueryEscape(err.Error()))
	}
}

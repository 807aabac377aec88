package control_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"altnet/engine/control"
	"altnet/engine/control/controltest"
	"altnet/engine/wire"
)

func TestConformance(t *testing.T) {
	controltest.Run(t, func(t *testing.T) (control.Control, controltest.Author) {
		f := controltest.NewFake()
		t.Cleanup(f.Close)
		return f, &controltest.FakeAuthor{}
	})
}

var operator = control.Caller{User: "1000", Operator: true}

// failing is a Control whose calls fail with err.
type failing struct {
	control.Control
	err error
}

func (f failing) Peers(context.Context) ([]control.Peer, error) { return nil, f.err }

func TestErrorsCross(t *testing.T) {
	sentinels := []error{
		control.ErrInvalid, control.ErrDenied, control.ErrNotFound, control.ErrMissing, control.ErrUnknown,
		control.ErrConflict, control.ErrOwnerChanged, control.ErrWithdrawn, control.ErrExpired, control.ErrBlocked,
		control.ErrStale, control.ErrClock, control.ErrOffline, control.ErrUnreachable, control.ErrFull, control.ErrClosed,
		context.DeadlineExceeded,
	}
	for _, want := range sentinels {
		t.Run(control.Code(want), func(t *testing.T) {
			sent := fmt.Errorf("do a thing: %w", want)
			_, err := controltest.Served(t, failing{err: sent}, operator).Peers(t.Context())
			if !errors.Is(err, want) || err.Error() != sent.Error() {
				t.Errorf("sent %q, got %q", sent, err)
			}
			for _, other := range sentinels {
				if other != want && errors.Is(err, other) {
					t.Errorf("%v is also %v", err, other)
				}
			}
		})
	}
	odd := errors.New("odd\nand strange")
	_, err := controltest.Served(t, failing{err: odd}, operator).Peers(t.Context())
	if err == nil || err.Error() != odd.Error() || control.Code(err) != "internal" {
		t.Errorf("an error without a sentinel came as %v", err)
	}
}

func TestMark(t *testing.T) {
	inner := errors.New("inner")
	err := control.Mark(control.ErrFull, fmt.Errorf("outer: %w", inner))
	if !errors.Is(err, control.ErrFull) || !errors.Is(err, inner) || err.Error() != "outer: inner" {
		t.Errorf("marked as %v", err)
	}
	if control.Mark(control.ErrFull, nil) != nil {
		t.Error("nil was marked")
	}
}

func TestConflictBringsItsRivals(t *testing.T) {
	f := controltest.NewFake()
	rivals := []control.Rival{{Owner: "aa"}, {Owner: "bb"}}
	f.SetForeign("two.alt", controltest.Foreign{
		Resolution: control.Resolution{Name: "two.alt", Rivals: rivals},
		Err:        fmt.Errorf("two.alt: %w", control.ErrConflict),
	})
	r, err := controltest.Served(t, f, operator).Resolve(t.Context(), "two")
	if !errors.Is(err, control.ErrConflict) || len(r.Rivals) != 2 || r.Rivals[1].Owner != "bb" {
		t.Errorf("got %+v, %v", r, err)
	}
}

func TestNobodyListens(t *testing.T) {
	gone := errors.New("nobody here")
	c := control.NewClient(func(context.Context) (net.Conn, error) { return nil, gone })
	_, err := c.Status(t.Context())
	if !errors.Is(err, control.ErrNotRunning) || !errors.Is(err, gone) || strings.Contains(err.Error(), "http://") {
		t.Errorf("status: %v", err)
	}
	for _, err := range c.Events(t.Context()) {
		if !errors.Is(err, control.ErrNotRunning) {
			t.Errorf("events: %v", err)
		}
	}
	if err := c.PutBlocks(t.Context(), controltest.Signed{}.All()); !errors.Is(err, control.ErrNotRunning) {
		t.Errorf("blocks: %v", err)
	}
}

// TestNodeCloses has a node close while its events are read.
func TestNodeCloses(t *testing.T) {
	f := controltest.NewFake()
	next, stop := iter.Pull2(controltest.Served(t, f, operator).Events(t.Context()))
	defer stop()
	if _, err, _ := next(); err != nil {
		t.Fatal(err)
	}
	f.Close()
	if _, err, ok := next(); !ok || !errors.Is(err, control.ErrClosed) {
		t.Errorf("the events ended with %v", err)
	}
	if _, err, ok := next(); ok {
		t.Errorf("an event after the end: %v", err)
	}
}

// broken is a Control whose archives break off.
type broken struct {
	control.Control
	err error
}

func (b broken) Archive(context.Context, string) (io.ReadCloser, error) {
	return io.NopCloser(io.MultiReader(strings.NewReader(strings.Repeat("x", 1<<20)), errorReader{b.err})), nil
}

type errorReader struct{ err error }

func (r errorReader) Read([]byte) (int, error) { return 0, r.err }

func TestArchiveBreaksOff(t *testing.T) {
	sent := fmt.Errorf("block 17 of 20, 100%% sure\n: %w", control.ErrMissing)
	stream, err := controltest.Served(t, broken{err: sent}, operator).Archive(t.Context(), "x.alt")
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	n, err := io.Copy(io.Discard, stream)
	if n != 1<<20 || !errors.Is(err, control.ErrMissing) || err.Error() != sent.Error() {
		t.Errorf("after %d bytes: %v", n, err)
	}
}

func TestUploadCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	s := (&controltest.FakeAuthor{}).Site(t, "c.alt", map[string]string{"f": strings.Repeat("c", 100)})
	ended := false
	err := controltest.Served(t, controltest.NewFake(), operator).PutBlocks(ctx, func(yield func(wire.Hash, []byte) bool) {
		defer func() { ended = true }()
		for yield(s.Blocks[0].Hash, s.Blocks[0].Data) {
			cancel()
		}
	})
	if !errors.Is(err, context.Canceled) || !ended {
		t.Errorf("error %v, iterator ended: %v", err, ended)
	}
}

// TestBrowsersAreRefused sends to the control socket what pages can send.
func TestBrowsersAreRefused(t *testing.T) {
	near, far := net.Pipe()
	l := &oneConn{conn: far, done: make(chan struct{})}
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- control.Serve(ctx, l, controltest.NewFake(), control.ServerConfig{}) }()
	client := &http.Client{Transport: &http.Transport{
		DialContext: func(context.Context, string, string) (net.Conn, error) { return near, nil },
	}}
	for _, test := range []struct {
		name string
		edit func(*http.Request)
		want int
	}{
		{"the client", func(*http.Request) {}, http.StatusOK},
		{"origin", func(r *http.Request) { r.Header.Set("Origin", "null") }, http.StatusForbidden},
		{"referer", func(r *http.Request) { r.Header.Set("Referer", "http://a.alt/") }, http.StatusForbidden},
		{"host", func(r *http.Request) { r.Host = "127.0.0.1" }, http.StatusForbidden},
		{"get", func(r *http.Request) { r.Method = http.MethodGet }, http.StatusForbidden},
		{"unknown method", func(r *http.Request) { r.URL.Path = "/v1/nothing" }, http.StatusNotFound},
	} {
		req, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://altnet/v1/status", http.NoBody)
		test.edit(req)
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(test.name, err)
		}
		io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		if resp.StatusCode != test.want {
			t.Errorf("%s: %s, want %d", test.name, resp.Status, test.want)
		}
	}
	client.CloseIdleConnections()
	cancel()
	if err := <-served; err != nil {
		t.Error(err)
	}
}

type oneConn struct {
	conn net.Conn
	done chan struct{}
}

func (l *oneConn) Accept() (net.Conn, error) {
	if c := l.conn; c != nil {
		l.conn = nil
		return c, nil
	}
	<-l.done
	return nil, net.ErrClosed
}

func (l *oneConn) Close() error {
	select {
	case <-l.done:
	default:
		close(l.done)
	}
	return nil
}

func (l *oneConn) Addr() net.Addr { return &net.UnixAddr{Name: "one", Net: "pipe"} }

func TestMetrics(t *testing.T) {
	secret := control.Metrics(controltest.NewFake(), control.MetricsConfig{Token: "s3cret"})
	open := control.Metrics(controltest.NewFake(), control.MetricsConfig{Hosts: []string{"node.example"}})
	tests := []struct {
		name    string
		handler http.Handler
		method  string
		url     string
		head    [2]string
		want    int
	}{
		{"loopback", open, "GET", "http://127.0.0.1:9090/", [2]string{}, 200},
		{"loopback v6", open, "GET", "http://[::1]:9090/status", [2]string{}, 200},
		{"localhost", open, "HEAD", "http://localhost/metrics", [2]string{}, 200},
		{"allowed host", open, "GET", "http://Node.example:1/", [2]string{}, 200},
		{"address", open, "GET", "http://192.0.2.7:9090/", [2]string{}, 200},
		{"rebinding", open, "GET", "http://evil.example:9090/", [2]string{}, 403},
		{"alt page", open, "GET", "http://evil.alt/", [2]string{}, 403},
		{"a page's fetch", open, "GET", "http://127.0.0.1/", [2]string{"Sec-Fetch-Site", "cross-site"}, 403},
		{"a page's post", open, "GET", "http://127.0.0.1/", [2]string{"Origin", "http://a.alt"}, 403},
		{"address bar", open, "GET", "http://127.0.0.1/", [2]string{"Sec-Fetch-Site", "none"}, 200},
		{"write", open, "POST", "http://127.0.0.1/", [2]string{}, 405},
		{"elsewhere", open, "GET", "http://127.0.0.1/sites", [2]string{}, 404},
		{"no token", secret, "GET", "http://127.0.0.1/", [2]string{}, 401},
		{"wrong token", secret, "GET", "http://127.0.0.1/", [2]string{"Authorization", "Bearer wrong"}, 401},
		{"token", secret, "GET", "http://127.0.0.1/", [2]string{"Authorization", "Bearer s3cret"}, 200},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := httptest.NewRequest(test.method, test.url, nil)
			if test.head[0] != "" {
				r.Header.Set(test.head[0], test.head[1])
			}
			w := httptest.NewRecorder()
			test.handler.ServeHTTP(w, r)
			if w.Code != test.want {
				t.Fatalf("status %d, want %d: %s", w.Code, test.want, w.Body)
			}
			var st control.Status
			if w.Code == 200 && (json.Unmarshal(w.Body.Bytes(), &st) != nil || st.Version == "") {
				t.Errorf("body %s", w.Body)
			}
		})
	}
}

func FuzzUpload(f *testing.F) {
	f.Add([]byte{})
	f.Add(make([]byte, 36))
	f.Add([]byte(strings.Repeat("\xff", 40)))
	f.Fuzz(func(t *testing.T, body []byte) {
		fake := controltest.NewFake()
		control.StoreFrames(fake, body)
		st, _ := fake.Status(t.Context())
		if st.Store.Used > int64(len(body)) {
			t.Errorf("%d bytes stored of %d sent", st.Store.Used, len(body))
		}
	})
}

// BenchmarkPutBlocks measures the upload alone: the store is a counter.
func BenchmarkPutBlocks(b *testing.B) {
	const blocks = 256
	data := make([]byte, wire.MaxBlock)
	c := controltest.Served(b, sink{}, operator)
	b.SetBytes(blocks * wire.MaxBlock)
	for b.Loop() {
		err := c.PutBlocks(b.Context(), func(yield func(wire.Hash, []byte) bool) {
			for range blocks {
				if !yield(wire.Hash{}, data) {
					return
				}
			}
		})
		if err != nil {
			b.Fatal(err)
		}
	}
}

// sink swallows blocks.
type sink struct{ control.Control }

func (sink) PutBlocks(_ context.Context, blocks iter.Seq2[wire.Hash, []byte]) error {
	for range blocks {
	}
	return nil
}

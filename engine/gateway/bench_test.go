package gateway

import (
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"altnet/engine/wire"
)

// BenchmarkPage compares a 10 KiB page with the ceiling: net/http writing the
// same bytes from memory, seen by the same clients.
func BenchmarkPage(b *testing.B) {
	page := make([]byte, 10<<10)
	copy(page, "<!doctype html><meta charset=utf-8>")
	b.Run("ceiling", func(b *testing.B) {
		fetchPages(b, serve(b, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			_, _ = w.Write(page)
		})))
	})
	b.Run("product", func(b *testing.B) { fetchPages(b, serve(b, benchGateway(b, "index.html", page))) })
}

// BenchmarkFile compares a 100 MiB file with the ceiling: http.ServeFile.
func BenchmarkFile(b *testing.B) {
	file := make([]byte, 100<<20)
	for i := range file {
		file[i] = byte(i >> 18)
	}
	b.Run("ceiling", func(b *testing.B) {
		path := filepath.Join(b.TempDir(), "film.mp4")
		if err := os.WriteFile(path, file, 0o600); err != nil {
			b.Fatal(err)
		}
		fetchFile(b, serve(b, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, path) })), file)
	})
	b.Run("product", func(b *testing.B) { fetchFile(b, serve(b, benchGateway(b, "film.mp4", file)), file) })
}

func benchGateway(b *testing.B, name string, data []byte) http.Handler {
	dir := b.TempDir()
	if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
		b.Fatal(err)
	}
	fsys, blocks := build(b, dir)
	g, err := New(Config{
		Resolve:   func(context.Context, string) (Site, error) { return Site{Name: "pg.alt", FS: fsys}, nil },
		WaitAfter: time.Minute, // on a busy machine it would be reached, and measured
		Section:   sections(b, blocks, func(wire.Hash) bool { return false }),
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { g.Close() })
	return g
}

func serve(b *testing.B, h http.Handler) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	srv := &http.Server{Handler: h}
	go func() { _ = srv.Serve(l) }()
	b.Cleanup(func() { srv.Close() })
	return l.Addr().String()
}

// fetchPages asks as a browser in its 16 tabs does. The client costs as much
// as the server, so the ratio to the ceiling is what counts.
func fetchPages(b *testing.B, addr string) {
	transport := &http.Transport{MaxIdleConnsPerHost: 16}
	defer transport.CloseIdleConnections()
	b.SetParallelism(max(1, 16/runtime.GOMAXPROCS(0)))
	var mu sync.Mutex
	var all []time.Duration
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		var times []time.Duration
		defer func() {
			mu.Lock()
			defer mu.Unlock()
			all = append(all, times...)
		}()
		for pb.Next() {
			start := time.Now()
			resp, err := transport.RoundTrip(pageRequest(b, addr, "/"))
			if err != nil {
				b.Error(err)
				return
			}
			n, err := io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
			if err != nil || n != 10<<10 {
				b.Errorf("%d bytes: %v", n, err)
				return
			}
			times = append(times, time.Since(start))
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "req/s")
	slices.Sort(all)
	b.ReportMetric(float64(all[len(all)*99/100].Microseconds())/1000, "p99-ms")
}

func pageRequest(b *testing.B, addr, path string) *http.Request {
	r, err := http.NewRequestWithContext(b.Context(), "GET", "http://"+addr+path, nil)
	if err != nil {
		b.Fatal(err)
	}
	r.Host = "pg.alt"
	r.Header.Set("Accept", "text/html")
	return r
}

func fetchFile(b *testing.B, addr string, file []byte) {
	b.SetBytes(int64(len(file)))
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	buf := make([]byte, 256<<10)
	for b.Loop() {
		resp, err := transport.RoundTrip(pageRequest(b, addr, "/film.mp4"))
		if err != nil {
			b.Fatal(err)
		}
		n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{resp.Body}, buf)
		resp.Body.Close()
		if err != nil || n != int64(len(file)) {
			b.Fatalf("%d bytes: %v", n, err)
		}
	}
}

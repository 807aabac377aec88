//go:build unix

package engine

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"syscall"
	"testing"
	"time"

	"altnet/engine/identity"
	"altnet/engine/publisher"
	"altnet/engine/site"
	"altnet/engine/store"
	"altnet/engine/wire"
)

// The benchmarks of whole nodes: real files, real sockets, real fsync.

// shape is what a site is made of.
type shape struct {
	name  string
	files int
	size  int // bytes of each
}

var shapes = []shape{{"256MiB", 1, 256 << 20}, {"10000x4KiB", 10000, 4 << 10}}

// folder writes the shape as incompressible files.
func (s shape) folder(b *testing.B) string {
	dir := b.TempDir()
	buf := make([]byte, s.size)
	for i := range s.files {
		random(buf, uint64(i))
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("f%05d.bin", i)), buf, 0o644); err != nil {
			b.Fatal(err)
		}
	}
	return dir
}

func random(buf []byte, seed uint64) {
	var key [32]byte
	for i := range 8 {
		key[i] = byte(seed >> (8 * i))
	}
	_, _ = rand.NewChaCha8(key).Read(buf)
}

// measure times do on a new folder each time, and reports beside the time on
// the clock what the processors spent: that hangs less on what else runs.
func (s shape) measure(b *testing.B, prepare func(dir string) (do, after func())) {
	b.SetBytes(int64(s.files) * int64(s.size))
	var spent time.Duration
	for b.Loop() {
		b.StopTimer()
		dir, err := os.MkdirTemp(b.TempDir(), "")
		if err != nil {
			b.Fatal(err)
		}
		do, after := prepare(dir)
		runtime.GC()
		before := cpuTime(b)
		b.StartTimer()
		do()
		b.StopTimer()
		spent += cpuTime(b) - before
		after()
		os.RemoveAll(dir)
		b.StartTimer()
	}
	b.ReportMetric(float64(s.files*b.N)/b.Elapsed().Seconds(), "files/s")
	b.ReportMetric(float64(spent.Milliseconds())/float64(b.N), "cpu-ms/op")
}

func cpuTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkPublish makes a folder a site that is durable in a node's store.
// "build" is what the node's own store costs, "author" the whole way of the
// command: hand over to the node, which verifies, sign and adopt.
func BenchmarkPublish(b *testing.B) {
	for _, s := range shapes {
		dir := s.folder(b)
		b.Run(s.name+"/ceiling", func(b *testing.B) {
			s.measure(b, func(into string) (do, after func()) {
				return func() { ceilingPublish(b, dir, into) }, func() {}
			})
		})
		b.Run(s.name+"/build", func(b *testing.B) {
			s.measure(b, func(into string) (do, after func()) {
				st, err := store.Open(store.Config{Dir: into})
				if err != nil {
					b.Fatal(err)
				}
				return func() { buildInto(b, dir, st) }, func() { st.Close() }
			})
		})
		b.Run(s.name+"/author", func(b *testing.B) {
			s.measure(b, func(into string) (do, after func()) {
				e := lone(b, into, nil)
				au := benchAuthor(b, e)
				return func() { publish(b, au, dir) }, func() { e.Close() }
			})
		})
	}
}

func buildInto(b *testing.B, dir string, st *store.Store) {
	plan, err := site.Scan(b.Context(), dir, site.ScanOptions{})
	if err != nil {
		b.Fatal(err)
	}
	s := newSink(st.For(wire.Hash{}))
	defer s.Close()
	if _, err := site.Build(b.Context(), plan, s, nil); err != nil {
		b.Fatal(err)
	}
}

// lone starts a node on loopback that knows nobody.
func lone(b *testing.B, dir string, change func(*Config)) *Engine {
	cfg := Config{Data: dir, Version: "bench", Listen: []string{"127.0.0.1:0"}, NoVolunteer: true}
	if change != nil {
		change(&cfg)
	}
	e, err := Open(b.Context(), cfg)
	if err != nil {
		b.Fatal(err)
	}
	return e
}

func benchAuthor(b *testing.B, e *Engine) *publisher.Author {
	p, err := publisher.Open(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	return publisher.NewAuthor(p, e)
}

// publish publishes under the address of a new key: a name would cost its
// second of work.
func publish(b *testing.B, au *publisher.Author, dir string) (address string, root wire.Hash) {
	r, err := au.Publish(b.Context(), dir, "", publisher.Options{})
	if err != nil {
		b.Fatal(err)
	}
	root, ok := parseHash(r.Root)
	if !ok {
		b.Fatalf("receipt for root %q", r.Root)
	}
	return r.Address, root
}

// meet connects a node to others and waits until they are in its table.
func meet(b *testing.B, e *Engine, others ...*Engine) {
	var found []wire.Peer
	for _, o := range others {
		p, err := e.host.Connect(b.Context(), netip.MustParseAddrPort(o.listening[0]), identity.NodeID{})
		if err != nil {
			b.Fatal(err)
		}
		found = append(found, p)
	}
	if err := e.dht.Bootstrap(b.Context(), found); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkFetch brings a whole site from one other node, over TCP on
// loopback, into a store, verified and durable.
func BenchmarkFetch(b *testing.B) {
	for _, s := range shapes {
		dir := s.folder(b)
		holder := lone(b, b.TempDir(), nil)
		defer holder.Close()
		_, root := publish(b, benchAuthor(b, holder), dir)
		whole := filepath.Join(b.TempDir(), "whole")
		concat(b, dir, whole)
		b.Run(s.name+"/ceiling", func(b *testing.B) {
			s.measure(b, func(into string) (do, after func()) {
				return func() { ceilingFetch(b, whole, s, into) }, func() {}
			})
		})
		b.Run(s.name+"/fetch", func(b *testing.B) {
			s.measure(b, func(into string) (do, after func()) {
				reader := lone(b, into, nil)
				meet(b, reader, holder)
				return func() { fetchFrom(b, reader, holder, root) }, func() { reader.Close() }
			})
		})
	}
}

func concat(b *testing.B, dir, to string) {
	w, err := os.Create(to)
	if err != nil {
		b.Fatal(err)
	}
	defer w.Close()
	for _, p := range pieces(b, dir) {
		buf := make([]byte, p.size)
		if err := p.read(buf); err != nil {
			b.Fatal(err)
		}
		if _, err := w.Write(buf); err != nil {
			b.Fatal(err)
		}
	}
}

func fetchFrom(b *testing.B, reader, holder *Engine, root wire.Hash) {
	out, err := reader.swarm.Fetch(b.Context(), root, site.FetchOptions{From: []wire.Peer{holder.host.Self()}})
	if err != nil {
		b.Fatal(err)
	}
	info, err := reader.store.AddRoot(b.Context(), store.Root{Hash: root, Class: store.Cache, Size: int64(out.Bytes), Blocks: out.Blocks})
	if err != nil || !info.Full {
		b.Fatalf("full %v, %v", info.Full, err)
	}
}

// BenchmarkFirstByte asks a node's gateway for pages that are not there, in a
// network of six on loopback, until the first byte of the answer. "unknown"
// begins with a name nobody asked for yet; "known" is another page of a site
// whose holder is known by then. The ceiling is a proxy without anything of
// ours in it: net/http, and the page by one exchange over a TCP connection.
func BenchmarkFirstByte(b *testing.B) {
	nodes := []*Engine{lone(b, b.TempDir(), nil)}
	defer nodes[0].Close()
	for range 5 {
		e := lone(b, b.TempDir(), func(c *Config) { c.Gateway = "127.0.0.1:0" })
		defer e.Close()
		meet(b, e, nodes[0])
		nodes = append(nodes, e)
	}
	for i, e := range nodes {
		meet(b, e, nodes[(i+1)%6], nodes[(i+2)%6])
	}
	reader, au := nodes[5], benchAuthor(b, nodes[1])
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	go func() { _ = reader.Run(ctx) }()
	b.Run("ceiling", func(b *testing.B) { firstBytes(b, bareProxy(b), repeat(b.N, "pg.alt", "/page.html")) })
	b.Run("known", func(b *testing.B) {
		urls := pages(b, au, b.N)
		warm := firstByte(b, reader.doors.describe().Gateway, [2]string{urls[0][0], "/index.html"})
		b.Logf("the first page took %v", warm)
		firstBytes(b, reader.doors.describe().Gateway, urls)
	})
	b.Run("unknown", func(b *testing.B) {
		var urls [][2]string
		for range b.N {
			urls = append(urls, pages(b, au, 1)[0])
		}
		firstBytes(b, reader.doors.describe().Gateway, urls)
	})
}

func repeat(n int, host, path string) [][2]string {
	return slices.Repeat([][2]string{{host, path}}, n)
}

// pages publishes a new site with n pages of 10 KiB beside its first.
func pages(b *testing.B, au *publisher.Author, n int) [][2]string {
	dir := b.TempDir()
	var out [][2]string
	for i := range n + 1 {
		name := "index.html"
		if i > 0 {
			name = fmt.Sprintf("page%d.html", i)
		}
		body := make([]byte, 10<<10)
		random(body, rand.Uint64())
		if err := os.WriteFile(filepath.Join(dir, name), body, 0o644); err != nil {
			b.Fatal(err)
		}
		out = append(out, [2]string{"", "/" + name})
	}
	address, _ := publish(b, au, dir)
	for i := range out {
		out[i][0] = address
	}
	return out[1:]
}

// firstBytes reports the median and the slowest of the first bytes.
func firstBytes(b *testing.B, gateway string, urls [][2]string) {
	var times []time.Duration
	b.ResetTimer()
	for _, u := range urls {
		times = append(times, firstByte(b, gateway, u))
	}
	b.StopTimer()
	slices.Sort(times)
	b.ReportMetric(float64(times[len(times)/2].Microseconds())/1000, "p50-ms")
	b.ReportMetric(float64(times[len(times)*95/100].Microseconds())/1000, "p95-ms")
}

func firstByte(b *testing.B, gateway string, url [2]string) time.Duration {
	r, err := http.NewRequestWithContext(b.Context(), http.MethodGet, "http://"+gateway+url[1], nil)
	if err != nil {
		b.Fatal(err)
	}
	r.Host = url[0]
	start := time.Now()
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		b.Fatal(err)
	}
	defer resp.Body.Close()
	var first [1]byte
	if _, err := io.ReadFull(resp.Body, first[:]); err != nil || resp.StatusCode != http.StatusOK {
		b.Fatalf("GET %s%s: %s, %v", url[0], url[1], resp.Status, err)
	}
	took := time.Since(start)
	if n, err := io.Copy(io.Discard, resp.Body); err != nil || n != 10<<10-1 {
		b.Fatalf("%d bytes more, %v", n, err)
	}
	return took
}

// bareProxy serves a page that it gets from a TCP server by one exchange.
func bareProxy(b *testing.B) string {
	page := make([]byte, 10<<10)
	near, far := tcpPair(b)
	go func() {
		defer far.Close()
		ask := make([]byte, 64)
		for {
			if _, err := io.ReadFull(far, ask); err != nil {
				return
			}
			if _, err := far.Write(page); err != nil {
				return
			}
		}
	}()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		body := make([]byte, len(page))
		if _, err := near.Write(make([]byte, 64)); err != nil {
			b.Error(err)
		}
		if _, err := io.ReadFull(near, body); err != nil {
			b.Error(err)
		}
		_, _ = w.Write(body)
	})}
	go func() { _ = srv.Serve(l) }()
	b.Cleanup(func() { srv.Close(); near.Close() })
	return l.Addr().String()
}

// BenchmarkMemory starts fifty nodes in this process, has them join each
// other over loopback, and shares out what the process grew by: heap and
// stacks. At first everybody has a session with everybody; then again when
// the idle ones have been closed.
func BenchmarkMemory(b *testing.B) {
	const count = 50
	for b.Loop() {
		before := memory()
		var nodes []*Engine
		for i := range count {
			e := lone(b, b.TempDir(), func(c *Config) { c.NoSync, c.NoVolunteer = true, false })
			if i > 0 {
				meet(b, e, nodes[max(0, i-3):i]...)
			}
			nodes = append(nodes, e)
		}
		b.ReportMetric(float64(memory()-before)/count/1024, "KiB/node")
		sessions := 0
		for _, e := range nodes {
			sessions += len(e.host.Sessions())
		}
		b.ReportMetric(float64(sessions)/count, "sessions/node")
		untilIdle(b, nodes)
		b.ReportMetric(float64(memory()-before)/count/1024, "idle-KiB/node")
		for _, e := range nodes {
			e.Close()
		}
	}
}

// untilIdle waits until the nodes have ended most sessions.
func untilIdle(b *testing.B, nodes []*Engine) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for range 240 {
		<-tick.C
		sessions := 0
		for _, e := range nodes {
			sessions += len(e.host.Sessions())
		}
		if sessions <= 8*len(nodes) {
			return
		}
	}
	b.Error("sessions stay open that nobody needs")
}

func memory() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc + m.StackInuse
}

// BenchmarkOpen starts a node on a folder that was used before.
func BenchmarkOpen(b *testing.B) {
	dir := b.TempDir()
	lone(b, dir, nil).Close()
	for b.Loop() {
		e := lone(b, dir, func(c *Config) { c.Gateway = "127.0.0.1:0" })
		b.StopTimer()
		e.Close()
		b.StartTimer()
	}
}

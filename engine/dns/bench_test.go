package dns

import (
	"encoding/binary"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// BenchmarkAlt compares answers for .alt with the ceiling: the smallest
// handler that miekg/dns can run. BenchmarkForwardCached is the way through
// the cache. All count queries per second over loopback UDP.
func BenchmarkAlt(b *testing.B) {
	b.Run("ceiling", func(b *testing.B) { flood(b, bare(b), "pg.alt.") })
	b.Run("product", func(b *testing.B) {
		_, addr := listen(b, Config{})
		flood(b, addr, "pg.alt.")
	})
}

func BenchmarkForwardCached(b *testing.B) {
	b.Run("ceiling", func(b *testing.B) { flood(b, bare(b), "www.example.") })
	b.Run("product", func(b *testing.B) {
		_, addr := listen(b, Config{Upstream: []string{newUpstream(b).addr}})
		flood(b, addr, "www.example.")
	})
}

// BenchmarkPaced asks five thousand times a second and reports how long the
// slowest hundredth waits.
func BenchmarkPaced(b *testing.B) {
	b.Run("ceiling", func(b *testing.B) { paced(b, bare(b), "pg.alt.") })
	b.Run("product", func(b *testing.B) {
		_, addr := listen(b, Config{})
		paced(b, addr, "pg.alt.")
	})
}

func paced(b *testing.B, addr, name string) {
	query := ask(name, dns.TypeA)
	conn, err := net.Dial("udp", addr)
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	var mu sync.Mutex
	sent := map[uint16]time.Time{}
	var times []time.Duration
	var wg sync.WaitGroup
	wg.Go(func() {
		buf := make([]byte, 1500)
		for len(times) < b.N {
			_ = conn.SetReadDeadline(time.Now().Add(5 * time.Second))
			if _, err := conn.Read(buf); err != nil {
				b.Error("an answer is missing:", err)
				return
			}
			now := time.Now()
			mu.Lock()
			times = append(times, now.Sub(sent[binary.BigEndian.Uint16(buf)]))
			mu.Unlock()
		}
	})
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for i := range b.N {
		if i%5 == 0 {
			<-tick.C
		}
		query.Id = uint16(i)
		packed, err := query.Pack()
		if err != nil {
			b.Fatal(err)
		}
		mu.Lock()
		sent[query.Id] = time.Now()
		mu.Unlock()
		if _, err := conn.Write(packed); err != nil {
			b.Fatal(err)
		}
	}
	wg.Wait()
	slices.Sort(times)
	b.ReportMetric(float64(times[(len(times)-1)*99/100].Microseconds())/1000, "p99-ms")
}

func bare(b *testing.B) string {
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	started := make(chan struct{})
	srv := &dns.Server{PacketConn: conn, NotifyStartedFunc: func() { close(started) }}
	srv.Handler = dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg)
		m.SetReply(q)
		m.Answer = []dns.RR{&dns.A{Hdr: dns.RR_Header{Name: q.Question[0].Name, Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: 5}, A: net.IPv4(127, 0, 0, 1)}}
		_ = w.WriteMsg(m)
	})
	go func() { _ = srv.ActivateAndServe() }()
	<-started
	b.Cleanup(func() { _ = srv.Shutdown() })
	return conn.LocalAddr().String()
}

// flood asks from several sockets with a small window each, so that the server
// and not the round trip is what is measured.
func flood(b *testing.B, addr, name string) {
	wire, err := ask(name, dns.TypeA).Pack()
	if err != nil {
		b.Fatal(err)
	}
	b.SetParallelism(4)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(netip.MustParseAddrPort(addr)))
		if err != nil {
			b.Error(err)
			return
		}
		defer conn.Close()
		window(b, pb, conn, wire)
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "queries/s")
}

func window(b *testing.B, pb *testing.PB, conn *net.UDPConn, wire []byte) {
	const ahead = 16
	buf := make([]byte, 1500)
	out := 0
	receive := func() bool {
		_ = conn.SetReadDeadline(time.Now().Add(5 * time.Second))
		if _, err := conn.Read(buf); err != nil {
			b.Error("an answer is missing:", err)
			return false
		}
		out--
		return true
	}
	for pb.Next() {
		if _, err := conn.Write(wire); err != nil {
			b.Error(err)
			return
		}
		if out++; out >= ahead && !receive() {
			return
		}
	}
	for out > 0 && receive() {
	}
}

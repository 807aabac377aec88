package dns

import (
	"net"
	"net/netip"
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

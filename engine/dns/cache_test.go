package dns

import (
	"bytes"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/miekg/dns"
)

func rr(t testing.TB, s string) dns.RR {
	t.Helper()
	r, err := dns.NewRR(s)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func reply(t testing.TB, q *dns.Msg, answers ...string) *dns.Msg {
	m := new(dns.Msg)
	m.SetReply(q)
	for _, s := range answers {
		m.Answer = append(m.Answer, rr(t, s))
	}
	return m
}

func TestCachedAnswerIsMadeForEachClient(t *testing.T) {
	now := time.Unix(1e9, 0)
	up := ask("www.example.com.", dns.TypeA)
	up.SetEdns0(1232, false)
	m := reply(t, up, "www.example.com. 60 IN CNAME web.example.com.", "web.example.com. 30 IN A 192.0.2.1")
	m.AuthenticatedData, m.Authoritative = true, true
	m.SetEdns0(4096, false)
	a, err := newAnswer(m, now)
	if err != nil {
		t.Fatal(err)
	}
	if a.life != 30*time.Second || !a.fresh(now.Add(29*time.Second)) || a.fresh(now.Add(30*time.Second)) || a.fresh(now.Add(-time.Second)) {
		t.Errorf("life %v", a.life)
	}
	q := ask("WwW.eXample.com.", dns.TypeA)
	q.SetEdns0(4096, true)
	var got dns.Msg
	if err := got.Unpack(a.render(q, 512, now.Add(10*time.Second))); err != nil {
		t.Fatal(err)
	}
	if got.Id != q.Id || got.Question[0].Name != "WwW.eXample.com." {
		t.Errorf("id %d, name %s", got.Id, got.Question[0].Name)
	}
	if got.Answer[0].Header().Ttl != 50 || got.Answer[1].Header().Ttl != 20 {
		t.Errorf("TTLs %d %d", got.Answer[0].Header().Ttl, got.Answer[1].Header().Ttl)
	}
	if opt := got.IsEdns0(); opt == nil || !opt.Do() || opt.UDPSize() != udpSize || !got.AuthenticatedData || got.Authoritative {
		t.Errorf("OPT %v, header %+v", opt, got.MsgHdr)
	}
	plain := ask("www.example.com.", dns.TypeA)
	plain.RecursionDesired = false
	if err := got.Unpack(a.render(plain, 512, now)); err != nil {
		t.Fatal(err)
	}
	if got.IsEdns0() != nil || got.AuthenticatedData || got.RecursionDesired {
		t.Errorf("a plain client got %+v with %v", got.MsgHdr, got.IsEdns0())
	}
	if a.render(q, 40, now) != nil {
		t.Error("an answer was sent that does not fit")
	}
}

func TestLifetime(t *testing.T) {
	q := ask("a.example.", dns.TypeA)
	denied := reply(t, q)
	denied.Rcode = dns.RcodeNameError
	withSOA := denied.Copy()
	withSOA.Ns = []dns.RR{rr(t, "example. 900 IN SOA a. b. 1 2 3 4 60")}
	forever := reply(t, q, "a.example. 4000000000 IN A 192.0.2.1")
	failed := reply(t, q)
	failed.Rcode = dns.RcodeServerFailure
	for name, tc := range map[string]struct {
		m    *dns.Msg
		want time.Duration
	}{
		"denied without SOA": {denied, 0}, "denied": {withSOA, time.Minute},
		"for ever": {forever, time.Hour}, "failed": {failed, 0}, "no data, no SOA": {reply(t, q), 0},
		"zero": {reply(t, q, "a.example. 0 IN A 192.0.2.1"), 0},
	} {
		if got := lifetime(tc.m); got != tc.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestCacheIsBoundedAndKeyed(t *testing.T) {
	c, err := newCache()
	if err != nil {
		t.Fatal(err)
	}
	now := time.Unix(1e9, 0)
	for i := range cacheEntries + 5 {
		q := ask(fmt.Sprintf("n%d.example.", i), dns.TypeA)
		a, err := newAnswer(reply(t, q, q.Question[0].Name+" 60 IN A 192.0.2.1"), now)
		if err != nil {
			t.Fatal(err)
		}
		c.put(keyOf(q), a)
	}
	if n := c.entries.Len(); n != cacheEntries {
		t.Errorf("%d entries", n)
	}
	last := ask(fmt.Sprintf("N%d.Example.", cacheEntries), dns.TypeA)
	if c.get(keyOf(last), now) == nil {
		t.Error("another spelling is another entry")
	}
	last.SetEdns0(1232, true)
	if c.get(keyOf(last), now) != nil {
		t.Error("a client that wants signatures got an answer without")
	}
	last.Extra = nil
	if c.get(keyOf(last), now.Add(2*time.Minute)) != nil {
		t.Error("an old answer was given")
	}
}

// Whatever an upstream sends that parses must pack, index and render again to
// the same records.
func FuzzAnswer(f *testing.F) {
	for _, s := range []string{"a.example. 60 IN A 192.0.2.1", "a.example. 60 IN TXT \"x\" \"y\"", "a.example. 1 IN CNAME b.example."} {
		wire, err := reply(f, ask("a.example.", dns.TypeA), s).Pack()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(wire)
	}
	now := time.Unix(1e9, 0)
	f.Fuzz(func(t *testing.T, wire []byte) {
		var m dns.Msg
		if m.Unpack(wire) != nil || len(m.Question) != 1 {
			return
		}
		a, err := newAnswer(&m, now)
		if err != nil {
			return
		}
		q := new(dns.Msg)
		q.Question = m.Question
		out := a.render(q, dns.MaxMsgSize, now)
		var again dns.Msg
		if err := again.Unpack(out); err != nil {
			t.Fatalf("%v\n%x\n%x", err, wire, out)
		}
		if len(again.Answer) != len(m.Answer) || len(again.Ns) != len(m.Ns) {
			t.Fatalf("%d+%d records became %d+%d", len(m.Answer), len(m.Ns), len(again.Answer), len(again.Ns))
		}
		if !bytes.Equal(out[headerLen:], a.wire[headerLen:]) {
			t.Fatalf("rendering for the same client changed the body:\n%x\n%x", a.wire, out)
		}
	})
}

func TestLimiter(t *testing.T) {
	now := time.Unix(1e9, 0)
	l := newLimiter(10, 20)
	a, beside, other := netip.MustParseAddr("203.0.113.5"), netip.MustParseAddr("203.0.113.200"), netip.MustParseAddr("198.51.100.1")
	count := func(addr netip.Addr, n int) (ok, slip int) {
		for range n {
			switch l.admit(addr, now) {
			case admitted:
				ok++
			case slipped:
				slip++
			}
		}
		return ok, slip
	}
	if ok, slip := count(a, 100); ok != 20 || slip != 40 {
		t.Errorf("%d admitted, %d slipped of 100", ok, slip)
	}
	if ok, _ := count(beside, 1); ok != 0 {
		t.Error("the neighbour has a bucket of its own")
	}
	if ok, _ := count(other, 1); ok != 1 {
		t.Error("another network is limited too")
	}
	now = now.Add(time.Second)
	if ok, _ := count(a, 100); ok != 10 {
		t.Errorf("%d admitted after a second", ok)
	}
	now = now.Add(-time.Hour)
	if ok, _ := count(a, 100); ok != 0 {
		t.Errorf("%d admitted after the clock went back", ok)
	}
	if ok, _ := count(netip.MustParseAddr("127.0.0.9"), 1000); ok != 1000 {
		t.Error("loopback is limited")
	}
	if ok, _ := count(netip.Addr{}, 1); ok != 1 {
		t.Error("an unknown address has no bucket")
	}
}

func TestUpstreamsLeaveOutOneself(t *testing.T) {
	own := []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:53"), netip.MustParseAddrPort("0.0.0.0:5353")}
	got := withoutOwn([]string{"127.0.0.1", "9.9.9.9", "127.0.0.1:5354", "127.0.0.2:5353", "9.9.9.9:53", "2001:db8::1", "[2001:db8::2]", "", "dns.example"}, own)
	want := "[9.9.9.9:53 127.0.0.1:5354 [2001:db8::1]:53 [2001:db8::2]:53 dns.example:53]"
	if fmt.Sprint(got) != want {
		t.Errorf("%v, want %v", got, want)
	}
}

func TestSystemUpstreamsAreReadAgain(t *testing.T) {
	calls := 0
	u := newUpstreams(Config{systemUpstreams: func() []string { calls++; return []string{fmt.Sprintf("192.0.2.%d", calls)} }}, nil)
	now := time.Unix(1e9, 0)
	if got := u.at(now); got[0] != "192.0.2.1:53" {
		t.Error(got)
	}
	if got := u.at(now.Add(rereadAfter - 1)); got[0] != "192.0.2.1:53" {
		t.Error("read again at once", got)
	}
	if got := u.at(now.Add(rereadAfter)); got[0] != "192.0.2.2:53" {
		t.Error("not read again", got)
	}
}

package dns

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

func ask(name string, qtype uint16) *dns.Msg {
	q := new(dns.Msg)
	q.SetQuestion(name, qtype)
	return q
}

func TestRespond(t *testing.T) {
	full, split := Config{}, Config{NoForward: true}
	for _, tc := range []struct {
		cfg   Config
		name  string
		qtype uint16
		rcode int
		want  string // addresses, "-" for an empty answer, "forward"
	}{
		{full, "pg.alt.", dns.TypeA, dns.RcodeSuccess, "127.0.0.1"},
		{full, "PG.aLt.", dns.TypeA, dns.RcodeSuccess, "127.0.0.1"},
		{full, "www.pg.alt.", dns.TypeA, dns.RcodeSuccess, "127.0.0.1"},
		{full, "nobody-has-it.alt.", dns.TypeA, dns.RcodeSuccess, "127.0.0.1"},
		{full, "pg.alt.", dns.TypeAAAA, dns.RcodeSuccess, "-"},
		{full, "pg.alt.", dns.TypeHTTPS, dns.RcodeSuccess, "-"},
		{full, "pg.alt.", dns.TypeTXT, dns.RcodeSuccess, "-"},
		{full, "alt.", dns.TypeA, dns.RcodeSuccess, "-"},
		{full, "alt.", dns.TypeNS, dns.RcodeSuccess, "-"},
		{full, "pg.alt.", dns.TypeANY, dns.RcodeSuccess, "RFC8482"},
		{full, "pg.alt.", dns.TypeAXFR, dns.RcodeRefused, "-"},
		{full, "localhost.", dns.TypeA, dns.RcodeSuccess, "127.0.0.1"},
		{split, "localhost.", dns.TypeA, dns.RcodeRefused, "-"},
		{split, "pg-alt.localhost.", dns.TypeA, dns.RcodeRefused, "-"},
		{full, "pg-alt.localhost.", dns.TypeAAAA, dns.RcodeSuccess, "::1"},
		{full, "evilalt.", dns.TypeA, 0, "forward"},
		{full, "pg.alt.example.com.", dns.TypeA, 0, "forward"},
		{full, "example.com.", dns.TypeA, 0, "forward"},
		{full, ".", dns.TypeNS, 0, "forward"},
		{full, "example.com.", dns.TypeANY, dns.RcodeSuccess, "RFC8482"},
		{full, "use-application-dns.net.", dns.TypeA, dns.RcodeNameError, "-"},
		{split, "pg.alt.", dns.TypeA, dns.RcodeSuccess, "127.0.0.1"},
		{split, "example.com.", dns.TypeA, dns.RcodeRefused, "-"},
		{split, "use-application-dns.net.", dns.TypeA, dns.RcodeRefused, "-"},
		{Config{TLD: ".Other."}, "pg.other.", dns.TypeA, dns.RcodeSuccess, "127.0.0.1"},
		{Config{TLD: "other"}, "pg.alt.", dns.TypeA, 0, "forward"},
		{Config{IPs: []netip.Addr{netip.MustParseAddr("10.0.0.7"), netip.MustParseAddr("fd00::7")}}, "pg.alt.", dns.TypeAAAA, dns.RcodeSuccess, "fd00::7"},
	} {
		m := newZone(tc.cfg).respond(ask(tc.name, tc.qtype))
		if got := summary(m); got != tc.want {
			t.Errorf("%s %s: %s, want %s", tc.name, dns.TypeToString[tc.qtype], got, tc.want)
		}
		if m != nil && m.Rcode != tc.rcode {
			t.Errorf("%s %s: code %s", tc.name, dns.TypeToString[tc.qtype], dns.RcodeToString[m.Rcode])
		}
	}
}

func summary(m *dns.Msg) string {
	if m == nil {
		return "forward"
	}
	var out []string
	for _, rr := range m.Answer {
		switch rr := rr.(type) {
		case *dns.A:
			out = append(out, rr.A.String())
		case *dns.AAAA:
			out = append(out, rr.AAAA.String())
		case *dns.HINFO:
			out = append(out, rr.Cpu)
		}
	}
	if len(out) == 0 {
		return "-"
	}
	return strings.Join(out, " ")
}

func TestRespondKeepsTheMessageWellFormed(t *testing.T) {
	q := ask("Pg.ALT.", dns.TypeA)
	q.CheckingDisabled = true
	q.SetEdns0(4096, true)
	m := newZone(Config{}).respond(q)
	opt := m.IsEdns0()
	if m.Id != q.Id || !m.Response || !m.Authoritative || !m.RecursionDesired || !m.CheckingDisabled || !m.RecursionAvailable {
		t.Errorf("header %+v", m.MsgHdr)
	}
	if opt == nil || !opt.Do() || opt.UDPSize() != udpSize {
		t.Errorf("OPT %v", opt)
	}
	if m.Question[0].Name != "Pg.ALT." || m.Answer[0].Header().Name != "Pg.ALT." {
		t.Error("the client's spelling is lost")
	}
	if ttl := m.Answer[0].Header().Ttl; ttl > 5 {
		t.Errorf("TTL %d", ttl)
	}
	if newZone(Config{}).respond(ask("pg.alt.", dns.TypeA)).IsEdns0() != nil {
		t.Error("OPT without having been asked")
	}
	empty := newZone(Config{}).respond(ask("pg.alt.", dns.TypeAAAA))
	if soa, ok := empty.Ns[0].(*dns.SOA); !ok || soa.Minttl > 5 || soa.Hdr.Ttl > 5 {
		t.Errorf("authority of an empty answer: %v", empty.Ns)
	}
}

func TestRespondRefusesOddMessages(t *testing.T) {
	update := ask("pg.alt.", dns.TypeA)
	update.Opcode = dns.OpcodeUpdate
	two := ask("pg.alt.", dns.TypeA)
	two.Question = append(two.Question, two.Question[0])
	chaos := ask("version.bind.", dns.TypeTXT)
	chaos.Question[0].Qclass = dns.ClassCHAOS
	future := ask("pg.alt.", dns.TypeA)
	future.SetEdns0(1232, false)
	future.IsEdns0().SetVersion(1)
	for name, tc := range map[string]struct {
		q    *dns.Msg
		want int
	}{
		"update": {update, dns.RcodeNotImplemented}, "two questions": {two, dns.RcodeFormatError},
		"no question": {new(dns.Msg), dns.RcodeFormatError}, "chaos": {chaos, dns.RcodeRefused},
		"EDNS 1": {future, dns.RcodeBadVers},
	} {
		m := newZone(Config{}).respond(tc.q)
		if m == nil || m.Rcode != tc.want {
			t.Errorf("%s: %v", name, m)
		}
	}
}

// What an attacker gets out per byte in, were the source forged.
func TestAnswersDoNotAmplify(t *testing.T) {
	for qtype := range dns.TypeToString {
		q := ask("a.alt.", qtype)
		m := newZone(Config{}).respond(q)
		in, err := q.Pack()
		if err != nil {
			t.Fatal(err)
		}
		out, err := m.Pack()
		if err != nil {
			t.Fatal(err)
		}
		if len(out) > 3*len(in) {
			t.Errorf("%s: %d bytes for %d", dns.TypeToString[qtype], len(out), len(in))
		}
	}
}

package dns

import (
	"net/netip"
	"strings"

	"github.com/miekg/dns"
)

const (
	// answerTTL is short: a name may move between this node and the ordinary
	// DNS whenever the node starts or stops.
	answerTTL = 5 // seconds
	// udpSize is the largest datagram that crosses every network unfragmented
	// (DNS flag day 2020).
	udpSize = 1232
	// canary is the name by which Firefox asks whether the network wants its
	// own resolver left alone.
	canary = "use-application-dns.net."
)

// zone is a Config made ready for answering. It knows no sockets and asks
// nobody.
type zone struct {
	suffix  string // "alt."
	below   string // ".alt."
	v4, v6  []netip.Addr
	forward bool
}

func newZone(cfg Config) *zone {
	cfg = cfg.withDefaults()
	z := &zone{suffix: cfg.TLD + ".", below: "." + cfg.TLD + ".", forward: !cfg.NoForward}
	for _, ip := range cfg.IPs {
		if ip = ip.Unmap(); ip.Is4() {
			z.v4 = append(z.v4, ip)
		} else {
			z.v6 = append(z.v6, ip)
		}
	}
	return z
}

// respond answers what is answered here: names under the suffix, as a full
// resolver localhost, and whatever is refused. It returns nil for a query that
// has to be forwarded.
func (z *zone) respond(q *dns.Msg) *dns.Msg {
	opt := q.IsEdns0()
	switch {
	case q.Opcode != dns.OpcodeQuery:
		return z.fail(q, dns.RcodeNotImplemented)
	case len(q.Question) != 1:
		return z.fail(q, dns.RcodeFormatError)
	case opt != nil && opt.Version() != 0:
		return z.fail(q, dns.RcodeBadVers)
	}
	question := q.Question[0]
	switch {
	case question.Qclass != dns.ClassINET, question.Qtype == dns.TypeAXFR, question.Qtype == dns.TypeIXFR:
		return z.fail(q, dns.RcodeRefused)
	case hasSuffixFold(question.Name, z.below):
		return z.answer(q, z.v4, z.v6)
	case strings.EqualFold(question.Name, z.suffix):
		return z.answer(q, nil, nil)
	case !z.forward:
		return z.fail(q, dns.RcodeRefused)
	case strings.EqualFold(question.Name, "localhost."), hasSuffixFold(question.Name, ".localhost."):
		// RFC 6761 6.3; it is also how the second door is found without a browser.
		return z.answer(q, []netip.Addr{loopback4}, []netip.Addr{netip.IPv6Loopback()})
	case strings.EqualFold(question.Name, canary):
		return z.fail(q, dns.RcodeNameError)
	case question.Qtype == dns.TypeANY:
		return z.any(q)
	}
	return nil
}

// answer gives the addresses of a name that is served here; every other type
// exists without data, so that no client takes the name for missing.
func (z *zone) answer(q *dns.Msg, v4, v6 []netip.Addr) *dns.Msg {
	question := q.Question[0]
	if question.Qtype == dns.TypeANY {
		return z.any(q)
	}
	m := z.reply(q)
	m.Authoritative = true
	head := dns.RR_Header{Name: question.Name, Rrtype: question.Qtype, Class: dns.ClassINET, Ttl: answerTTL}
	switch question.Qtype {
	case dns.TypeA:
		for _, ip := range v4 {
			m.Answer = append(m.Answer, &dns.A{Hdr: head, A: ip.AsSlice()})
		}
	case dns.TypeAAAA:
		for _, ip := range v6 {
			m.Answer = append(m.Answer, &dns.AAAA{Hdr: head, AAAA: ip.AsSlice()})
		}
	}
	if len(m.Answer) == 0 {
		m.Ns = []dns.RR{z.soa()}
	}
	return m
}

// any answers ANY by RFC 8482: one small record, useless for amplification.
func (z *zone) any(q *dns.Msg) *dns.Msg {
	m := z.reply(q)
	m.Answer = []dns.RR{&dns.HINFO{
		Hdr: dns.RR_Header{Name: q.Question[0].Name, Rrtype: dns.TypeHINFO, Class: dns.ClassINET, Ttl: answerTTL},
		Cpu: "RFC8482",
	}}
	return m
}

// soa bounds how long an empty answer is remembered (RFC 2308).
func (z *zone) soa() dns.RR {
	return &dns.SOA{
		Hdr: dns.RR_Header{Name: z.suffix, Rrtype: dns.TypeSOA, Class: dns.ClassINET, Ttl: answerTTL},
		Ns:  z.suffix, Mbox: z.suffix, Serial: 1, Refresh: 3600, Retry: 600, Expire: 86400, Minttl: answerTTL,
	}
}

func (z *zone) fail(q *dns.Msg, rcode int) *dns.Msg {
	m := z.reply(q)
	m.Rcode = rcode
	return m
}

// reply is an empty answer to q. The OPT record is answered where one came
// (RFC 6891 6.1.1).
func (z *zone) reply(q *dns.Msg) *dns.Msg {
	m := &dns.Msg{MsgHdr: dns.MsgHdr{
		Id: q.Id, Response: true, Opcode: q.Opcode, RecursionAvailable: z.forward,
		RecursionDesired: q.RecursionDesired, CheckingDisabled: q.CheckingDisabled,
	}, Compress: true}
	if len(q.Question) > 0 {
		m.Question = q.Question[:1]
	}
	if opt := q.IsEdns0(); opt != nil {
		m.SetEdns0(udpSize, opt.Do())
	}
	return m
}

// truncated asks the client to come back over TCP, where its address is proven.
func (z *zone) truncated(q *dns.Msg) *dns.Msg {
	m := z.reply(q)
	m.Truncated = true
	return m
}

// hasSuffixFold is strings.HasSuffix without regard to ASCII case.
func hasSuffixFold(s, suffix string) bool {
	return len(s) > len(suffix) && strings.EqualFold(s[len(s)-len(suffix):], suffix)
}

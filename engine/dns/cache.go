package dns

import (
	"encoding/binary"
	"errors"
	"strings"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/miekg/dns"
)

const (
	cacheEntries  = 4096
	maxCachedSize = 4096 // bytes of one answer; larger ones are forwarded each time
	maxCacheTTL   = 3600 // seconds
	maxNegative   = 300  // seconds, for names that do not exist (RFC 2308 5)
	headerLen     = 12   // of every message
	flagAD        = byte(0x20)
	flagCD        = byte(0x10)
	flagRD        = byte(0x01)
)

var errMalformed = errors.New("malformed answer")

// key is everything of a query that changes its answer.
type key struct {
	name       string // lower case
	qtype      uint16
	do, cd, ad bool
}

func keyOf(q *dns.Msg) key {
	opt := q.IsEdns0()
	return key{
		name: strings.ToLower(q.Question[0].Name), qtype: q.Question[0].Qtype,
		do: opt != nil && opt.Do(), cd: q.CheckingDisabled, ad: q.AuthenticatedData,
	}
}

// answer is a reply packed for sending again: everything but OPT, and where
// its TTLs stand, so that a hit costs a copy and no packing.
type answer struct {
	wire     []byte
	ttls     []int // offsets of the TTL fields
	question int   // bytes of the question's name
	from     time.Time
	life     time.Duration // 0: not to be kept
}

// newAnswer packs m, an upstream's reply.
func newAnswer(m *dns.Msg, now time.Time) (*answer, error) {
	clean := *m
	clean.Extra = withoutOPT(m.Extra)
	clean.Compress = true
	// The extended bits of the code live in OPT, which each hop has its own.
	clean.Rcode &= 0xf
	clean.RecursionAvailable = true
	clean.Authoritative = false
	wire, err := clean.Pack()
	if err != nil {
		return nil, err
	}
	a := &answer{wire: wire, from: now, life: lifetime(m)}
	if len(wire) > maxCachedSize {
		a.life = 0
	}
	return a, a.index()
}

func withoutOPT(in []dns.RR) []dns.RR {
	var out []dns.RR
	for _, rr := range in {
		if t := rr.Header().Rrtype; t != dns.TypeOPT && t != dns.TypeTSIG && t != dns.TypeSIG {
			out = append(out, rr)
		}
	}
	return out
}

// lifetime is how long m may be kept: its smallest TTL, or what its SOA allows
// where it denies (RFC 2308).
func lifetime(m *dns.Msg) time.Duration {
	if m.Truncated || m.Rcode != dns.RcodeSuccess && m.Rcode != dns.RcodeNameError {
		return 0
	}
	ttl := uint32(maxCacheTTL)
	for _, rr := range m.Answer {
		ttl = min(ttl, rr.Header().Ttl)
	}
	if m.Rcode == dns.RcodeSuccess && len(m.Answer) > 0 {
		return time.Duration(ttl) * time.Second
	}
	for _, rr := range m.Ns {
		if soa, ok := rr.(*dns.SOA); ok {
			return time.Duration(min(ttl, maxNegative, soa.Hdr.Ttl, soa.Minttl)) * time.Second
		}
	}
	return 0
}

// index notes the question's length and the TTLs' places in the packed form.
func (a *answer) index() error {
	end, err := skipName(a.wire, headerLen)
	if err != nil {
		return err
	}
	a.question = end - headerLen
	off, records := end+4, 0
	for i := 6; i < headerLen; i += 2 {
		records += int(binary.BigEndian.Uint16(a.wire[i:]))
	}
	for range records {
		if off, err = skipName(a.wire, off); err != nil {
			return err
		}
		if off+10 > len(a.wire) {
			return errMalformed
		}
		a.ttls = append(a.ttls, off+4)
		off += 10 + int(binary.BigEndian.Uint16(a.wire[off+8:]))
	}
	if off != len(a.wire) {
		return errMalformed
	}
	return nil
}

// skipName returns the offset behind the name at off (RFC 1035 4.1.4).
func skipName(wire []byte, off int) (int, error) {
	for off < len(wire) {
		switch n := int(wire[off]); {
		case n == 0:
			return off + 1, nil
		case n >= 0xc0:
			return off + 2, nil
		case n >= 0x40:
			return 0, errMalformed
		default:
			off += 1 + n
		}
	}
	return 0, errMalformed
}

// fresh reports whether the answer may still be given.
func (a *answer) fresh(now time.Time) bool {
	age := now.Sub(a.from)
	return age >= 0 && age < a.life
}

// render writes the answer to q: its id, its spelling of the name (which
// clients use as a check), aged TTLs, an OPT where one came. Nil where it does
// not fit into size bytes.
func (a *answer) render(q *dns.Msg, size int, now time.Time) []byte {
	opt := q.IsEdns0()
	need := len(a.wire)
	if opt != nil {
		need += 11
	}
	if need > size {
		return nil
	}
	out := make([]byte, len(a.wire), need)
	copy(out, a.wire)
	binary.BigEndian.PutUint16(out, q.Id)
	setFlag(&out[2], flagRD, q.RecursionDesired)
	setFlag(&out[3], flagCD, q.CheckingDisabled)
	if !q.AuthenticatedData && (opt == nil || !opt.Do()) {
		out[3] &^= flagAD
	}
	a.spell(out, q.Question[0].Name)
	age := uint32(max(0, now.Sub(a.from)) / time.Second)
	for _, at := range a.ttls {
		ttl := binary.BigEndian.Uint32(out[at:])
		binary.BigEndian.PutUint32(out[at:], ttl-min(ttl, age))
	}
	if opt != nil {
		out = appendOPT(out, opt.Do())
	}
	return out
}

// spell writes name as the client wrote it over the question's. Names with
// escapes keep the upstream's spelling.
func (a *answer) spell(out []byte, name string) {
	if len(name)+1 != a.question {
		return
	}
	for i := range len(name) - 1 {
		if name[i] != '.' {
			out[headerLen+1+i] = name[i]
		}
	}
}

func setFlag(b *byte, flag byte, on bool) {
	*b &^= flag
	if on {
		*b |= flag
	}
}

func appendOPT(out []byte, do bool) []byte {
	var flags byte
	if do {
		flags = 0x80
	}
	binary.BigEndian.PutUint16(out[10:], binary.BigEndian.Uint16(out[10:])+1)
	return append(out, 0, 0, byte(dns.TypeOPT), udpSize>>8, udpSize&0xff, 0, 0, flags, 0, 0, 0)
}

// cache keeps recent answers, the least used leaving first.
type cache struct {
	entries *lru.Cache[key, *answer]
}

func newCache() (*cache, error) {
	entries, err := lru.New[key, *answer](cacheEntries)
	return &cache{entries: entries}, err
}

func (c *cache) get(k key, now time.Time) *answer {
	a, ok := c.entries.Get(k)
	if !ok {
		return nil
	}
	if !a.fresh(now) {
		c.entries.Remove(k)
		return nil
	}
	return a
}

func (c *cache) put(k key, a *answer) {
	if a.life > 0 {
		c.entries.Add(k, a)
	}
}

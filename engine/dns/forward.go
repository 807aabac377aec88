package dns

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/miekg/dns"
	"golang.org/x/sync/semaphore"
	"golang.org/x/sync/singleflight"
)

const (
	upstreamTimeout = 2 * time.Second // for one upstream over UDP or TCP
	forwardTimeout  = 5 * time.Second // for all of them: what clients wait at most
	// maxForwards bounds sockets and goroutines while upstreams are silent.
	maxForwards = 512
)

// errNoUpstream is returned where nobody is known to ask.
var errNoUpstream = errors.New("no upstream DNS server is known")

// forwarder asks upstreams. Identical queries under way share one exchange,
// which also stops a loop back to this server at its first turn.
type forwarder struct {
	ctx       context.Context // ends when the server closes
	upstreams func(now time.Time) []string
	log       *slog.Logger
	cache     *cache
	flights   singleflight.Group
	slots     *semaphore.Weighted
}

// lookup answers q from the cache or from upstream.
func (f *forwarder) lookup(q *dns.Msg, now time.Time) (*answer, error) {
	k := keyOf(q)
	if a := f.cache.get(k, now); a != nil {
		return a, nil
	}
	got, err, _ := f.flights.Do(fmt.Sprintf("%s %d %t %t %t", k.name, k.qtype, k.do, k.cd, k.ad), func() (any, error) {
		if !f.slots.TryAcquire(1) {
			return nil, errors.New("too many queries are being forwarded")
		}
		defer f.slots.Release(1)
		reply, err := f.ask(k)
		if err != nil {
			return nil, err
		}
		a, err := newAnswer(reply, time.Now())
		if err != nil {
			return nil, fmt.Errorf("repack the answer for %s: %w", k.name, err)
		}
		f.cache.put(k, a)
		return a, nil
	})
	if err != nil {
		return nil, err
	}
	return got.(*answer), nil
}

// ask tries the upstreams in order and returns the first answer that says
// something; a refusal is kept for when nobody says more.
func (f *forwarder) ask(k key) (*dns.Msg, error) {
	ctx, cancel := context.WithTimeout(f.ctx, forwardTimeout)
	defer cancel()
	var refusal *dns.Msg
	failed := errNoUpstream
	for _, upstream := range f.upstreams(time.Now()) {
		reply, err := exchange(ctx, upstream, query(k))
		if err != nil {
			f.log.Debug("upstream failed", "upstream", upstream, "name", k.name, "err", err)
			failed = err
			continue
		}
		if reply.Rcode == dns.RcodeSuccess || reply.Rcode == dns.RcodeNameError {
			return reply, nil
		}
		refusal = reply
	}
	if refusal != nil {
		return refusal, nil
	}
	return nil, failed
}

// query is the question of k as this server asks it: an id and options of its
// own, nothing that tells clients apart.
func query(k key) *dns.Msg {
	q := new(dns.Msg)
	q.SetQuestion(k.name, k.qtype)
	q.CheckingDisabled, q.AuthenticatedData = k.cd, k.ad
	q.SetEdns0(udpSize, k.do)
	return q
}

// exchange asks one upstream: over UDP, without EDNS where that is not
// understood, and over TCP where the answer did not fit.
func exchange(ctx context.Context, upstream string, q *dns.Msg) (*dns.Msg, error) {
	reply, err := roundTrip(ctx, "udp", upstream, q)
	if err == nil && (reply.Rcode == dns.RcodeFormatError || reply.Rcode == dns.RcodeNotImplemented) && reply.IsEdns0() == nil {
		plain := q.Copy()
		plain.Extra = nil
		q = plain
		reply, err = roundTrip(ctx, "udp", upstream, q)
	}
	if err == nil && reply.Truncated {
		return roundTrip(ctx, "tcp", upstream, q)
	}
	return reply, err
}

func roundTrip(ctx context.Context, network, upstream string, q *dns.Msg) (*dns.Msg, error) {
	ctx, cancel := context.WithTimeout(ctx, upstreamTimeout)
	defer cancel()
	client := dns.Client{Net: network, Timeout: upstreamTimeout, UDPSize: udpSize}
	reply, _, err := client.ExchangeContext(ctx, q, upstream)
	if err != nil {
		return nil, fmt.Errorf("ask %s over %s: %w", upstream, network, err)
	}
	if !echoes(reply, q) {
		return nil, fmt.Errorf("ask %s over %s: it answered another question", upstream, network)
	}
	return reply, nil
}

// echoes reports whether reply answers q's question and no other.
func echoes(reply, q *dns.Msg) bool {
	if !reply.Response || len(reply.Question) != 1 {
		return false
	}
	a, b := reply.Question[0], q.Question[0]
	return a.Qtype == b.Qtype && a.Qclass == b.Qclass && strings.EqualFold(a.Name, b.Name)
}

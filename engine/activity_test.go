package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"

	"altnet/engine/control"
	"altnet/engine/control/controltest"
	"altnet/engine/gateway"
	"altnet/engine/identity"
	"altnet/engine/record"
)

// TestVisits counts pages and bytes by day, for what is published or kept here
// and nothing else, and keeps them for 90 days.
func TestVisits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newVirtual(t)
		nodes := v.nodes(3)
		const page = "<title>My page</title>twenty-something"
		own := publishAs(t, nodes[1], 3, "", page, nil)
		e := nodes[1]
		for range 3 {
			opens(t, e, host(own), "twenty")
		}
		ask(t, e, "http://"+host(own)+"/nothing.png")
		v.pass(24 * time.Hour)
		opens(t, e, host(own), "twenty")
		a, err := e.Activity(t.Context(), host(own))
		if err != nil || len(a.Visits) != 2 || a.Visits[0].Pages != 3 || a.Visits[0].Bytes != 3*int64(len(page)) || a.Visits[1].Pages != 1 ||
			a.Visits[0].Day != time.Now().AddDate(0, 0, -1).Format(time.DateOnly) {
			t.Errorf("%+v, %v", a.Visits, err)
		}
		if n := len(a.Copies); n < 2 || a.Copies[n-1].Copies != 2 {
			t.Errorf("%+v", a.Copies)
		}
		e = v.again(e, nil)
		v.settle()
		if a, err := e.Activity(t.Context(), host(own)); err != nil || len(a.Visits) != 2 {
			t.Errorf("after a restart: %+v, %v", a, err)
		}
		if _, err := e.Activity(control.WithCaller(t.Context(), control.Caller{User: "somebody", Operator: true}), host(own)); !errors.Is(err, control.ErrNotFound) {
			t.Errorf("somebody else's: %v", err)
		}
		if _, err := e.Activity(t.Context(), "no.alt"); !errors.Is(err, control.ErrNotFound) {
			t.Errorf("nobody's: %v", err)
		}
		for _, days := range []int{-89, -91} { // the one is kept, the other too old
			e.visits.add(gateway.Visit{
				Site: gateway.Site{Name: host(own), Owner: own.Root.String(), Root: own.Content}, Status: 200, Bytes: 1, Time: time.Now().AddDate(0, 0, days),
			})
		}
		if a, err := e.Activity(t.Context(), host(own)); err != nil || len(a.Visits) != 3 || a.Visits[0].Pages != 0 {
			t.Errorf("after 90 days: %+v, %v", a.Visits, err)
		}
	})
}

// TestVisited: a site that was merely read has no statistics; that
// it was read stands in the list of visited sites alone.
func TestVisited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newVirtual(t)
		nodes := v.nodes(3)
		r := publishAs(t, nodes[1], 1, pair, "<title>Ein &amp; Titel</title>page", nil)
		e := v.node(func(c *Config) { c.NoVolunteer = true }, nodes[0])
		v.settle()
		for range 2 {
			opens(t, e, "pair.alt", "page")
		}
		e.visits.add(gateway.Visit{Site: gateway.Site{Name: "far.alt", Owner: r.Root.String()}, Page: true, Status: 200}) // from another machine
		v.pass(time.Hour)
		opens(t, e, "pair.alt", "page")
		list, err := e.Visited(t.Context())
		if err != nil || len(list) != 1 || list[0].Name != "pair.alt" || list[0].Title != "Ein & Titel" || list[0].Times != 2 ||
			list[0].Address != host(r) || list[0].Root != r.Content.String() || list[0].Pinned || !list[0].Last.Equal(time.Now()) {
			t.Errorf("%+v, %v", list, err)
		}
		if n := len(countsOf(t, e)); n != 0 {
			t.Errorf("%d counts of a site that is nobody's here", n)
		}
		if err := e.SetPinned(t.Context(), "pair.alt", true); err != nil {
			t.Fatal(err)
		}
		e = v.again(e, nil)
		if list, err := e.Visited(t.Context()); err != nil || len(list) != 1 || !list[0].Pinned {
			t.Errorf("after a restart: %+v, %v", list, err)
		}
		opens(t, e, "pair.alt", "page")
		if err := e.ClearVisited(t.Context()); err != nil {
			t.Fatal(err)
		}
		if list, err := e.Visited(t.Context()); err != nil || len(list) != 0 {
			t.Errorf("cleared: %+v, %v", list, err)
		}
	})
}

func countsOf(t *testing.T, e *Engine) (days []string) {
	t.Helper()
	err := e.store.Bucket(visitsBucket).Range(nil, func(key, _ []byte, _ time.Time) bool {
		days = append(days, string(key[len(identity.PublicKey{}):]))
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	return days
}

func TestVisitedIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newVirtual(t)
		e := v.node(nil)
		owner := rootOf(3).Public().String()
		for i := range maxVisited + 50 {
			e.visits.add(gateway.Visit{
				Site: gateway.Site{Name: fmt.Sprintf("s%d.alt", i), Owner: owner}, Page: true, Here: true, Status: 200, Time: time.Now(),
			})
			if i%100 == 0 {
				v.pass(2 * time.Minute)
			}
		}
		list, err := e.Visited(t.Context())
		if err != nil || len(list) != maxVisited || list[len(list)-1].Name == "s0.alt" {
			t.Errorf("%d, %v", len(list), err)
		}
	})
}

// TestCopiesAreSampledSeldom: at most one sample an hour, and only of changes.
func TestCopiesAreSampledSeldom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newVirtual(t)
		nodes := v.nodes(3)
		r := publishAs(t, nodes[1], 3, "", "page", nil)
		v.pass(5 * time.Hour)
		v.kill(nodes[0])
		v.pass(72 * time.Hour)
		samples, err := nodes[1].samples(r.Root)
		if err != nil || len(samples) < 2 || len(samples) > 6 {
			t.Fatalf("%+v, %v", samples, err)
		}
		for i, s := range samples[1:] {
			if s.Time.Sub(samples[i].Time) < sampleEvery || s.Copies == samples[i].Copies {
				t.Errorf("%+v", samples)
			}
		}
	})
}

// serving runs a node with a gateway on real loopback sockets.
func serving(t *testing.T, change func(*Config)) *Engine {
	t.Helper()
	cfg := Config{Data: t.TempDir(), Gateway: "127.0.0.1:0", NoSync: true}
	if change != nil {
		change(&cfg)
	}
	e, err := Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- e.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		e.Close()
	})
	return e
}

// fetch asks without the system's resolver, which may not know *.localhost.
func fetch(t *testing.T, e *Engine, url string) (int, string) {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, e.doors.http[0].Addr().String())
	}, DisableKeepAlives: true}}
	resp, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

func TestPreview(t *testing.T) {
	e := serving(t, func(c *Config) { c.PublishFor = time.Millisecond })
	first := publishAs(t, e, 3, "", "first", nil)
	second := publishAs(t, e, 3, "", "second", func(r *record.Record) { r.Seq++ })
	name := host(first)
	for seq, want := range map[uint64]string{first.Seq: "first", second.Seq: "second", 0: "second"} {
		url, err := e.Preview(t.Context(), name, seq)
		if err != nil {
			t.Fatal(err)
		}
		if code, body := fetch(t, e, url); code != 200 || body != want || strings.Contains(url, name) {
			t.Errorf("%d at %s: %d %s", seq, url, code, body)
		}
	}
	if _, err := e.Preview(t.Context(), name, 7); !errors.Is(err, control.ErrNotFound) {
		t.Errorf("no such version: %v", err)
	}
	if _, err := e.Preview(control.WithCaller(t.Context(), control.Caller{User: "somebody", Operator: true}), name, 0); !errors.Is(err, control.ErrNotFound) {
		t.Errorf("somebody else's: %v", err)
	}
	if list, err := e.Visited(t.Context()); err != nil || len(list) != 0 {
		t.Errorf("a preview counts as visited: %+v, %v", list, err)
	}
}

func TestDoorsOfANode(t *testing.T) {
	e := serving(t, func(c *Config) {
		c.Gateway, c.DNS, c.DNSOnly = "127.0.0.2:0, 127.0.0.1:0", "127.0.0.1:0", true
	})
	s, err := e.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	d := s.Doors
	if !strings.HasPrefix(d.Gateway, "127.0.0.2:") || len(d.CAFingerprint) != 64 || d.CA == "" || d.GatewayTLS != "" {
		t.Errorf("%+v", d)
	}
	if code, body := fetch(t, e, d.PAC); code != 200 || !strings.Contains(body, `"PROXY `+d.Gateway+`"`) || strings.HasSuffix(d.PAC, "/proxy.pac") {
		t.Errorf("%s: %d %s", d.PAC, code, body)
	}
	for _, l := range e.doors.http {
		if err := gateway.Prove(t.Context(), netip.MustParseAddrPort(l.Addr().String()), e.doors.secret); err != nil {
			t.Error(err)
		}
	}
	if _, port, _ := net.SplitHostPort(e.doors.http[1].Addr().String()); fmt.Sprint(e.doors.localPort()) != port {
		t.Errorf("the second door is at %d", e.doors.localPort())
	}
	user := controltest.Served(t, e, control.Caller{User: "1001", Local: true})
	if proven, err := user.ProveGateway(t.Context()); err != nil || len(proven) != 2 || proven[0] != d.Gateway {
		t.Errorf("proven: %v, %v", proven, err)
	}
	other := serving(t, func(c *Config) { c.Gateway = "0.0.0.0:0" })
	if proven, err := other.ProveGateway(t.Context()); err != nil || len(proven) != 1 || !strings.HasPrefix(proven[0], "127.0.0.1:") {
		t.Errorf("one that listens everywhere: %v, %v", proven, err)
	}
	other.doors.secret = []byte("what the answerer does not know")
	user = controltest.Served(t, other, control.Caller{User: "1001", Local: true})
	if proven, err := user.ProveGateway(t.Context()); !errors.Is(err, control.ErrImpostor) {
		t.Errorf("an impostor: %v, %v", proven, err)
	}
	if err := gateway.Prove(t.Context(), dialled(netip.MustParseAddrPort(other.doors.http[0].Addr().String())), e.doors.secret); !errors.Is(err, gateway.ErrImpostor) {
		t.Errorf("another node's gateway: %v", err)
	}
	for name, want := range map[string]int{"pg.alt.": dns.RcodeSuccess, "example.com.": dns.RcodeRefused, "localhost.": dns.RcodeRefused} {
		q := new(dns.Msg)
		answer, err := dns.Exchange(q.SetQuestion(name, dns.TypeA), d.DNS)
		if err != nil || answer.Rcode != want {
			t.Errorf("%s: %v, %v", name, answer, err)
		}
	}
	if e.tunnelsHTTPS() {
		t.Error("https is offered although nobody trusts the root")
	}
	set, err := e.Settings(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	set.HTTPS = true
	if err := e.SetSettings(t.Context(), set); err != nil || !e.tunnelsHTTPS() || !e.trustsRoot() {
		t.Errorf("trusted: %v", err)
	}
}

// TestProgress follows what a waiting reader is told.
func TestProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newVirtual(t)
		nodes := v.nodes(4)
		publishAs(t, nodes[1], 1, pair, "page", nil)
		v.pass(time.Minute)
		e := v.node(func(c *Config) { c.NoVolunteer = true }, nodes[0])
		v.settle()
		if p := e.progress("pair.alt"); p.Stage != gateway.StageLooking {
			t.Errorf("before: %+v", p)
		}
		s, err := e.browse(t.Context(), "pair.alt")
		if err != nil {
			t.Fatal(err)
		}
		if p := e.progress("pair.alt"); p.Stage != gateway.StageConnecting {
			t.Errorf("found: %+v", p)
		}
		f, err := s.FS.Open("index.html")
		if err != nil {
			t.Fatal(err)
		}
		f.Close()
		if p := e.progress("pair.alt"); p.Stage != gateway.StageFetching || p.Peers < 1 {
			t.Errorf("read: %+v", p)
		}
	})
}

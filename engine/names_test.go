package engine

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"altnet/engine/control"
	"altnet/engine/control/controltest"
	"altnet/engine/gateway"
	"altnet/engine/identity"
	"altnet/engine/peer"
	"altnet/engine/record"
	"altnet/engine/site"
	"altnet/engine/wire"
)

// pair is the name that two owners of the tests claim.
const pair = "pair"

func rootOf(owner byte) identity.Key { return identity.FromSeed([32]byte{owner}) }

// claims keeps the work for the names of the tests: on virtual time every test
// begins at the same instant, so that it serves all of them.
var claims struct {
	sync.Mutex
	made map[string]record.Claim
}

func claim(t *testing.T, network [32]byte, label string, owner byte) *record.Claim {
	t.Helper()
	claims.Lock()
	defer claims.Unlock()
	key := fmt.Sprint(network, label, owner, record.EpochAt(time.Now()))
	c, ok := claims.made[key]
	if !ok {
		var err error
		if c, err = record.Mint(t.Context(), network, label, rootOf(owner).Public(), record.EpochAt(time.Now()), nil); err != nil {
			t.Fatal(err)
		}
		if claims.made == nil {
			claims.made = map[string]record.Claim{}
		}
		claims.made[key] = c
	}
	return &c
}

// sign signs a record of one of the test's owners. label may be "".
func sign(t *testing.T, e *Engine, owner byte, label string, change func(*record.Record)) record.Record {
	t.Helper()
	root, device := rootOf(owner), identity.FromSeed([32]byte{owner, 1})
	now := time.Now()
	d, err := record.Delegate(root, device.Public(), 1, record.Millis(now.Add(300*24*time.Hour)))
	if err != nil {
		t.Fatal(err)
	}
	r := record.Record{
		Network: e.network, Kind: record.KindSite, Name: label, Root: root.Public(), Delegation: d,
		Seq: record.Millis(now), Issued: record.Millis(now), Expires: record.Millis(now.Add(record.DefaultLife)),
		Content: [32]byte{owner}, Size: 100,
	}
	if label != "" {
		r.Claim = claim(t, e.network, label, owner)
	}
	if change != nil {
		change(&r)
	}
	r, err = record.Sign(r, device)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// put builds a folder into a node's store and returns what stands in records.
func put(t *testing.T, e *Engine, dir string) (root wire.Hash, size uint64) {
	t.Helper()
	plan, err := site.Scan(t.Context(), dir, site.ScanOptions{})
	if err != nil {
		t.Fatal(err)
	}
	kept := &controltest.Kept{}
	built, err := site.Build(t.Context(), plan, kept, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = e.PutBlocks(t.Context(), func(yield func(wire.Hash, []byte) bool) {
		for _, b := range kept.Blocks {
			if !yield(b.Hash, b.Data) {
				return
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return built.Root, uint64(built.Stored)
}

// publishAs publishes one page in the name of one of the test's owners.
func publishAs(t *testing.T, e *Engine, owner byte, label, page string, change func(*record.Record)) record.Record {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "index.html"), []byte(page), 0o644); err != nil {
		t.Fatal(err)
	}
	root, size := put(t, e, dir)
	r := sign(t, e, owner, label, func(r *record.Record) {
		r.Content, r.Size = root, size
		if change != nil {
			change(r)
		}
	})
	if _, err := e.Publish(t.Context(), control.PublishRequest{Record: r.Raw}); err != nil {
		t.Fatalf("publish: %v", err)
	}
	return r
}

// ask has a browser open a page on a node's gateway.
func ask(t *testing.T, e *Engine, url string) *httptest.ResponseRecorder {
	t.Helper()
	g, err := gateway.New(e.gatewayConfig())
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	r := httptest.NewRequest(http.MethodGet, url, nil)
	r.URL.Scheme, r.URL.Host = "", ""
	r.RemoteAddr = "127.0.0.1:5555"
	local := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 8080}
	r = r.WithContext(context.WithValue(t.Context(), http.LocalAddrContextKey, net.Addr(local)))
	for k, v := range map[string]string{
		"Accept": "text/html", "User-Agent": "Mozilla/5.0 (X11) Firefox/140.0",
		"Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document", "Sec-Fetch-User": "?1",
	} {
		r.Header.Set(k, v)
	}
	w := httptest.NewRecorder()
	g.ServeHTTP(w, r)
	return w
}

// settle gives the nodes time to join.
func (v *virtual) settle() { v.pass(10 * time.Second) }

// nodes starts n nodes that join through the first.
func (v *virtual) nodes(n int) []*Engine {
	out := []*Engine{v.node(nil)}
	for range n - 1 {
		out = append(out, v.node(nil, out[0]))
	}
	v.settle()
	return out
}

func (v *virtual) ip(e *Engine) netip.Addr { return netip.MustParseAddrPort(e.cfg.Listen[0]).Addr() }

// resolves checks what a node makes of a name.
func resolves(t *testing.T, e *Engine, name string, want record.Record, rivals int) {
	t.Helper()
	res, err := e.Resolve(t.Context(), name)
	if err != nil || res.Owner != want.Root.String() || res.Seq != want.Seq || len(res.Rivals) != rivals {
		t.Errorf("%s: owner %.8s seq %d, %d rivals, %v; want %.8s seq %d, %d", name, res.Owner, res.Seq, len(res.Rivals), err, want.Root, want.Seq, rivals)
	}
}

// TestIncumbent has a second owner take a name by force: readers open the
// first and note the rival, and one storing node that lies changes nothing,
// even where the rival is its own and its address pretends to be many.
func TestIncumbent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newVirtual(t)
		nodes := v.nodes(5)
		first := publishAs(t, nodes[1], 1, pair, "first", nil)
		v.pass(time.Minute)
		rival := publishAs(t, nodes[2], 2, pair, "rival", nil)
		liar := v.liar(rival.Raw, nodes[0])
		v.pass(time.Minute)
		reader := v.node(nil, nodes[0], liar)
		v.settle()
		resolves(t, reader, "pair.alt", first, 1)
		resolves(t, nodes[2], "pair.alt", first, 1)
		if w := ask(t, reader, "http://pair.alt/"); w.Code != 200 || !strings.Contains(w.Body.String(), "first") {
			t.Errorf("gateway: %d %.200s", w.Code, w.Body)
		}
		// The owner of the rival's address opens it all the same.
		resolves(t, reader, record.Address(rival.Root)+".alt", rival, 0)
	})
}

// liar is a node that answers every question for records with its own.
func (v *virtual) liar(raw []byte, through *Engine) *Engine {
	liar := v.node(nil)
	liar.host.Handle(wire.TypeGetRecords, func(_ context.Context, r *peer.Request) {
		r.Reply(wire.Records{Records: []wire.StoredRecord{{Value: raw, FirstSeen: 1}}})
	})
	if _, err := liar.Connect(v.t.Context(), through.cfg.Listen[0]); err != nil {
		v.t.Fatal(err)
	}
	return liar
}

// TestConflict lets two halves of a network name different owners: nobody has
// the majority, and the reader is told.
func TestConflict(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newVirtual(t)
		left, right := v.nodes(3), v.nodes(3)
		publishAs(t, left[1], 1, pair, "first", nil)
		publishAs(t, right[1], 2, pair, "second", nil)
		v.pass(10 * time.Second)
		reader := v.node(func(c *Config) { c.Listen = nil }, left[0], left[1], left[2], right[0], right[1], right[2])
		v.pass(5 * time.Second)
		res, err := reader.Resolve(t.Context(), "pair.alt")
		if !errors.Is(err, control.ErrConflict) || len(res.Rivals) != 2 {
			t.Errorf("without a majority: %+v, %v", res, err)
		}
		if w := ask(t, reader, "http://pair.alt/"); w.Code != http.StatusConflict || w.Header().Get("AltNet-Problem") != "conflict" {
			t.Errorf("gateway: %d %v", w.Code, w.Header())
		}
	})
}

// TestNeverOlder moves a reader who saw a newer record into a network that
// knows an older one only.
func TestNeverOlder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newVirtual(t)
		nodes := v.nodes(3)
		old := publishAs(t, nodes[1], 3, "", "old", nil)
		name := record.Address(old.Root) + ".alt"
		reader := v.node(func(c *Config) { c.Listen = nil }, nodes[0])
		v.settle()
		resolves(t, reader, name, old, 0)
		now := publishAs(t, nodes[1], 3, "", "new", nil)
		v.pass(time.Minute)
		resolves(t, reader, name, now, 0)

		for _, e := range nodes {
			v.kill(e)
		}
		others := v.nodes(3)
		if n, err := others[1].announce(t.Context(), &old).wait(); n == 0 {
			t.Fatal(err)
		}
		if _, err := reader.Connect(t.Context(), others[0].cfg.Listen[0]); err != nil {
			t.Fatal(err)
		}
		v.pass(time.Minute)
		resolves(t, reader, name, now, 0)
		resolves(t, others[2], name, old, 0) // who never saw the newer one
	})
}

// TestOwnerChanged has a name pass to another owner in the eyes of a reader
// who knew the first: a warning, an answer to it, and a clean browser.
func TestOwnerChanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newVirtual(t)
		nodes := v.nodes(3)
		short := func(r *record.Record) { r.Expires = r.Issued + uint64(time.Hour/time.Millisecond) }
		first := publishAs(t, nodes[1], 1, pair, "first", short)
		reader := v.node(func(c *Config) { c.Listen = nil }, nodes[0])
		v.settle()
		resolves(t, reader, "pair.alt", first, 0)
		v.pass(2 * time.Hour)
		if _, err := reader.Resolve(t.Context(), "pair.alt"); !errors.Is(err, control.ErrExpired) {
			t.Errorf("expired: %v", err)
		}
		if w := ask(t, reader, "http://pair.alt/"); w.Code != http.StatusGone || w.Header().Get("AltNet-Problem") != "expired" {
			t.Errorf("gateway: %d %v", w.Code, w.Header())
		}

		for _, e := range nodes {
			v.kill(e)
		}
		others := v.nodes(3)
		second := publishAs(t, others[1], 2, pair, "second", nil)
		if _, err := reader.Connect(t.Context(), others[0].cfg.Listen[0]); err != nil {
			t.Fatal(err)
		}
		v.pass(time.Minute)
		res, err := reader.Resolve(t.Context(), "pair.alt")
		if !errors.Is(err, control.ErrOwnerChanged) || res.Owner != second.Root.String() {
			t.Fatalf("another owner: %+v, %v", res, err)
		}
		w := ask(t, reader, "http://pair.alt/")
		if w.Code != http.StatusConflict || w.Header().Get("AltNet-Problem") != "ownerchanged" {
			t.Errorf("gateway: %d %v", w.Code, w.Header())
		}
		if err := reader.Accept(t.Context(), "pair.alt"); err != nil {
			t.Fatal(err)
		}
		resolves(t, reader, "pair.alt", second, 1)
		w = ask(t, reader, "http://pair.alt/")
		if w.Code != 200 || !strings.Contains(w.Header().Get("Clear-Site-Data"), "storage") {
			t.Errorf("after the new owner was accepted: %d %v", w.Code, w.Header())
		}
	})
}

// TestWrongClock shows a reader records from days ahead alone.
func TestWrongClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newVirtual(t)
		e := v.node(nil)
		v.pass(time.Second)
		future := sign(t, e, 3, "", func(r *record.Record) {
			r.Issued += uint64(72 * time.Hour / time.Millisecond)
			r.Seq = r.Issued
		})
		v.liar(future.Raw, e)
		v.settle()
		_, err := e.Resolve(t.Context(), record.Address(future.Root))
		if !errors.Is(err, control.ErrClock) || !strings.Contains(err.Error(), "clock") || control.Code(err) != "clock" {
			t.Errorf("records of the day after tomorrow: %v", err)
		}
		if w := ask(t, e, "http://"+record.Address(future.Root)+".alt/"); w.Header().Get("AltNet-Problem") != "clock" {
			t.Errorf("gateway: %d %v", w.Code, w.Header())
		}
	})
}

// TestVoiceIsOfTheConnection checks that a peer's voice counts where it really
// is, whatever its record says.
func TestVoiceIsOfTheConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newVirtual(t)
		e := v.node(nil)
		var fakes []*Engine
		for i := range 3 {
			fakes = append(fakes, v.node(func(c *Config) { c.Announce = []string{fmt.Sprintf("3%d.1.1.1:9000", i)} }, e))
		}
		v.settle()
		for _, f := range fakes {
			p := f.host.Self()
			if got, want := e.groupOf(p), wire.GroupOf(netip.AddrPortFrom(v.ip(f), 9000)); got != want {
				t.Errorf("a peer at %s that says %v counts as %q, want %q", v.ip(f), p.Addrs, got, want)
			}
		}
		gone := fakes[0].host.Self()
		v.kill(fakes[0])
		v.pass(time.Minute)
		if got := e.groupOf(gone); got != "gone" {
			t.Errorf("a peer that is gone counts as %q", got)
		}
	})
}

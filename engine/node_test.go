package engine

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"altnet/engine/control"
	"altnet/engine/identity"
	"altnet/engine/record"
	"altnet/engine/store"
	"altnet/engine/wire"
)

// again closes a node and starts it on the same folder, under its address.
func (v *virtual) again(e *Engine, change func(*Config)) *Engine {
	v.t.Helper()
	if err := e.Close(); err != nil {
		v.t.Fatal(err)
	}
	cfg := e.cfg
	if change != nil {
		change(&cfg)
	}
	out, err := Open(v.t.Context(), cfg)
	if err != nil {
		v.t.Fatal(err)
	}
	v.t.Cleanup(func() { out.Close() })
	return out
}

// opens checks that a site's page is shown.
func opens(t *testing.T, e *Engine, name, want string) {
	t.Helper()
	if w := ask(t, e, "http://"+name+"/"); w.Code != 200 || !strings.Contains(w.Body.String(), want) {
		t.Errorf("%s: %d %s %.300s", name, w.Code, w.Header().Get("AltNet-Problem"), w.Body)
	}
}

func host(r record.Record) string { return record.Address(r.Root) + ".alt" }

func TestSecondInstance(t *testing.T) {
	dir := t.TempDir()
	open := func() (*Engine, error) { return Open(t.Context(), Config{Data: dir, NoSync: true}) }
	e, err := open()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := open(); !errors.Is(err, store.ErrLocked) || !strings.Contains(err.Error(), dir) {
		t.Errorf("a second node on the folder: %v", err)
	}
	for range 2 {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	}
	if e, err = open(); err != nil {
		t.Fatal("after the first has closed:", err)
	}
	e.Close()
}

// TestOpenFails checks that a node that cannot start leaves nothing behind:
// every address and the folder are free again.
func TestOpenFails(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	dir := t.TempDir()
	addr := func() string {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		return l.Addr().String()
	}
	listen, web, tls := addr(), addr(), addr()
	good := Config{Data: dir, Listen: []string{listen}, Gateway: web, GatewayTLS: tls, NoSync: true}
	for name, c := range map[string]struct {
		change func(*Config)
		says   string
	}{
		"peers' address taken":     {func(c *Config) { c.Listen = append(c.Listen, taken.Addr().String()) }, "-listen"},
		"gateway's address taken":  {func(c *Config) { c.Gateway = taken.Addr().String() }, "-gateway"},
		"https gateway's taken":    {func(c *Config) { c.GatewayTLS = taken.Addr().String() }, "-gateway-tls"},
		"DNS address taken":        {func(c *Config) { c.DNS = taken.Addr().String() }, "-dns"},
		"DNS answers with no IP":   {func(c *Config) { c.DNS, c.DNSIP = "127.0.0.1:0", "home" }, "-dns-ip"},
		"announces a name":         {func(c *Config) { c.Announce = []string{"example.com:9000"} }, "announce"},
		"bootstrap without a port": {func(c *Config) { c.Bootstrap = []string{"example.com"} }, "bootstrap"},
		"network secret too short": {func(c *Config) { c.NetworkSecret = []byte("short") }, "secret"},
	} {
		cfg := good
		c.change(&cfg)
		if e, err := Open(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", name, err)
			if e != nil {
				e.Close()
			}
		}
	}
	e, err := Open(t.Context(), good)
	if err != nil {
		t.Fatal("after the failures:", err)
	}
	e.Close()
}

func TestRuleFiles(t *testing.T) {
	for name, text := range map[string]string{
		"trusted-registrars.txt": "not a key\n", "trusted-revokers.txt": "beef\n", "blocklist.txt": "0123 too short\n",
	} {
		dir := t.TempDir()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := Open(t.Context(), Config{Data: dir, NoSync: true})
		if err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "line 1") {
			t.Errorf("%s with nonsense: %v", name, err)
		}
	}
}

// TestBlocklist has a hash listed while the node runs: what is here of it goes,
// and the reader sees why. A file that is nonsense later changes nothing.
func TestBlocklist(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newVirtual(t)
		nodes := v.nodes(3)
		r := publishAs(t, nodes[1], 3, "", "page", nil)
		v.pass(time.Minute)
		e := nodes[2]
		opens(t, e, host(r), "page")
		list := filepath.Join(e.cfg.Data, "blocklist.txt")
		write := func(text string) {
			if err := os.WriteFile(list, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			v.pass(2 * time.Minute)
		}
		write(r.Content.String() + " court order 12\n")
		for range 2 {
			if e.store.Has(r.Content) || e.keepsFor(r.Content) {
				t.Error("a listed block is still here")
			}
			w := ask(t, e, "http://"+host(r)+"/")
			if w.Code != 451 || !strings.Contains(w.Body.String(), "court order 12") {
				t.Errorf("gateway: %d %.300s", w.Code, w.Body)
			}
			if _, err := e.Resolve(t.Context(), host(r)); !errors.Is(err, control.ErrBlocked) || !strings.Contains(err.Error(), "court order 12") {
				t.Errorf("resolve: %v", err)
			}
			if _, err := e.Archive(t.Context(), r.Content.String()); !errors.Is(err, control.ErrBlocked) {
				t.Errorf("archive: %v", err)
			}
			if _, err := e.Get(t.Context(), r.Content); !errors.Is(err, control.ErrBlocked) {
				t.Errorf("get: %v", err)
			}
			opens(t, nodes[1], host(r), "page") // elsewhere nothing changed
			write("nonsense\n")
		}
		if err := e.rules.problem(); err == nil || !strings.Contains(err.Error(), list) {
			t.Errorf("a nonsense file: %v", err)
		}
		if err := os.Remove(list); err != nil {
			t.Fatal(err)
		}
		v.pass(2 * time.Minute)
		opens(t, e, host(r), "page")
	})
}

// keepsFor reports whether a root is kept for somebody.
func (e *Engine) keepsFor(root wire.Hash) bool {
	info, ok := e.store.Root(root)
	return ok && info.Class&^store.Cache != 0
}

// TestGatekept resolves in a network whose registrars approve names.
func TestGatekept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		registrar := identity.FromSeed([32]byte{77})
		v := newVirtual(t)
		nodes := v.nodes(3)
		granted := publishAs(t, nodes[1], 1, pair, "granted", func(r *record.Record) {
			g, err := record.SignGrant(registrar, record.Grant{
				Network: r.Network, Name: pair, Root: r.Root, Serial: 1, NotBefore: r.Issued, NotAfter: r.Expires,
			})
			if err != nil {
				t.Fatal(err)
			}
			r.Grant = g.Raw
		})
		wild := publishAs(t, nodes[1], 3, "wild", "wild", nil)
		v.pass(time.Minute)
		e := nodes[2]
		resolves(t, e, "wild.alt", wild, 0)
		if err := os.WriteFile(filepath.Join(e.cfg.Data, "trusted-registrars.txt"), []byte(registrar.Public().String()+" # ours\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		v.pass(2 * time.Minute)
		resolves(t, e, "pair.alt", granted, 0)
		if _, err := e.Resolve(t.Context(), "wild.alt"); !errors.Is(err, control.ErrBlocked) {
			t.Errorf("a name that nobody granted: %v", err)
		}
		resolves(t, e, host(wild), wild, 0) // an address needs no grant
		resolves(t, nodes[0], "wild.alt", wild, 0)
	})
}

// TestOffline checks that an offline node sends nothing, opens what it has,
// and brings into the network what was published meanwhile.
func TestOffline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newVirtual(t)
		nodes := v.nodes(4)
		seen := publishAs(t, nodes[1], 3, "", "seen", nil)
		e := nodes[2]
		opens(t, e, host(seen), "seen")
		v.pass(time.Minute)
		if err := e.SetOnline(t.Context(), false); err != nil {
			t.Fatal(err)
		}
		v.pass(time.Minute)
		up, down := e.host.Traffic()
		opens(t, e, host(seen), "seen")
		own := publishAs(t, e, 4, "", "own", nil)
		opens(t, e, host(own), "own")
		if _, err := e.Resolve(t.Context(), record.Address(rootOf(9).Public())); !errors.Is(err, control.ErrOffline) {
			t.Errorf("what is not known here: %v", err)
		}
		if _, err := e.Connect(t.Context(), nodes[0].cfg.Listen[0]); !errors.Is(err, control.ErrOffline) {
			t.Errorf("connect: %v", err)
		}
		e = v.again(e, nil) // the choice outlives a restart
		v.pass(time.Hour)
		if s, err := e.Status(t.Context()); err != nil || s.Online || s.Connected || s.Peers != 0 {
			t.Errorf("offline: %+v, %v", s, err)
		}
		if u, d := e.host.Traffic(); u != 0 || d != 0 {
			t.Errorf("an offline node sent %d and received %d bytes (before the restart %d, %d)", u, d, up, down)
		}
		if r, err := e.Receipt(t.Context(), host(own)); err != nil || r.Records != 0 || r.Copies != 0 || !r.Sleeps {
			t.Errorf("receipt: %+v, %v", r, err)
		}
		if err := e.SetOnline(t.Context(), true); err != nil {
			t.Fatal(err)
		}
		v.placed(e, host(own))
		opens(t, nodes[3], host(own), "own")
	})
}

// placed waits a minute for a site to be known and kept elsewhere.
func (v *virtual) placed(e *Engine, name string) {
	v.t.Helper()
	v.pass(time.Minute)
	r, err := e.Receipt(v.t.Context(), name)
	if err != nil || r.Records == 0 || r.Copies < 2 || r.Sleeps {
		v.t.Errorf("%s is not in the network: %+v, %v", name, r, err)
	}
}

// TestOwedToTheNetwork publishes on a node that nobody has joined yet, and
// restarts it meanwhile.
func TestOwedToTheNetwork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newVirtual(t)
		e := v.node(nil)
		own := publishAs(t, e, 4, "", "own", nil)
		v.pass(3 * time.Hour)
		e = v.again(e, nil)
		v.pass(3 * time.Hour)
		for range 3 {
			v.node(nil, e)
		}
		v.pass(5 * time.Minute)
		v.placed(e, host(own))
	})
}

// TestRestart checks what outlives a restart.
func TestRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newVirtual(t)
		nodes := v.nodes(4)
		pinned := publishAs(t, nodes[1], 3, "", "pinned", nil)
		e := nodes[2]
		if err := e.SetPinned(t.Context(), host(pinned), true); err != nil {
			t.Fatal(err)
		}
		first := publishAs(t, e, 4, "", "one", nil)
		v.pass(time.Second)
		second := publishAs(t, e, 4, "", "two", nil)
		v.placed(e, host(first))
		before, err := e.Sites(t.Context())
		if err != nil || len(before) != 2 {
			t.Fatalf("%+v, %v", before, err)
		}
		e = v.again(e, nil)
		v.settle()
		after, err := e.Sites(t.Context())
		if err != nil || len(after) != 2 || after[0].Seq != before[0].Seq || after[1].Root != before[1].Root || !after[1].Pinned {
			t.Errorf("sites: %+v, %v", after, err)
		}
		vs, err := e.Versions(t.Context(), host(first))
		if err != nil || len(vs) != 2 || vs[0].Seq != second.Seq || !vs[0].Current || vs[1].Root != first.Content.String() {
			t.Errorf("versions: %+v, %v", vs, err)
		}
		v.kill(nodes[1])
		opens(t, e, host(pinned), "pinned")
		v.pass(e.cfg.CheckEvery)
		if r, err := e.Receipt(t.Context(), host(first)); err != nil || r.Copies < 2 || r.Sleeps {
			t.Errorf("a receipt after a restart: %+v, %v", r, err)
		}
	})
}

// TestVersions drops and rolls back.
func TestVersions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newVirtual(t)
		e := v.node(nil)
		one := publishAs(t, e, 4, "", "one", nil)
		v.pass(time.Second)
		two := publishAs(t, e, 4, "", "two", nil)
		v.pass(time.Second)
		if err := e.DropVersion(t.Context(), host(one), two.Seq); !errors.Is(err, control.ErrInvalid) {
			t.Errorf("drop the version in force: %v", err)
		}
		back := publishAs(t, e, 4, "", "one", nil) // a rollback is the old root under a higher sequence
		opens(t, e, host(one), "one")
		if back.Content != one.Content || back.Seq <= two.Seq {
			t.Fatalf("rollback: %+v", back)
		}
		for _, seq := range []uint64{two.Seq, one.Seq} {
			if err := e.DropVersion(t.Context(), host(one), seq); err != nil {
				t.Errorf("drop version %d: %v", seq, err)
			}
		}
		if err := e.DropVersion(t.Context(), host(one), one.Seq); !errors.Is(err, control.ErrNotFound) {
			t.Errorf("drop it again: %v", err)
		}
		if e.keepsFor(two.Content) || !e.keepsFor(one.Content) {
			t.Error("the store keeps what was dropped, or dropped what is in force")
		}
		opens(t, e, host(one), "one")
		if _, err := e.Publish(t.Context(), control.PublishRequest{Record: two.Raw}); !errors.Is(err, control.ErrMissing) && !errors.Is(err, control.ErrStale) {
			t.Errorf("publish an old record: %v", err)
		}
	})
}

// TestPinFollows checks that a pin is of a site, not of a version.
func TestPinFollows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newVirtual(t)
		nodes := v.nodes(3)
		one := publishAs(t, nodes[1], 3, "", "one", nil)
		e := v.node(func(c *Config) { c.NoVolunteer = true }, nodes[0])
		v.settle()
		if err := e.SetPinned(t.Context(), host(one), true); err != nil {
			t.Fatal(err)
		}
		two := publishAs(t, nodes[1], 3, "", "two", nil)
		v.pass(2 * time.Hour)
		if !e.keepsFor(two.Content) || e.keepsFor(one.Content) {
			t.Errorf("two hours after an update the new version is kept: %v, the old one: %v", e.keepsFor(two.Content), e.keepsFor(one.Content))
		}
		sites, err := e.Sites(t.Context())
		if err != nil || len(sites) != 1 || sites[0].Seq != two.Seq || sites[0].Root != two.Content.String() {
			t.Errorf("sites: %+v, %v", sites, err)
		}
		gone := sign(t, e, 3, "", func(r *record.Record) {
			r.Kind, r.Content, r.Size, r.Seq = record.KindTombstone, wire.Hash{}, 0, r.Seq+1
		})
		if _, err := nodes[1].Withdraw(t.Context(), control.PublishRequest{Record: gone.Raw}); err != nil {
			t.Fatal(err)
		}
		v.pass(2 * time.Hour)
		sites, err = e.Sites(t.Context())
		if err != nil || len(sites) != 1 || !sites[0].Withdrawn || !e.keepsFor(two.Content) {
			t.Errorf("withdrawn: %+v, %v", sites, err)
		}
		if err := e.SetPinned(t.Context(), host(one), false); err != nil {
			t.Fatal(err)
		}
		if e.keepsFor(two.Content) {
			t.Error("unpinned and still kept")
		}
	})
}

// TestBootstrapPin starts another node where a known one was.
func TestBootstrapPin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newVirtual(t)
		boot := v.node(nil)
		e := v.node(nil, boot)
		v.settle()
		addr := boot.cfg.Listen[0]
		old := boot.key.ID()
		boot = v.again(boot, func(c *Config) { c.Data, c.Keys = t.TempDir(), t.TempDir() })
		v.settle()
		_, err := e.Connect(t.Context(), addr)
		if !errors.Is(err, ErrPinned) || !strings.Contains(err.Error(), "NODEID@"+addr) {
			t.Errorf("another node at a known address: %v", err)
		}
		if _, err := e.Connect(t.Context(), old.String()+"@"+addr); err == nil {
			t.Error("the old node was reached, which is gone")
		}
		p, err := e.Connect(t.Context(), boot.key.ID().String()+"@"+addr)
		if err != nil || p.ID != boot.key.ID().String() {
			t.Errorf("the new node by its name: %+v, %v", p, err)
		}
		if _, err := e.Connect(t.Context(), addr); err != nil {
			t.Errorf("the new node from then on: %v", err)
		}
		for _, bad := range []string{"nonsense", "beef@" + addr, "@:", "x@y@z:1"} {
			if _, err := e.Connect(t.Context(), bad); !errors.Is(err, control.ErrInvalid) {
				t.Errorf("connect to %q: %v", bad, err)
			}
		}
	})
}

// TestClose closes nodes at odd moments. The bubble notices every goroutine
// that stays.
func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newVirtual(t)
		boot := v.node(nil)
		v.node(nil, boot).Close() // right after Open
		e := v.node(nil, boot)
		v.settle()
		own := publishAs(t, e, 4, "", "own", nil)
		archive, err := e.Archive(t.Context(), host(own))
		if err != nil {
			t.Fatal(err)
		}
		defer archive.Close()
		events := make(chan error, 1)
		go func() {
			first := true
			for ev, err := range e.Events(t.Context()) {
				if first && (err != nil || ev.Kind != control.EventStatus) {
					t.Errorf("the first event is %+v, %v", ev, err)
				}
				if first = false; err != nil {
					events <- err
				}
			}
		}()
		synctest.Wait()
		ctx, cancel := context.WithCancel(t.Context())
		ran := make(chan error, 1)
		go func() { ran <- e.Run(ctx) }()
		for range 3 {
			go e.Close()
		}
		if err := e.Close(); err != nil {
			t.Error(err)
		}
		if err := <-events; !errors.Is(err, control.ErrClosed) {
			t.Errorf("the last event: %v", err)
		}
		if err := <-ran; err != nil {
			t.Errorf("Run: %v", err)
		}
		cancel()
		if _, err := io.ReadAll(archive); !errors.Is(err, control.ErrClosed) {
			t.Errorf("an archive of a closed node: %v", err)
		}
		closedNode(t, e, own)
	})
}

// closedNode asks a closed node for everything.
func closedNode(t *testing.T, e *Engine, r record.Record) {
	t.Helper()
	ctx := t.Context()
	_, status := e.Status(ctx)
	_, sites := e.Sites(ctx)
	_, resolve := e.Resolve(ctx, "somebody.alt")
	_, publish := e.Publish(ctx, control.PublishRequest{Record: r.Raw})
	_, receipt := e.Receipt(ctx, host(r))
	_, put := e.Put(ctx, []byte("x"))
	_, found := e.Find(ctx, host(r))
	_, archive := e.Archive(ctx, r.Content.String())
	for what, err := range map[string]error{
		"status": status, "sites": sites, "resolve": resolve, "publish": publish, "receipt": receipt, "put": put,
		"online": e.SetOnline(ctx, true), "offline": e.SetOnline(ctx, false), "find": found, "archive": archive,
		"pin": e.SetPinned(ctx, host(r), true), "blocks": e.PutBlocks(ctx, func(func(wire.Hash, []byte) bool) {}),
	} {
		if what != "blocks" && !errors.Is(err, control.ErrClosed) {
			t.Errorf("%s on a closed node: %v", what, err)
		}
	}
	for _, err := range e.Events(ctx) {
		if !errors.Is(err, control.ErrClosed) {
			t.Errorf("events on a closed node: %v", err)
		}
	}
}

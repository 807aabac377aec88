package engine

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"altnet/engine/control"
	"altnet/engine/identity"
	"altnet/engine/peer/memnet"
	"altnet/engine/publisher"
	"altnet/engine/record"
)

// virtual is a network of whole nodes in memory and on virtual time. Every
// node has an address in an IP group of its own.
type virtual struct {
	t    *testing.T
	net  *memnet.Net
	next int
}

func newVirtual(t *testing.T) *virtual {
	v := &virtual{t: t, net: memnet.New()}
	v.net.SetLatency(func(_, _ netip.Addr) time.Duration { return 25 * time.Millisecond })
	return v
}

// node starts a node that joins through the given ones.
func (v *virtual) node(change func(*Config), through ...*Engine) *Engine {
	v.t.Helper()
	v.next++
	ip := netip.AddrFrom4([4]byte{20, byte(v.next >> 8), byte(v.next), 1})
	addr := netip.AddrPortFrom(ip, 9000)
	cfg := Config{
		Data: v.t.TempDir(), Version: "test", Listen: []string{addr.String()}, StoreBudget: 1 << 30, NoSync: true,
		ListenFunc: func(string) (net.Listener, error) { return v.net.Listen(addr) },
		DialFunc: func(ctx context.Context, to netip.AddrPort) (net.Conn, error) {
			return v.net.Dial(ctx, ip, to)
		},
	}
	for _, e := range through {
		cfg.Bootstrap = append(cfg.Bootstrap, e.cfg.Listen[0])
	}
	if change != nil {
		change(&cfg)
	}
	e, err := Open(v.t.Context(), cfg)
	if err != nil {
		v.t.Fatal(err)
	}
	v.t.Cleanup(func() { e.Close() })
	return e
}

// pass lets virtual time go by.
func (v *virtual) pass(d time.Duration) { time.Sleep(d) }

// kill ends a node as a power cut would: nobody is told.
func (v *virtual) kill(e *Engine) {
	v.net.Kill(netip.MustParseAddrPort(e.cfg.Listen[0]).Addr())
	e.Close()
}

// author makes an author with a profile of its own on a node.
func author(t *testing.T, e *Engine) *publisher.Author {
	t.Helper()
	p, err := publisher.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return publisher.NewAuthor(p, e)
}

// folder makes files with recognisable content.
func folder(t *testing.T, files, size int) string {
	t.Helper()
	dir := t.TempDir()
	for i := range files {
		path := filepath.Join(dir, fmt.Sprintf("d%d", i%5), fmt.Sprintf("f%03d.html", i))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		body := bytes.Repeat(fmt.Appendf(nil, "file %d of %s\n", i, filepath.Base(dir)), size/10+1)
		if err := os.WriteFile(path, body[:size], 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// sameSite compares every file of dir with what a node shows under a name.
func sameSite(t *testing.T, e *Engine, name, dir string) {
	t.Helper()
	s, err := e.browse(t.Context(), name)
	if err != nil {
		t.Fatalf("open %s: %v", name, err)
	}
	files := 0
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, _ := filepath.Rel(dir, path)
		want, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		got, err := fs.ReadFile(s.FS, filepath.ToSlash(rel))
		if err != nil || !bytes.Equal(got, want) {
			return fmt.Errorf("%s: %d bytes of %d: %w", rel, len(got), len(want), err)
		}
		files++
		return nil
	})
	if err != nil || files == 0 {
		t.Fatalf("%s: %d files, %v", name, files, err)
	}
}

// TestLidStaysClosed publishes a site, takes the publisher away for 30 days,
// replaces every node that ever met it, one after another, and lets a stranger
// read every file. A rival cannot take the name meanwhile.
func TestLidStaysClosed(t *testing.T) {
	if testing.Short() {
		t.Skip("a month takes a minute")
	}
	synctest.Test(t, func(t *testing.T) {
		v := newVirtual(t)
		nodes := []*Engine{v.node(nil)}
		for range 7 {
			nodes = append(nodes, v.node(nil, nodes[0]))
		}
		v.pass(10 * time.Second) // virtual: everybody has joined
		laptop := v.node(nil, nodes[0])
		v.pass(10 * time.Second)
		dir := folder(t, 40, 3000)
		receipt, err := author(t, laptop).Publish(t.Context(), dir, "garden.alt", publisher.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if receipt.Copies < 1 {
			t.Fatalf("receipt without a copy: %+v", receipt)
		}
		v.pass(time.Minute)
		if r, err := laptop.Receipt(t.Context(), "garden.alt"); err != nil || r.Copies < 4 {
			t.Fatalf("a minute later: %+v, %v", r, err)
		}
		v.kill(laptop)

		for i := range len(nodes) {
			v.pass(30 * 24 * time.Hour / time.Duration(len(nodes)))
			v.kill(nodes[i])
			nodes[i] = v.node(nil, nodes[(i+1)%len(nodes)], nodes[(i+2)%len(nodes)])
		}
		v.pass(time.Hour)

		stranger := v.node(func(c *Config) { c.NoVolunteer = true }, nodes[3])
		v.pass(10 * time.Second)
		sameSite(t, stranger, "garden.alt", dir)
		rivalRefused(t, v, nodes, receipt, dir)
	})
}

// rivalRefused has a stranger claim the name, politely and then by force.
func rivalRefused(t *testing.T, v *virtual, nodes []*Engine, first control.Receipt, dir string) {
	t.Helper()
	rival := v.node(nil, nodes[1])
	v.pass(10 * time.Second)
	other := folder(t, 3, 100)
	_, err := author(t, rival).Publish(t.Context(), other, "garden.alt", publisher.Options{})
	if !errors.Is(err, publisher.ErrTaken) {
		t.Errorf("a rival publishes under a taken name: %v", err)
	}
	r := forge(t, rival, "garden")
	if _, err := rival.announce(t.Context(), &r).wait(); err != nil {
		t.Logf("the rival's announcement: %v", err)
	}
	v.pass(time.Minute)
	reader := v.node(nil, nodes[5])
	v.pass(10 * time.Second)
	res, err := reader.Resolve(t.Context(), "garden.alt")
	if err != nil || res.Address != first.Address {
		t.Fatalf("with a rival the reader gets %+v, %v; want %s", res, err, first.Address)
	}
	sameSite(t, reader, "garden.alt", dir)
}

// forge signs a well-formed record of another owner for a name.
func forge(t *testing.T, e *Engine, label string) record.Record {
	t.Helper()
	root, device := identity.FromSeed([32]byte{1}), identity.FromSeed([32]byte{2})
	now := time.Now()
	d, err := record.Delegate(root, device.Public(), 1, record.Millis(now.Add(300*24*time.Hour)))
	if err != nil {
		t.Fatal(err)
	}
	claim, err := record.Mint(t.Context(), e.network, label, root.Public(), record.EpochAt(now), nil)
	if err != nil {
		t.Fatal(err)
	}
	r, err := record.Sign(record.Record{
		Network: e.network, Kind: record.KindSite, Name: label, Root: root.Public(), Delegation: d,
		Seq: record.Millis(now), Issued: record.Millis(now), Expires: record.Millis(now.Add(record.DefaultLife)),
		Content: [32]byte{9}, Size: 100, Claim: &claim,
	}, device)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestPublishReadWithdraw is the shortest life of a site among three nodes.
func TestPublishReadWithdraw(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newVirtual(t)
		a := v.node(nil)
		b, c := v.node(nil, a), v.node(nil, a)
		v.pass(10 * time.Second)
		au := author(t, a)
		dir := folder(t, 10, 1000)
		if _, err := au.Publish(t.Context(), dir, "short.alt", publisher.Options{}); err != nil {
			t.Fatal(err)
		}
		sameSite(t, b, "short.alt", dir)
		archive, err := c.Archive(t.Context(), "short.alt")
		if err != nil {
			t.Fatal(err)
		}
		defer archive.Close()
		n := 0
		for tr := tar.NewReader(archive); ; n++ {
			if _, err := tr.Next(); err == io.EOF {
				break
			} else if err != nil {
				t.Fatal(err)
			}
		}
		if n != 10 {
			t.Errorf("%d files in the archive, want 10", n)
		}
		old := v.record(b, "short.alt")
		if _, err := au.Withdraw(t.Context(), "short.alt"); err != nil {
			t.Fatal(err)
		}
		v.pass(time.Minute)
		if err := b.reannounce(t.Context(), old); err != nil {
			t.Logf("announcing the old record again: %v", err)
		}
		v.pass(time.Minute)
		for _, e := range []*Engine{a, b, c, v.node(nil, c)} {
			v.pass(5 * time.Second)
			if res, err := e.Resolve(t.Context(), "short.alt"); !errors.Is(err, control.ErrWithdrawn) {
				t.Errorf("%s still resolves short.alt: %+v, %v", e.cfg.Listen[0], res, err)
			}
		}
	})
}

// record returns the signed bytes behind a name.
func (v *virtual) record(e *Engine, name string) []byte {
	v.t.Helper()
	res, err := e.Resolve(v.t.Context(), name)
	if err != nil {
		v.t.Fatal(err)
	}
	return res.Record
}

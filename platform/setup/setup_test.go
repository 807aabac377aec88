package setup

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"altnet/platform/browser"
	"altnet/platform/journal"
	"altnet/platform/splitdns"
	"altnet/platform/trust"
)

func newRoot(t *testing.T, suffix string) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	_, v4, _ := net.ParseCIDR("0.0.0.0/0")
	_, v6, _ := net.ParseCIDR("::/0")
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "AltNet test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, BasicConstraintsValid: true, IsCA: true, MaxPathLenZero: true,
		PermittedDNSDomainsCritical: true, PermittedDNSDomains: []string{suffix}, ExcludedIPRanges: []*net.IPNet{v4, v6},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// world is a computer in a folder: a settings file that a door edits, system
// anchors, and a Firefox policy. It outlives the processes of a test.
type world struct {
	t        *testing.T
	dir      string
	root     []byte
	decision splitdns.Decision
	broken   map[splitdns.Name]bool // doors that lead nowhere
	node     string                 // that processes have
	impostor bool                   // somebody took the gateway's port
	fs       *dyingFS
	service  bool
	asked    []Request // of the administrator
	refuse   error
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, dir: t.TempDir(), root: newRoot(t, "alt"), fs: &dyingFS{FS: journal.System()}, broken: map[splitdns.Name]bool{}}
	w.decision = splitdns.Decision{Doors: []splitdns.Choice{{Door: splitdns.GNOMEProxy}, {Door: splitdns.Localhost}}}
	for _, dir := range []string{"home", "usr/local/share/ca-certificates", "etc/ssl/certs", "etc/firefox/policies"} {
		if err := os.MkdirAll(filepath.Join(w.dir, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	w.write("home/proxy", "mode=none\n")
	w.write("etc/ssl/certs/ca-certificates.crt", "")
	w.write("etc/firefox/policies/policies.json", `{"policies":{"DisableTelemetry":true}}`)
	return w
}

func (w *world) path(name string) string { return filepath.Join(w.dir, name) }

func (w *world) write(name, text string) {
	w.t.Helper()
	if err := os.WriteFile(w.path(name), []byte(text), 0o644); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) read(name string) string {
	text, _ := os.ReadFile(w.path(name))
	return string(text)
}

// tree is all there is, but for bytes that the certificate command made anew.
func (w *world) tree() map[string]string {
	w.t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(w.dir, func(path string, d os.DirEntry, err error) error {
		rel, _ := filepath.Rel(w.dir, path)
		if err == nil && !d.IsDir() {
			all[rel] = w.read(rel)
		} else if err == nil {
			all[rel] = "folder"
		}
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return all
}

// env has a Firefox and no certutil, so that the policy is used.
func (w *world) env() trust.Env {
	tools := []string{"update-ca-certificates", "firefox"}
	return trust.Env{Suffix: "alt", Run: w.run, Env: browser.Env{
		GOOS: "linux", Root: w.dir, Home: w.path("home"), Getenv: func(string) string { return "" },
		LookPath: func(name string) (string, error) {
			if slices.Contains(tools, name) {
				return name, nil
			}
			return "", exec.ErrNotFound
		},
	}}
}

// run is update-ca-certificates.
func (w *world) run(context.Context, string, ...string) ([]byte, error) {
	if err := w.fs.step(); err != nil {
		return nil, err
	}
	var bundle bytes.Buffer
	files, _ := filepath.Glob(w.path("usr/local/share/ca-certificates/*.crt"))
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			return nil, err
		}
		bundle.Write(text)
	}
	return nil, os.WriteFile(w.path("etc/ssl/certs/ca-certificates.crt"), bundle.Bytes(), 0o644)
}

// process is a new Setup, as each process has one.
func (w *world) process(who Actor) *Setup {
	dir, machine := w.path("home/.config/altnet"), w.path("state")
	if who != User {
		dir = machine
	}
	return New(Config{
		Actor: who, Dir: dir, Machine: machine, HasService: w.service, FS: w.fs, Trust: w.env(),
		Node: w.node, Prove: w.prove,
		Root:    func() ([]byte, error) { return w.root, nil },
		Decide:  func(context.Context) (splitdns.Decision, error) { return w.decision, nil },
		Open:    func(name splitdns.Name, j *journal.Journal) (splitdns.Door, error) { return &fileDoor{w, name, j}, nil },
		Elevate: w.elevate,
	})
}

func (w *world) prove(context.Context) error {
	if w.impostor {
		return splitdns.ErrImpostor
	}
	return nil
}

func (w *world) elevate(ctx context.Context, r Request) error {
	w.asked = append(w.asked, r)
	if w.refuse != nil {
		return w.refuse
	}
	word, err := r.Encode()
	if err != nil {
		return err
	}
	if r, err = ParseRequest(word); err != nil {
		return err
	}
	return w.process(Helper).Serve(ctx, r)
}

// fileDoor is a line in the settings file.
type fileDoor struct {
	w    *world
	name splitdns.Name
	j    *journal.Journal
}

func (d *fileDoor) Name() splitdns.Name { return d.name }

func (d *fileDoor) line() string { return "door=" + string(d.name) + "\n" }

func (d *fileDoor) Set(ctx context.Context) error {
	if d.name == splitdns.Localhost {
		return nil
	}
	return d.j.File(ctx, journal.FileChange{
		Door: string(d.name), Path: d.w.path("home/proxy"), Surgeon: "lines", Part: journal.LinesPart(d.line()),
		Edit: func(now []byte) ([]byte, error) { return append(bytes.Clone(now), d.line()...), nil },
	})
}

func (d *fileDoor) Verify(context.Context) error {
	switch {
	case d.name == splitdns.Localhost:
	case !strings.Contains(d.w.read("home/proxy"), d.line()):
		return splitdns.ErrTurnedOff
	case d.w.impostor:
		return splitdns.ErrImpostor
	case d.w.broken[d.name]:
		return splitdns.ErrClosed
	}
	return nil
}

func (d *fileDoor) Undo(ctx context.Context) error {
	_, err := d.j.Undo(ctx, string(d.name))
	return err
}

var errDied = errors.New("the process died")

// dyingFS lets a process die at one of its writes.
type dyingFS struct {
	journal.FS
	steps, at int // at 0: never
}

func (d *dyingFS) step() error {
	if d.steps++; d.at > 0 && d.steps >= d.at {
		return errDied
	}
	return nil
}

func (d *dyingFS) Create(path string, s journal.State) error {
	if err := d.step(); err != nil {
		return err
	}
	return d.FS.Create(path, s)
}

func (d *dyingFS) Rename(from, to string) error {
	if err := d.step(); err != nil {
		return err
	}
	return d.FS.Rename(from, to)
}

func (d *dyingFS) Remove(path string) error {
	if err := d.step(); err != nil {
		return err
	}
	return d.FS.Remove(path)
}

func TestTableIsWhole(t *testing.T) {
	for _, p := range Table() {
		if len(p.Set) == 0 || len(p.Reapply) == 0 || len(p.Undo) == 0 {
			t.Errorf("%s has nobody to set, re-apply or undo it", p.Name)
		}
		for _, who := range p.Set {
			if who == User && (slices.Contains(p.Set, Helper) || splitdns.Name(p.Name).Machinewide()) {
				t.Errorf("%s is a user's and the machine's", p.Name)
			}
			if !slices.Contains(p.Undo, who) {
				t.Errorf("%s sets %s and may not undo it", who, p.Name)
			}
		}
		if say("setup.change."+p.Name).English == "" && say("setup.change.trust."+p.Name).English == "" {
			t.Errorf("%s has no text", p.Name)
		}
	}
	if MaySet("nonsense", Helper) || MaySet(string(trust.NSS), Helper) || MaySet(string(splitdns.NRPT), User) {
		t.Error("somebody may do what nobody should")
	}
}

func TestPlanCountsPrompts(t *testing.T) {
	for _, tt := range []struct {
		name    string
		service bool
		choice  Choice
		changes []string
		prompts int
	}{
		{"nothing", false, Choice{}, nil, 0},
		{"browsing", false, Choice{Browsing: true}, []string{"pac-gnome user"}, 0},
		{"no service, no certutil", false, Choice{Browsing: true, Trust: true}, []string{"pac-gnome user"}, 0},
		{"service", true, Choice{Browsing: true, Trust: true}, []string{"pac-gnome user", "anchors helper", "firefox-policy helper"}, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			w.service = tt.service
			before := w.tree()
			p, err := w.process(User).Plan(t.Context(), tt.choice)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, c := range p.Changes {
				got = append(got, c.ID+" "+string(c.Actor))
				if c.Text.String() == "" || strings.Contains(c.Text.String(), "{") {
					t.Errorf("%q", c.Text)
				}
			}
			if !reflect.DeepEqual(got, tt.changes) || p.Prompts != tt.prompts || p.Admin != (tt.prompts > 0) {
				t.Errorf("%v, %d prompts, admin %v", got, p.Prompts, p.Admin)
			}
			if !reflect.DeepEqual(w.tree(), before) {
				t.Error("planning changed something")
			}
		})
	}
}

func TestApplyAndUndo(t *testing.T) {
	w := newWorld(t)
	w.service = true
	before := w.tree()
	var steps []string
	r, err := w.process(User).Apply(t.Context(), Choice{true, true}, func(s Step) {
		if s.Done || s.Err != nil {
			steps = append(steps, fmt.Sprint(s.Change.ID, s.Err))
		}
	})
	if err != nil || !r.Browsing || !r.Trusted || r.Door != splitdns.GNOMEProxy || len(r.Failed) > 0 {
		t.Fatalf("%+v, %v", r, err)
	}
	if len(w.asked) != 1 || len(steps) != 3 {
		t.Errorf("asked %d times, steps %v", len(w.asked), steps)
	}
	left, err := w.process(User).Left(t.Context())
	if err != nil || len(left) != 2 || left[1].Actor != Helper {
		t.Errorf("%+v, %v", left, err)
	}
	w.service = false // uninstalled
	for range 2 {
		if _, err := w.process(User).Undo(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if len(w.asked) != 2 {
		t.Errorf("asked %d times", len(w.asked))
	}
	sameTree(t, before, w.tree())
}

func sameTree(t *testing.T, before, after map[string]string) {
	t.Helper()
	for name, text := range after {
		if was, ok := before[name]; name != "home/.config" && (!ok || was != text) {
			t.Errorf("left behind: %s %q, was %q", name, text, was)
		}
	}
	for name := range before {
		if _, ok := after[name]; !ok {
			t.Errorf("lost: %s", name)
		}
	}
}

// The user's process dies at each of its writes and commands in turn; somebody
// edits the settings; undo leaves the edit and nothing else.
func TestDeathAtEveryWrite(t *testing.T) {
	for at := 1; ; at++ {
		w := newWorld(t)
		w.service = true
		before := w.tree()
		w.fs.at = at
		r, err := w.process(User).Apply(t.Context(), Choice{true, true}, nil)
		w.fs.at = 0
		if err == nil && r.Browsing && r.Trusted {
			if at < 12 {
				t.Fatalf("only %d writes", at)
			}
			return
		}
		w.write("home/proxy", strings.Replace(w.read("home/proxy"), "mode=none", "mode=none\nedited=1", 1))
		before["home/proxy"] = "mode=none\nedited=1\n"
		w.service = false
		if _, err := w.process(User).Undo(t.Context()); err != nil {
			t.Fatalf("write %d: %v", at, err)
		}
		t.Logf("death at write %d", at)
		if sameTree(t, before, w.tree()); t.Failed() {
			return
		}
	}
}

func TestFallbackOnlyWhereNeeded(t *testing.T) {
	for _, broken := range []bool{false, true} {
		w := newWorld(t)
		w.decision.Doors = []splitdns.Choice{{Door: splitdns.KDEProxy}, {Door: splitdns.GNOMEProxy, Fallback: true}, {Door: splitdns.Localhost}}
		w.broken[splitdns.KDEProxy] = broken
		r, err := w.process(User).Apply(t.Context(), Choice{Browsing: true}, nil)
		if err != nil || !r.Browsing {
			t.Fatalf("%+v, %v", r, err)
		}
		want := map[bool]splitdns.Name{false: splitdns.KDEProxy, true: splitdns.GNOMEProxy}[broken]
		if text := w.read("home/proxy"); r.Door != want || strings.Count(text, "door=") != 1 || !strings.Contains(text, string(want)) {
			t.Errorf("%s, %q", r.Door, text)
		}
	}
}

func TestStartAndStop(t *testing.T) {
	w := newWorld(t)
	if r, err := w.process(User).Start(t.Context()); err != nil || r.Browsing || w.read("home/proxy") != "mode=none\n" {
		t.Errorf("without consent: %+v, %v", r, err)
	}
	agent := w.process(User)
	if _, err := agent.Apply(t.Context(), Choice{Browsing: true}, nil); err != nil {
		t.Fatal(err)
	}
	if err := agent.Stop(t.Context()); err != nil || w.read("home/proxy") != "mode=none\n" {
		t.Errorf("%q, %v", w.read("home/proxy"), err)
	}
	if r, err := w.process(User).Start(t.Context()); err != nil || !r.Browsing {
		t.Errorf("%+v, %v", r, err)
	}
	// The agent was killed; the next one runs without consent.
	next := w.process(User)
	if err := next.choose(Choice{}); err != nil {
		t.Fatal(err)
	}
	if _, err := next.Start(t.Context()); err != nil || w.read("home/proxy") != "mode=none\n" {
		t.Errorf("%q, %v", w.read("home/proxy"), err)
	}
}

func TestDeclinedAdministrator(t *testing.T) {
	w := newWorld(t)
	w.service, w.refuse = true, ErrDeclined
	r, err := w.process(User).Apply(t.Context(), Choice{true, true}, nil)
	if err != nil || !r.Browsing || r.Trusted || len(r.Failed) != 2 {
		t.Errorf("%+v, %v", r, err)
	}
	if w.read("etc/ssl/certs/ca-certificates.crt") != "" {
		t.Error("the root was trusted all the same")
	}
}

func TestHelperBelievesNothing(t *testing.T) {
	w := newWorld(t)
	w.service = true
	before := w.tree()
	user := w.path("home/.pki/nssdb")
	for name, r := range map[string]Request{
		"a root for everything": {Root: newRoot(t, "com"), Stores: []string{"anchors"}},
		"no root":               {Stores: []string{"anchors"}},
		"a user's store":        {Root: w.root, Stores: []string{"nss:" + user}},
		"a path":                {Root: w.root, Stores: []string{"../../etc/passwd"}},
	} {
		if err := w.process(Helper).Serve(t.Context(), r); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
	if err := w.process(User).Serve(t.Context(), Request{Root: w.root, Stores: []string{"anchors"}}); !errors.Is(err, ErrNotAllowed) {
		t.Errorf("%v", err)
	}
	sameTree(t, before, w.tree())
}

func TestHelperLeavesDoorsOfAService(t *testing.T) {
	w := newWorld(t)
	w.service = true
	j, err := w.process(Helper).journal()
	if err != nil {
		t.Fatal(err)
	}
	if err := (&fileDoor{w, splitdns.Link, j}).Set(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := w.process(Helper).Serve(t.Context(), Request{Undo: true}); err != nil || !strings.Contains(w.read("home/proxy"), "private-link") {
		t.Errorf("%q, %v", w.read("home/proxy"), err)
	}
	w.service = false
	if err := w.process(Helper).Serve(t.Context(), Request{Undo: true}); err != nil || w.read("home/proxy") != "mode=none\n" {
		t.Errorf("%q, %v", w.read("home/proxy"), err)
	}
}

func FuzzParseRequest(f *testing.F) {
	f.Add("e30")
	f.Fuzz(func(t *testing.T, word string) {
		r, err := ParseRequest(word)
		if err != nil {
			return
		}
		again, err := r.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if same, err := ParseRequest(again); err != nil || !reflect.DeepEqual(same, r) {
			t.Errorf("%+v became %+v: %v", r, same, err)
		}
	})
}

func TestObstaclesAreSentences(t *testing.T) {
	for want, o := range map[string]Obstacle{
		"The disk is full. Empty it.":     {Why: Text{English: "the disk is full"}, Do: Text{English: "empty it."}},
		"Öffne X.":                        {Why: Text{English: "öffne {what}", Args: map[string]string{"what": "X"}}},
		"It is missing. Then: sudo apt x": {Why: Text{English: "It is missing"}, Do: Text{English: "then: sudo apt x"}},
	} {
		if got := o.String(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// With a service installed the machine's journal is there anyhow: only who had
// it changed is asked to undo it, and again after a no.
func TestUndoBesideAService(t *testing.T) {
	w := newWorld(t)
	w.service = true
	if err := os.Mkdir(w.path("state"), 0o755); err != nil {
		t.Fatal(err)
	}
	w.write("state/journal.json.lock", "")
	j, err := w.process(Service).journal()
	if err != nil {
		t.Fatal(err)
	}
	if err := (&fileDoor{w, splitdns.Link, j}).Set(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := w.process(User).Undo(t.Context()); err != nil || len(w.asked) != 0 {
		t.Errorf("%d asked, %v", len(w.asked), err)
	}
	if _, err := w.process(User).Apply(t.Context(), Choice{true, true}, nil); err != nil {
		t.Fatal(err)
	}
	w.refuse = ErrDeclined
	if _, err := w.process(User).Undo(t.Context()); !errors.Is(err, ErrDeclined) {
		t.Errorf("%v", err)
	}
	w.refuse = nil
	if _, err := w.process(User).Undo(t.Context()); err != nil {
		t.Error(err)
	}
	if text := w.read("home/proxy"); text != "mode=none\ndoor=private-link\n" || w.read("etc/ssl/certs/ca-certificates.crt") != "" {
		t.Errorf("%q", text)
	}
	if n := len(w.asked); n != 3 {
		t.Errorf("asked %d times", n)
	}
	if _, err := w.process(User).Undo(t.Context()); err != nil || len(w.asked) != 3 {
		t.Errorf("asked %d times, %v", len(w.asked), err)
	}
}

package trust

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strings"
	"testing"

	"altnet/platform/browser"
	"altnet/platform/journal"
)

// bench is a machine in a folder, with the real certutil where wanted.
type bench struct {
	t    *testing.T
	root string
	env  Env
	fs   *crashFS
}

func newBench(t *testing.T, programs map[string]string, files map[string]string) *bench {
	t.Helper()
	root := t.TempDir()
	b := &bench{t: t, root: root, fs: &crashFS{FS: journal.System()}}
	home := filepath.Join(root, "home/u")
	for name, text := range files {
		b.write(name, text)
	}
	if err := os.MkdirAll(home, 0o700); err != nil {
		t.Fatal(err)
	}
	b.env = Env{Suffix: "alt", Env: browser.Env{GOOS: "linux", Root: root, Home: home, Getenv: func(string) string { return "" }, LookPath: func(name string) (string, error) {
		if path, ok := programs[name]; ok {
			return path, nil
		}
		return "", exec.ErrNotFound
	}}}
	b.env.Run = func(ctx context.Context, name string, args ...string) ([]byte, error) {
		if err := b.fs.step(); err != nil {
			return nil, err
		}
		return Run(ctx, name, args...)
	}
	return b
}

func (b *bench) write(name, text string) {
	b.t.Helper()
	path := filepath.Join(b.root, name)
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644)); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) read(name string) string {
	text, err := os.ReadFile(filepath.Join(b.root, name))
	if err != nil {
		return ""
	}
	return string(text)
}

// keeper opens the journal as a new process would.
func (b *bench) keeper() *Keeper {
	b.t.Helper()
	if err := os.MkdirAll(filepath.Join(b.root, "var"), 0o700); err != nil {
		b.t.Fatal(err)
	}
	j, err := journal.Open(filepath.Join(b.root, "var/journal"), journal.Config{FS: b.fs, Undoers: Undoers(b.env), Surgeons: Surgeons()})
	if err != nil {
		b.t.Fatal(err)
	}
	return New(b.env, j)
}

func (b *bench) store(kind Kind) Store {
	b.t.Helper()
	for _, s := range Decide(Look(b.env)) {
		if s.Kind == kind {
			return s
		}
	}
	b.t.Fatalf("no %s in %+v", kind, Look(b.env))
	return Store{}
}

// tree lists all files but the journal's own with their content.
func (b *bench) tree() string {
	b.t.Helper()
	var list []string
	err := filepath.WalkDir(b.root, func(path string, d os.DirEntry, err error) error {
		rel, _ := filepath.Rel(b.root, path)
		if err != nil || strings.HasPrefix(rel, "var") {
			return err
		}
		text := ""
		if !d.IsDir() && filepath.Ext(path) != ".db" {
			text = " " + b.read(rel)
		}
		list = append(list, rel+text)
		return nil
	})
	if err != nil {
		b.t.Fatal(err)
	}
	sort.Strings(list)
	return strings.Join(list, "\n")
}

var errCrash = errors.New("the process died")

// crashFS lets a process die at one of the journal's steps: that one and all
// after it are not done.
type crashFS struct {
	journal.FS
	steps, at int // at 0: never
}

func (c *crashFS) step() error {
	if c.steps++; c.at > 0 && c.steps >= c.at {
		return errCrash
	}
	return nil
}

func (c *crashFS) Create(path string, s journal.State) error {
	if err := c.step(); err != nil {
		return err
	}
	return c.FS.Create(path, s)
}

func (c *crashFS) Rename(from, to string) error {
	if err := c.step(); err != nil {
		return err
	}
	return c.FS.Rename(from, to)
}

func (c *crashFS) Remove(path string) error {
	if err := c.step(); err != nil {
		return err
	}
	return c.FS.Remove(path)
}

func (c *crashFS) Mkdir(path string) error {
	if err := c.step(); err != nil {
		return err
	}
	return c.FS.Mkdir(path)
}

func (c *crashFS) Rmdir(path string) error {
	if err := c.step(); err != nil {
		return err
	}
	return c.FS.Rmdir(path)
}

// anchorsMachine is a Debian whose command copies the folder into the bundle.
func anchorsMachine(t *testing.T) *bench {
	b := newBench(t, map[string]string{"update-ca-certificates": "update-ca-certificates"}, map[string]string{
		"usr/local/share/ca-certificates/corp.crt": "corporate", "etc/ssl/certs/ca-certificates.crt": "corporate\n",
	})
	b.env.Run = func(_ context.Context, name string, _ ...string) ([]byte, error) {
		if err := b.fs.step(); err != nil {
			return nil, err
		}
		var bundle strings.Builder
		files, _ := filepath.Glob(filepath.Join(b.root, "usr/local/share/ca-certificates/*.crt"))
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				return nil, err
			}
			fmt.Fprintf(&bundle, "%s\n", strings.TrimSpace(string(text)))
		}
		b.write("etc/ssl/certs/ca-certificates.crt", bundle.String())
		return nil, nil
	}
	return b
}

func policyMachine(t *testing.T) *bench {
	return newBench(t, map[string]string{"firefox": "firefox"}, map[string]string{
		"etc/firefox/policies/policies.json": `{"policies":{"DisableTelemetry":true}}`,
	})
}

// chromiumMachine has a Chromium that never ran: the database is made.
func chromiumMachine(t *testing.T) *bench {
	return newBench(t, map[string]string{"chromium": "chromium", "certutil": needCertutil(t)}, nil)
}

// firefoxMachine has a profile with somebody's certificate in it.
func firefoxMachine(t *testing.T) *bench {
	b := newBench(t, map[string]string{"certutil": needCertutil(t)}, map[string]string{"home/u/.mozilla/firefox/p/prefs.js": "", "var/corp.pem": string(newRoot(t, nil))})
	dir := "sql:" + filepath.Join(b.env.Home, ".mozilla/firefox/p")
	for _, args := range [][]string{{"-N", "-d", dir, "--empty-password"}, {"-A", "-d", dir, "-n", "Corporate: root, C,,", "-t", "CT,,", "-i", filepath.Join(b.root, "var/corp.pem")}} {
		if _, err := Run(t.Context(), "certutil", args...); err != nil {
			t.Fatal(err)
		}
	}
	return b
}

func needCertutil(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("certutil")
	if err != nil {
		t.Skip("certutil (libnss3-tools) is not installed")
	}
	return path
}

type machineCase struct {
	name string
	make func(*testing.T) *bench
	kind Kind
}

func machines() []machineCase {
	return []machineCase{
		{"anchors", anchorsMachine, Anchors}, {"policy", policyMachine, FirefoxPolicy},
		{"chromium", chromiumMachine, NSS}, {"firefox", firefoxMachine, NSS},
	}
}

func TestInstallCheckRemove(t *testing.T) {
	for _, m := range machines() {
		t.Run(m.name, func(t *testing.T) {
			b := m.make(t)
			before, first, second := b.tree(), limited(t), limited(t)
			state := func(r Root, want State) {
				t.Helper()
				if got, err := b.keeper().Check(t.Context(), b.store(m.kind), r.Fingerprint()); err != nil || got != want {
					t.Errorf("%s, want %s: %v", got, want, err)
				}
			}
			state(first, Absent)
			for range 2 { // twice is once
				if err := b.keeper().Install(t.Context(), b.store(m.kind), first); err != nil {
					t.Fatal(err)
				}
				state(first, Trusted)
			}
			if err := b.keeper().Install(t.Context(), b.store(m.kind), second); err != nil {
				t.Fatal(err)
			}
			state(first, Absent)
			state(second, Trusted)
			for range 2 {
				if _, err := b.keeper().Remove(t.Context(), b.store(m.kind)); err != nil {
					t.Fatal(err)
				}
				state(second, Absent)
			}
			if after := b.tree(); after != before {
				t.Errorf("left behind:\n%s\nwas\n%s", after, before)
			}
		})
	}
}

// A process that dies at any step leaves what the next one undoes.
func TestDeathAtEveryStep(t *testing.T) {
	for _, m := range machines() {
		t.Run(m.name, func(t *testing.T) {
			for at := 1; ; at++ {
				b := m.make(t)
				before, root := b.tree(), limited(t)
				k, s := b.keeper(), b.store(m.kind)
				b.fs.at, b.fs.steps = at, 0
				err := k.Install(t.Context(), s, root)
				b.fs.at = 0
				if err == nil {
					if at < 4 {
						t.Fatalf("only %d steps", at)
					}
					return
				}
				if _, err := b.keeper().Remove(t.Context(), s); err != nil {
					t.Fatalf("step %d: %v", at, err)
				}
				if after := b.tree(); after != before {
					t.Fatalf("death at step %d leaves:\n%s\nwas\n%s", at, after, before)
				}
				if got, err := b.keeper().Check(t.Context(), s, root.Fingerprint()); err != nil || got != Absent {
					t.Fatalf("step %d: %s, %v", at, got, err)
				}
			}
		})
	}
}

func TestEditsSurvive(t *testing.T) {
	b := policyMachine(t)
	if err := b.keeper().Install(t.Context(), b.store(FirefoxPolicy), limited(t)); err != nil {
		t.Fatal(err)
	}
	const file = "etc/firefox/policies/policies.json"
	b.write(file, strings.Replace(b.read(file), `"DisableTelemetry":true`, `"DisableTelemetry":false`, 1))
	if _, err := b.keeper().Remove(t.Context(), b.store(FirefoxPolicy)); err != nil {
		t.Fatal(err)
	}
	if got := b.read(file); got != `{"policies":{"DisableTelemetry":false}}` {
		t.Errorf("%s", got)
	}
}

// A database that we made stays when somebody used it meanwhile.
func TestUsedDatabaseStays(t *testing.T) {
	b := chromiumMachine(t)
	s := b.store(NSS)
	if err := b.keeper().Install(t.Context(), s, limited(t)); err != nil {
		t.Fatal(err)
	}
	b.write("var/own.pem", string(newRoot(t, nil)))
	if _, err := Run(t.Context(), "certutil", "-A", "-d", "sql:"+s.Path, "-n", "own", "-t", "P,,", "-i", filepath.Join(b.root, "var/own.pem")); err != nil {
		t.Fatal(err)
	}
	if _, err := b.keeper().Remove(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	names, err := nss(b.env).list(t.Context(), s.Path)
	if err != nil || len(names) != 1 || names[0] != (named{"own", "P,,"}) {
		t.Errorf("%v, %v", names, err)
	}
}

// A root that somebody imported themselves is not ours to remove; its trust,
// where we raised it, goes back to what it was.
func TestForeignImportStays(t *testing.T) {
	for _, flags := range []string{"C,,", ",,"} {
		b := firefoxMachine(t)
		s, root := b.store(NSS), limited(t)
		b.write("var/own.pem", string(root.PEM()))
		if _, err := Run(t.Context(), "certutil", "-A", "-d", "sql:"+s.Path, "-n", "by hand", "-t", flags, "-i", filepath.Join(b.root, "var/own.pem")); err != nil {
			t.Fatal(err)
		}
		if err := b.keeper().Install(t.Context(), s, root); err != nil {
			t.Fatal(err)
		}
		if state, err := b.keeper().Check(t.Context(), s, root.Fingerprint()); err != nil || state != Trusted {
			t.Errorf("%s, %v", state, err)
		}
		if _, err := b.keeper().Remove(t.Context(), s); err != nil {
			t.Fatal(err)
		}
		if name, got, err := nss(b.env).find(t.Context(), s.Path, root.Fingerprint()); err != nil || name != "by hand" || got != flags {
			t.Errorf("%q %q %v, want %q", name, got, err, flags)
		}
	}
}

func TestPasswordIsReported(t *testing.T) {
	b := firefoxMachine(t)
	s := b.store(NSS)
	b.write("var/empty", "\n")
	b.write("var/new", "secret\n")
	if _, err := Run(t.Context(), "certutil", "-W", "-d", "sql:"+s.Path, "-f", filepath.Join(b.root, "var/empty"), "-@", filepath.Join(b.root, "var/new")); err != nil {
		t.Fatal(err)
	}
	root := limited(t)
	if err := b.keeper().Install(t.Context(), s, root); !errors.Is(err, ErrPassword) {
		t.Errorf("%v", err)
	}
	if state, err := b.keeper().Check(t.Context(), s, root.Fingerprint()); err != nil || state != Absent {
		t.Errorf("%s, %v", state, err)
	}
}

func TestInstallRefuses(t *testing.T) {
	b := policyMachine(t)
	s := b.store(FirefoxPolicy)
	if err := b.keeper().Install(t.Context(), s, Root{}); !errors.Is(err, ErrNotLimited) {
		t.Errorf("%v", err)
	}
	s.Blocked = NotJSON
	if err := b.keeper().Install(t.Context(), s, limited(t)); !errors.Is(err, ErrBlocked) {
		t.Errorf("%v", err)
	}
}

func TestUnknownCommandIsNotRun(t *testing.T) {
	ran := false
	a := anchors(Env{Run: func(context.Context, string, ...string) ([]byte, error) { ran = true; return nil, nil }})
	for _, command := range [][]string{{"/bin/sh", "-c", "x"}, {"/tmp/update-ca-trust", "x"}, {}} {
		if _, err := a.undo(t.Context(), journal.Change{Ours: []json.RawMessage{note(command)}}); err == nil || ran {
			t.Errorf("%v was run", command)
		}
	}
}

// The process was killed while certutil read the certificate.
func TestPassingFileGoes(t *testing.T) {
	b := firefoxMachine(t)
	before, s, root := b.tree(), b.store(NSS), limited(t)
	if err := b.keeper().Install(t.Context(), s, root); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(passing(s.Path, root.Fingerprint()), root.PEM(), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := b.keeper().Remove(t.Context(), s); err != nil || b.tree() != before {
		t.Errorf("%v\n%s", err, b.tree())
	}
}

// certutil was killed while it made a database, whose files are broken.
func TestHalfMadeDatabaseGoes(t *testing.T) {
	for _, content := range []string{"", "SQLite format 3\x00 and no more"} {
		b := chromiumMachine(t)
		before, s := b.tree(), b.store(NSS)
		run := b.env.Run
		b.env.Run = func(ctx context.Context, name string, args ...string) ([]byte, error) {
			out, err := run(ctx, name, args...)
			if args[0] == "-N" {
				b.write("home/u/.pki/nssdb/cert9.db", content)
				b.fs.at = 1
				return nil, errCrash
			}
			return out, err
		}
		if err := b.keeper().Install(t.Context(), s, limited(t)); !errors.Is(err, errCrash) {
			t.Fatal(err)
		}
		b.fs.at = 0
		if _, err := b.keeper().Remove(t.Context(), s); err != nil {
			t.Fatal(err)
		}
		if after := b.tree(); after != before {
			t.Errorf("left behind:\n%s\nwas\n%s", after, before)
		}
	}
}

package gateway

import (
	"context"
	"crypto/sha256"
	"errors"
	"flag"
	"html"
	"io/fs"
	"net"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"altnet/engine/ca"
	"altnet/engine/wire"
)

var shots = flag.String("shots", "", "take a picture of every page and keep it in this folder")

var only = flag.String("only", "", "with -shots: only the pages whose name has this in it")

// command is the browser with nothing kept from other runs.
func command(ctx context.Context, t *testing.T, args ...string) *exec.Cmd {
	base := []string{
		"--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
		"--disable-component-update", "--disable-sync", "--hide-scrollbars", "--user-data-dir=" + t.TempDir(),
	}
	return exec.CommandContext(ctx, "chromium", append(base, args...)...)
}

// chromium runs the browser to its end and returns what it prints.
func chromium(t *testing.T, args ...string) (out string, err error) {
	t.Helper()
	for range 3 { // on virtual time it hangs now and then
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		var printed []byte
		printed, err = command(ctx, t, args...).Output()
		cancel()
		if out = string(printed); err == nil {
			break
		}
	}
	return out, err
}

// TestShots is for eyes: it judges nothing.
func TestShots(t *testing.T) {
	if *shots == "" {
		t.Skip("no -shots folder")
	}
	g, addr := startGateway(t, troubles())
	_, port, _ := net.SplitHostPort(addr)
	pages := map[string]string{"home": "http://" + addr + "/", "bad-name": "http://" + addr + "/open?name=a_b"}
	for name := range problems() {
		pages[name] = door(name, addr) + "docs/page"
	}
	warning := get(g, door("moved", addr), asPage...).Body.String()
	pages["accept"] = html.UnescapeString(between(t, warning, `button main" href="`, `"`))
	pages["slow"] = door("slow", addr)
	pages["fine"] = door("fine", addr)
	pages["fine-404"] = door("fine", addr) + "none/such.html"
	pages["fine-noindex"] = door("fine", addr) + "pics/"
	pages["changed"] = door("changed", addr)
	pages["nowhere"] = "http://" + addr + "/none"
	pages["previewover"] = "http://abcdefghijklmnopqrstuvwxyz.localhost:" + port + "/"
	for name, url := range pages {
		if !strings.Contains(name, *only) {
			continue
		}
		for theme, flags := range map[string][]string{
			"light": {"--window-size=900,900"},
			"dark":  {"--window-size=900,900", "--blink-settings=preferredColorScheme=0"},
			"phone": {"--window-size=500,800"},
			"large": {"--window-size=910,600", "--force-device-scale-factor=1.5"},
			"de":    {"--window-size=900,900", "--accept-lang=de"},
		} {
			file := filepath.Join(*shots, name+"-"+theme+".png")
			if out, err := chromium(t, append(flags, "--virtual-time-budget=2500", "--screenshot="+file, url)...); err != nil {
				t.Errorf("%s: %v\n%s", name, err, out)
			}
		}
	}
}

func door(name, addr string) string {
	_, port, _ := net.SplitHostPort(addr)
	return "http://" + name + "-alt.localhost:" + port + "/"
}

const keyOld, keyNew = "k5oldkeyoldkeyoldkeyoldkeyoldkeyoldkeyoldkeyoldkeyoldkey", "k7newkeynewkeynewkeynewkeynewkeynewkeynewkeynewkeynewkey"

func problems() map[string]*Problem {
	return map[string]*Problem{
		"unknown": {Kind: Unknown}, "nopeer": {Kind: NoPeer, Err: errors.New("block 5f1d… not available")},
		"blocked":  {Kind: Blocked, Reason: "listed in blocklist.txt"},
		"conflict": {Kind: Conflict, Claims: []Claim{{keyOld + ".alt", 5, 11, time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC)}, {keyNew + ".alt", 6, 11, time.Time{}}}},
		"moved":    {Kind: OwnerChanged, Owner: keyNew, Pinned: keyOld},
		"gone":     {Kind: Withdrawn}, "expired": {Kind: Expired}, "notgranted": {Kind: NotGranted}, "offline": {Kind: Offline},
		"blockedhere":   {Kind: Blocked, Since: time.Date(2026, 5, 4, 12, 0, 0, 0, time.Local)},
		"xn--bcher-kva": {Kind: Unknown}, "xn--80ak6aa92e": {Kind: Unknown},
		"corrupt": {Kind: Corrupt}, "broken": {Kind: Internal, Err: errors.New("disk failed")},
	}
}

// troubles is a gateway with a site for every problem, and some without.
func troubles() Config {
	fine := Site{Owner: keyNew, Root: wire.Hash{1}, FS: hashed(fstest.MapFS{
		"index.html":  {Data: []byte("<!doctype html><title>fine</title><h1>A site</h1><p>It is fine.")},
		"pics/a.png":  {Data: []byte("\x89PNG\r\n\x1a\n")},
		"404.html.no": {Data: nil},
	})}
	return Config{
		Resolve: func(ctx context.Context, name string) (Site, error) {
			label, _, _ := strings.Cut(name, ".")
			if p, ok := problems()[label]; ok {
				return Site{}, p
			}
			s := fine
			s.Name = name
			switch label {
			case "slow":
				<-ctx.Done()
				return Site{}, context.Cause(ctx)
			case "changed":
				s.OwnerChanged = true
			case "fine":
			default:
				return Site{}, &Problem{Kind: Unknown}
			}
			return s, nil
		},
		Local: func(name string) (Site, bool) {
			return Site{Name: name, FS: fine.FS, Date: time.Date(2026, 3, 12, 18, 0, 0, 0, time.UTC)}, name == "slow.alt" || name == "nopeer.alt"
		},
		Progress: func(string) Progress { return Progress{Stage: StageFetching, Peers: 3, Done: 4 << 20, Total: 9 << 20} },
		Accept:   func(context.Context, string, string) error { return nil },
	}
}

func startGateway(t testing.TB, cfg Config) (*Gateway, string) {
	t.Helper()
	if cfg.CA == nil {
		authority, err := ca.Open(ca.Config{Dir: t.TempDir()})
		if err != nil {
			t.Fatal(err)
		}
		cfg.CA = authority
	}
	g, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- g.Serve(l) }()
	t.Cleanup(func() {
		g.Close()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return g, l.Addr().String()
}

// hashed gives the files of a MapFS what *site.File has: the hash of their content.
func hashed(m fstest.MapFS) fs.FS { return hashFS{m} }

type hashFS struct{ fstest.MapFS }

type hashFile struct {
	fs.File
	seeker
	hash wire.Hash
}

type seeker interface {
	Seek(int64, int) (int64, error)
}

func (f hashFile) Hash() wire.Hash { return f.hash }

func (h hashFS) Open(name string) (fs.File, error) {
	f, err := h.MapFS.Open(name)
	if err != nil {
		return nil, err
	}
	s, ok := f.(seeker)
	if !ok {
		return f, nil
	}
	return hashFile{f, s, sha256.Sum256(h.MapFS[name].Data)}, nil
}

//go:build linux

package e2e

import (
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"math/rand/v2"
)

// corpora are folders of real pages that Debian ships (make e2e installs them).
var corpora = []struct{ name, dir string }{
	{"pg", "/usr/share/doc/postgresql-doc-15/html"},
	{"py", "/usr/share/doc/python3.11/html"},
}

// TestRealInput publishes real documentation on one of six nodes, reads every
// file through another one's gateway, kills the publisher and reads every file
// again from a node that never met it.
func TestRealInput(t *testing.T) {
	needE2E(t)
	nodes := network(t, 6)
	a, c := nodes[0], nodes[2]
	sites := map[string]string{"big": bigSite(t)}
	for _, corpus := range corpora {
		sites[corpus.name] = plainCopy(t, corpus.dir)
	}
	for name, dir := range sites {
		receipt := ask[receipt](a, "publish", "-include", ".buildinfo", dir, name+".alt")
		if receipt.Copies < 1 {
			t.Errorf("%s: acknowledged without a copy on another peer", name)
		}
	}
	for name, dir := range sites {
		compare(t, c, name+".alt", dir)
	}
	a.eventually(waitCopies, "place four copies of each site", func() error {
		for name := range sites {
			if r := ask[[]site](a, "sites"); copies(r, name+".alt") < 4 {
				return fmt.Errorf("%s: %+v", name, r)
			}
		}
		return nil
	})
	a.kill()
	blank := start(t, "blank", nodes[3])
	for name, dir := range sites {
		compare(t, blank, name+".alt", dir)
	}
}

// compare reads every file of dir through the node's gateway.
func compare(t *testing.T, n *node, host, dir string) {
	t.Helper()
	files, bad := 0, 0
	check(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		rel, _ := filepath.Rel(dir, path)
		files++
		if err := compareFile(n, host, filepath.ToSlash(rel), path); err != nil {
			if bad++; bad < 5 {
				t.Errorf("%s through %s: %v", host, n.name, err)
			}
		}
		return nil
	}))
	t.Logf("%s through %s: %d files compared, %d bad", host, n.name, files, bad)
	if files == 0 || bad > 0 {
		t.Fatalf("%s through %s: %d of %d files bad\nlog:\n%s", host, n.name, bad, files, n.log())
	}
}

func compareFile(n *node, host, rel, path string) error {
	resp, err := n.get(host, (&url.URL{Path: "/" + rel}).EscapedPath())
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		// index.html may be served under the folder's own address.
		if loc := resp.Header.Get("Location"); loc != "" && strings.HasSuffix(rel, "index.html") {
			return compareFile(n, host, strings.TrimSuffix(rel, "index.html"), path)
		}
		return fmt.Errorf("%s: status %s", rel, resp.Status)
	}
	if err := same(resp.Body, path); err != nil {
		return err
	}
	return compareRange(n, host, rel, path)
}

// compareRange asks for a range in the middle of large files.
func compareRange(n *node, host, rel, path string) error {
	info, err := os.Stat(path)
	if err != nil || info.Size() < 1<<20 {
		return err
	}
	first := rand.Int64N(info.Size() - 1000)
	last := min(first+300_000, info.Size()-1)
	resp, err := n.get(host, (&url.URL{Path: "/" + rel}).EscapedPath(), "Range", fmt.Sprintf("bytes=%d-%d", first, last))
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusPartialContent || resp.ContentLength != last-first+1 {
		return fmt.Errorf("%s bytes %d-%d: status %s, %d bytes", rel, first, last, resp.Status, resp.ContentLength)
	}
	return sameRange(resp, path, first, last)
}

func sameRange(resp *http.Response, path string, first, last int64) error {
	part, err := os.CreateTemp("", "range-")
	if err != nil {
		return err
	}
	defer os.Remove(part.Name())
	defer part.Close()
	whole, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if _, err := part.Write(whole[first : last+1]); err != nil {
		return err
	}
	return same(resp.Body, part.Name())
}

// plainCopy copies dir with its links resolved, so that everything in it is
// a file of its own.
func plainCopy(t *testing.T, dir string) string {
	t.Helper()
	if _, err := os.Stat(dir); err != nil {
		t.Fatalf("%v: make e2e installs it (Debian packages postgresql-doc-15 and python3-doc)", err)
	}
	dst := filepath.Join(t.TempDir(), filepath.Base(dir))
	if out, err := exec.Command("cp", "-rL", dir, dst).CombinedOutput(); err != nil {
		// A dangling link in the package is not ours to mend.
		t.Logf("cp: %v: %s", err, out)
	}
	return dst
}

// bigSite makes a site with one 300 MiB file of random bytes.
func bigSite(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	writeRandom(t, filepath.Join(dir, "video.bin"), 300<<20, 1)
	check(t, os.WriteFile(filepath.Join(dir, "index.html"), []byte("<!doctype html><title>big</title><a href=video.bin>video</a>"), 0o644))
	return dir
}

// writeRandom writes size bytes that no compressor or dedupe can shrink.
func writeRandom(t *testing.T, path string, size int64, seed byte) {
	t.Helper()
	f, err := os.Create(path)
	check(t, err)
	defer f.Close()
	r := rand.NewChaCha8([32]byte{seed})
	buf := make([]byte, 1<<20)
	for size > 0 {
		n := min(size, int64(len(buf)))
		r.Read(buf[:n])
		_, err := f.Write(buf[:n])
		check(t, err)
		size -= n
	}
}

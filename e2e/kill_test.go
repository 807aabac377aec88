//go:build linux

package e2e

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"
)

var kills = flag.Int("kills", 50, "how often TestKill kills a node")

// TestKill kills the publishing or the fetching node at random moments. What
// it had acknowledged is complete afterwards, and nothing half-written is
// served: every answer is the file or an error.
func TestKill(t *testing.T) {
	needE2E(t)
	a := start(t, "A", nil)
	b := start(t, "B", a)
	c := start(t, "C", a)
	for _, n := range []*node{a, b, c} {
		n.waitPeers(1)
	}
	acknowledged, others := map[string]string{}, map[string]string{} // name to folder
	for i := range *kills {
		victim := []*node{a, b}[i%2]
		name := fmt.Sprintf("k%d.alt", i)
		dir := t.TempDir()
		for f := range 8 {
			writeRandom(t, filepath.Join(dir, fmt.Sprintf("f%d.bin", f)), 1<<20, byte(i*8+f))
		}
		check(t, os.WriteFile(filepath.Join(dir, "index.html"), []byte(name), 0o644))
		after := time.Duration(rand.Int64N(int64(1500 * time.Millisecond)))
		timer := time.AfterFunc(after, func() { victim.cmd.Process.Kill() })
		if _, err := a.try("publish", dir, name); err != nil {
			others[name] = dir
		} else {
			acknowledged[name] = dir
			b.try("fetch", name, filepath.Join(t.TempDir(), "copy"))
		}
		timer.Stop()
		victim.kill()
		victim.spawn()
	}
	t.Logf("%d kills, %d publications acknowledged", *kills, len(acknowledged))
	for name, dir := range others {
		for _, n := range []*node{a, b, c} {
			nothingHalf(t, n, name, dir)
		}
	}
	for name, dir := range acknowledged {
		compare(t, a, name, dir)
	}
	a.waitPeers(1)
	for name, dir := range acknowledged {
		for _, n := range []*node{c, b} {
			n.findable(name)
			compare(t, n, name, dir)
		}
	}
}

// findable waits until the network knows again where a site is: a node that
// was killed announces what it holds once it has found the others.
func (n *node) findable(name string) {
	n.t.Helper()
	n.eventually(90*time.Second, "find a holder of "+name, func() error {
		resp, err := n.get(name, "/index.html")
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return fmt.Errorf("status %s", resp.Status)
		}
		return nil
	})
}

// nothingHalf reads a site whose publication was never acknowledged: every
// answer is the file or an error, never something else.
func nothingHalf(t *testing.T, n *node, host, dir string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	check(t, err)
	for _, e := range entries {
		resp, err := n.get(host, "/"+e.Name())
		if err != nil {
			continue
		}
		got, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != http.StatusOK {
			continue
		}
		want, err := os.ReadFile(filepath.Join(dir, e.Name()))
		check(t, err)
		if !bytes.Equal(got, want) {
			t.Errorf("%s through %s: %s was served with %d bytes of %d", host, n.name, e.Name(), len(got), len(want))
		}
	}
}

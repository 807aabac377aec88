//go:build linux

package e2e

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestUpdateRollbackWithdraw follows one site through its life and counts what
// an update moves.
func TestUpdateRollbackWithdraw(t *testing.T) {
	needE2E(t)
	nodes := network(t, 4)
	a, reader := nodes[0], nodes[3]
	dir := t.TempDir()
	for i := range 200 {
		writeRandom(t, filepath.Join(dir, fmt.Sprintf("page%03d.html", i)), 64<<10, byte(i))
	}
	first := ask[receipt](a, "publish", dir, "life.alt")
	compare(t, reader, "life.alt", dir)

	a.eventually(waitCopies, "place copies on all three others", func() error {
		if n := copies(ask[[]site](a, "sites"), "life.alt"); n < 3 {
			return fmt.Errorf("%d copies", n)
		}
		return nil
	})
	before := ask[status](a, "status").Traffic.Up
	check(t, os.WriteFile(filepath.Join(dir, "page007.html"), []byte("<h1>changed</h1>"), 0o644))
	second := ask[receipt](a, "update", "life.alt", dir)
	a.eventually(waitCopies, "place copies of the update", func() error {
		if n := copies(ask[[]site](a, "sites"), "life.alt"); n < 3 {
			return fmt.Errorf("%d copies", n)
		}
		return nil
	})
	moved := ask[status](a, "status").Traffic.Up - before
	t.Logf("an update of one file of 200 (12.8 MB) sent %d bytes to three holders and the DHT", moved)
	if moved > 600<<10 {
		t.Errorf("an update of one small file moved %d bytes", moved)
	}
	if second.Seq <= first.Seq || second.Root == first.Root {
		t.Errorf("update: %+v after %+v", second, first)
	}
	reader.eventually(40*time.Second, "show the update", func() error {
		return expect(reader, "life.alt", "/page007.html", "<h1>changed</h1>")
	})

	back := ask[receipt](a, "rollback", "life.alt")
	if back.Root != first.Root || back.Seq <= second.Seq {
		t.Errorf("rollback: %+v, want root %s above sequence %d", back, first.Root, second.Seq)
	}
	reader.eventually(40*time.Second, "show the version rolled back to", func() error {
		if r := ask[resolution](reader, "resolve", "life.alt"); r.Root != first.Root {
			return fmt.Errorf("root %s", r.Root)
		}
		return nil
	})

	a.do("withdraw", "life.alt")
	for _, n := range nodes {
		n.eventually(time.Minute, "stop resolving the withdrawn name", func() error {
			if out, err := n.try("resolve", "life.alt"); err == nil {
				return fmt.Errorf("still resolves: %s", out)
			}
			resp, err := n.get("life.alt", "/page001.html")
			if err != nil {
				return err
			}
			defer resp.Body.Close()
			if resp.StatusCode != http.StatusGone {
				return fmt.Errorf("status %s", resp.Status)
			}
			return nil
		})
	}
}

// expect asks for a path and compares the whole answer.
func expect(n *node, host, path, want string) error {
	resp, err := n.get(host, path)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	got := make([]byte, len(want)+1)
	m, _ := resp.Body.Read(got)
	if resp.StatusCode != http.StatusOK || string(got[:m]) != want {
		return fmt.Errorf("%s %q", resp.Status, got[:m])
	}
	return nil
}

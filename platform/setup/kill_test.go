//go:build unix

package setup

import (
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"altnet/platform/journal"
)

// Variables for the process that a test kills.
const (
	killDir = "ALTNET_TEST_KILL_DIR"
	killAt  = "ALTNET_TEST_KILL_AT"
)

// killedFS kills this very process instead of taking one of the journal's
// steps, syncs and locks included.
type killedFS struct {
	journal.FS
	left int
}

func (k *killedFS) step() {
	if k.left--; k.left == 0 {
		syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {} // a signal takes a moment
	}
}

func (k *killedFS) Create(path string, s journal.State) error {
	k.step()
	return k.FS.Create(path, s)
}

func (k *killedFS) Sync(path string) error { k.step(); return k.FS.Sync(path) }

func (k *killedFS) Rename(from, to string) error { k.step(); return k.FS.Rename(from, to) }

func (k *killedFS) Remove(path string) error { k.step(); return k.FS.Remove(path) }

func (k *killedFS) SyncFolder(path string) error { k.step(); return k.FS.SyncFolder(path) }

// TestKilledProcess is what the process does that dies: a set-up, or an undo
// of one.
func TestKilledProcess(t *testing.T) {
	dir := os.Getenv(killDir)
	if dir == "" {
		t.Skip("only as a process of its own")
	}
	at, err := strconv.Atoi(os.Getenv(killAt))
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, dir: dir, service: true, fs: &dyingFS{FS: &killedFS{journal.System(), at}}, decision: newWorld(t).decision}
	w.root = []byte(w.read("root.pem"))
	w.run(t.Context(), "") // the bundle is there
	if _, err := w.process(User).Apply(t.Context(), Choice{true, true}, nil); err != nil {
		t.Fatal(err)
	}
	w.service = false
	if _, err := w.process(User).Undo(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// A process is killed at each step of setting up and of undoing it; somebody
// edits a file it had touched; the next undo leaves the edit and nothing else.
func TestKillAtEveryStep(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a process for every step")
	}
	for at := 1; ; at++ {
		w := newWorld(t)
		w.write("root.pem", string(w.root))
		before := w.tree()
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run", "^TestKilledProcess$")
		cmd.Env = append(os.Environ(), killDir+"="+w.dir, killAt+"="+strconv.Itoa(at))
		out, err := cmd.CombinedOutput()
		if err == nil { // it lived through all its steps
			sameTree(t, before, w.tree())
			if at < 40 {
				t.Errorf("only %d steps", at)
			}
			return
		}
		if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || status.Signal() != syscall.SIGKILL {
			t.Fatalf("step %d: %v\n%s", at, err, out)
		}
		edited := strings.Replace(w.read("home/proxy"), "mode=none", "mode=none\nedited=1", 1)
		w.write("home/proxy", edited)
		before["home/proxy"] = "mode=none\nedited=1\n"
		if _, err := w.process(User).Undo(t.Context()); err != nil {
			t.Fatalf("killed at step %d: %v", at, err)
		}
		if sameTree(t, before, w.tree()); t.Failed() {
			t.Fatalf("killed at step %d", at)
		}
	}
}

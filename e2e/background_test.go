//go:build linux

package e2e

import (
	"crypto/rand"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

var (
	background = flag.Duration("background", 0, "how long to watch an agent in the background; 0: not at all")
	stored     = flag.Int64("stored", 10<<30, "bytes that it has stored meanwhile")
)

// TestBackground measures what the agent costs while its window is closed.
func TestBackground(t *testing.T) {
	needDesk(t)
	if *background == 0 {
		t.Skip("it takes its time: -background 1m")
	}
	peer := start(t, "peer", nil)
	d := openDesk(t, "-bootstrap", peer.listen, "-store-budget", "20GiB", "-per-peer-budget", "20GiB")
	d.trayHost()
	d.agent()
	d.waitPeers(1)
	folder := filepath.Join(d.dir, "big")
	fill(t, folder, *stored)
	d.do("publish", folder)
	check(t, os.RemoveAll(folder))
	d.cmd.Process.Signal(os.Interrupt)
	d.cmd.Wait()
	d.launch() // what publishing took is given back
	d.waitPeers(1)
	settle(t, 30*time.Second)
	before := cpu(t, d.cmd.Process.Pid)
	settle(t, *background)
	share := float64(cpu(t, d.cmd.Process.Pid)-before) / float64(*background) * 100
	pss := proportional(t, d.cmd.Process.Pid)
	t.Logf("background: %.3f %% CPU over %v, %.1f MiB PSS, %.2f GiB stored", share, *background, float64(pss)/(1<<20), float64(*stored)/(1<<30))
	if share > 0.2 {
		t.Errorf("%.3f %% CPU, the limit is 0.2", share)
	}
	if pss > 80<<20 {
		t.Errorf("%.1f MiB, the limit is 80", float64(pss)/(1<<20))
	}
}

// settle lets time pass: what is measured is that nothing happens.
func settle(t *testing.T, d time.Duration) {
	t.Helper()
	select {
	case <-time.After(d):
	case <-t.Context().Done():
	}
}

// fill makes random files of 64 MiB.
func fill(t *testing.T, dir string, size int64) {
	t.Helper()
	check(t, os.MkdirAll(dir, 0o755))
	buf := make([]byte, 64<<20)
	for i := int64(0); i*int64(len(buf)) < size; i++ {
		rand.Read(buf)
		check(t, os.WriteFile(filepath.Join(dir, fmt.Sprintf("%d.bin", i)), buf, 0o644))
	}
}

// cpu is the processor time that a process has taken.
func cpu(t *testing.T, pid int) time.Duration {
	t.Helper()
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	check(t, err)
	fields := strings.Fields(string(data[strings.LastIndex(string(data), ")")+1:]))
	const tick = time.Second / 100 // USER_HZ, the same on every Linux
	var sum time.Duration
	for _, f := range fields[11:13] {
		n, err := strconv.Atoi(f)
		check(t, err)
		sum += time.Duration(n) * tick
	}
	return sum
}

// proportional is a process's share of memory, in bytes.
func proportional(t *testing.T, pid int) int64 {
	t.Helper()
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	check(t, err)
	for line := range strings.Lines(string(data)) {
		if f := strings.Fields(line); len(f) == 3 && f[0] == "Pss:" {
			n, err := strconv.ParseInt(f[1], 10, 64)
			check(t, err)
			return n << 10
		}
	}
	t.Fatal("the kernel does not tell")
	return 0
}

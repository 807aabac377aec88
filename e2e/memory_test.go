//go:build linux

package e2e

import (
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
	giant = flag.Int64("giant", 0, "size in MiB of TestMemory's file; 0 skips it (4096 is the promise)")
	idle  = flag.Duration("idle", 0, "how long TestIdle watches an idle node; 0 skips it")
)

const peakLimit = 200 << 20 // bytes of resident memory

// TestMemory publishes and fetches one giant file and looks at the highest
// resident memory on both sides, the command that publishes included.
func TestMemory(t *testing.T) {
	needE2E(t)
	if *giant == 0 {
		t.Skip("run with -giant 4096")
	}
	a := start(t, "A", nil, "-store-budget", "12GiB")
	b := start(t, "B", a, "-store-budget", "12GiB", "-no-volunteer")
	a.waitPeers(1)
	dir := t.TempDir()
	writeRandom(t, filepath.Join(dir, "giant.bin"), *giant<<20, 7)
	a.do("publish", dir, "giant.alt")
	b.do("fetch", "giant.alt", filepath.Join(t.TempDir(), "copy"))
	compare(t, b, "giant.alt", dir)
	for _, n := range []*node{a, b} {
		peak := vmHWM(t, n.cmd.Process.Pid)
		t.Logf("%s: peak resident memory %d MiB, of its commands %d MiB", n.name, peak>>20, n.peak>>20)
		if max(peak, n.peak) > peakLimit {
			t.Errorf("%s: peak resident memory %d MiB, want at most %d", n.name, peak>>20, peakLimit>>20)
		}
	}
}

// TestIdle watches what a node costs that has nothing to do.
func TestIdle(t *testing.T) {
	needE2E(t)
	if *idle == 0 {
		t.Skip("run with -idle 5m")
	}
	nodes := network(t, 6)
	n := nodes[2]
	n.settle(30 * time.Second)
	before := cpuSeconds(t, n.cmd.Process.Pid)
	n.settle(*idle)
	used := (cpuSeconds(t, n.cmd.Process.Pid) - before) / idle.Minutes()
	rss := vmRSS(t, n.cmd.Process.Pid)
	t.Logf("idle node among six: %.3f CPU-s/min, %d MiB resident", used, rss>>20)
	t.Attr("cpu-s/min", fmt.Sprintf("%.3f", used)) // for make bench
	t.Attr("MiB", fmt.Sprint(rss>>20))
	if used > 0.05 {
		t.Errorf("%.3f CPU-s/min, want at most 0.05", used)
	}
	if rss > 30<<20 {
		t.Errorf("%d MiB resident, want at most 30", rss>>20)
	}
}

// settle lets a real process alone for a while: what is measured is time.
func (n *node) settle(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-n.t.Context().Done():
	}
}

func vmHWM(t *testing.T, pid int) int64 { return procStatus(t, pid, "VmHWM:") }
func vmRSS(t *testing.T, pid int) int64 { return procStatus(t, pid, "VmRSS:") }

func procStatus(t *testing.T, pid int, key string) int64 {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	check(t, err)
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) >= 2 && f[0] == key {
			kb, err := strconv.ParseInt(f[1], 10, 64)
			check(t, err)
			return kb << 10
		}
	}
	t.Fatalf("no %s in /proc/%d/status", key, pid)
	return 0
}

// cpuSeconds returns user and system time of a process.
func cpuSeconds(t *testing.T, pid int) float64 {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	check(t, err)
	f := strings.Fields(string(b)[strings.LastIndex(string(b), ")")+2:])
	user, err1 := strconv.ParseFloat(f[11], 64)
	sys, err2 := strconv.ParseFloat(f[12], 64)
	check(t, err1)
	check(t, err2)
	return (user + sys) / 100 // USER_HZ
}

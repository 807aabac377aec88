package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fsnotify/fsnotify"
	"golang.org/x/sys/unix"

	"altnet/platform/service"
)

// desk is the home of a person with a KDE desktop who agreed to have .alt open
// in their browsers.
type desk struct {
	t       *testing.T
	home    string
	env     []string
	changes *fsnotify.Watcher // of the folder that settings lie in
}

const mine = "[Notification Messages]\nmine=true\n"

func newDesk(t *testing.T) *desk {
	t.Helper()
	if service.Installed() {
		t.Skip("this computer has the service installed")
	}
	d := &desk{t: t, home: t.TempDir()}
	must(t, os.MkdirAll(filepath.Join(d.home, ".config", "altnet"), 0o700))
	must(t, os.WriteFile(filepath.Join(d.home, ".config", "altnet", "setup.json"), []byte(`{"browsing":true}`), 0o600))
	must(t, os.WriteFile(d.settings(), []byte(mine), 0o600))
	d.env = []string{"HOME=" + d.home, "PATH=" + os.Getenv("PATH"), "XDG_CURRENT_DESKTOP=KDE", "DISPLAY=:0", "DBUS_SESSION_BUS_ADDRESS=unix:path=" + d.home + "/none"}
	var err error
	d.changes, err = fsnotify.NewWatcher()
	must(t, err)
	t.Cleanup(func() { d.changes.Close() })
	must(t, d.changes.Add(filepath.Join(d.home, ".config")))
	return d
}

func (d *desk) settings() string { return filepath.Join(d.home, ".config", "kioslaverc") }

// agent starts the real program; its end is for the test to bring about.
func (d *desk) agent(args ...string) (*exec.Cmd, *bytes.Buffer) {
	return d.start(append([]string{"agent"}, args...)...)
}

func (d *desk) start(args ...string) (*exec.Cmd, *bytes.Buffer) {
	d.t.Helper()
	cmd := exec.Command("altnet", append(args, "-listen", "127.0.0.1:0", "-gateway", "127.0.0.1:0")...)
	said := &bytes.Buffer{}
	cmd.Env, cmd.Stderr = d.env, said
	must(d.t, cmd.Start())
	d.t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
		if d.t.Failed() {
			d.t.Logf("the agent said:\n%s", said)
		}
	})
	return cmd, said
}

// wait returns the settings once they satisfy.
func (d *desk) wait(what string, satisfy func(settings string) bool) string {
	d.t.Helper()
	ctx, cancel := context.WithTimeout(d.t.Context(), 30*time.Second)
	defer cancel()
	for {
		text, err := os.ReadFile(d.settings())
		if err == nil && satisfy(string(text)) {
			return string(text)
		}
		select {
		case <-d.changes.Events:
		case <-ctx.Done():
			d.t.Fatalf("%s: the settings stay\n%s", what, text)
		}
	}
}

func led(settings string) bool { return strings.Contains(settings, "Proxy Config Script=data:") }

func untouched(settings string) bool { return settings == mine }

// children lists the processes below one.
func children(t *testing.T, pid int) []int {
	t.Helper()
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	must(t, err)
	var list []int
	for _, task := range tasks {
		text, _ := os.ReadFile(task) // of a thread that has just ended there is none
		for _, word := range strings.Fields(string(text)) {
			var child int
			if _, err := fmt.Sscan(word, &child); err == nil {
				list = append(list, child)
			}
		}
	}
	return list
}

// guardOf finds the guard of an agent, and how many bytes of memory it holds.
func guardOf(t *testing.T, agent int) (pid int, resident int) {
	t.Helper()
	if pid, resident = findGuard(t, agent); pid == 0 {
		t.Fatal("the agent has no guard")
	}
	return pid, resident
}

func findGuard(t *testing.T, agent int) (pid int, resident int) {
	t.Helper()
	for _, child := range children(t, agent) {
		line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", child))
		if err != nil || !bytes.Contains(line, []byte("\x00"+guardWord+"\x00")) {
			continue
		}
		statm, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", child))
		must(t, err)
		_, err = fmt.Sscan(strings.Fields(string(statm))[1], &resident)
		must(t, err)
		return child, resident * os.Getpagesize()
	}
	return 0, 0
}

// watchEnd returns what waits for the end of a process that is not this one's
// child.
func watchEnd(t *testing.T, pid int) func() {
	t.Helper()
	fd, err := unix.PidfdOpen(pid, 0)
	must(t, err)
	t.Cleanup(func() { unix.Close(fd) })
	return func() {
		t.Helper()
		const patience = 30_000 // ms
		n, err := 0, error(unix.EINTR)
		for errors.Is(err, unix.EINTR) {
			n, err = unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, patience)
		}
		if err != nil || n != 1 {
			t.Fatalf("process %d does not end: %v", pid, err)
		}
	}
}

// The doors of an agent that is killed are taken back at once: nobody waits
// for its next start.
func TestKilledAgent(t *testing.T) {
	d := newDesk(t)
	cmd, _ := d.agent()
	d.wait("after the start", led)
	guard, resident := guardOf(t, cmd.Process.Pid)
	if resident > 4<<20 {
		t.Errorf("the guard holds %d KiB", resident>>10)
	}
	ended := watchEnd(t, guard)
	must(t, cmd.Process.Kill())
	d.wait("after the kill", untouched)
	ended()
	if left, _ := filepath.Glob(filepath.Join(d.home, ".config", "altnet", "journal.json*")); len(left) > 1 { // its lock stays
		t.Errorf("left behind: %v", left)
	}
}

// An agent that is told to end does it itself, and its guard goes with it. What
// ends a session is sent to all of its processes.
func TestEndedAgent(t *testing.T) {
	d := newDesk(t)
	cmd, _ := d.agent()
	d.wait("after the start", led)
	guard, _ := guardOf(t, cmd.Process.Pid)
	must(t, syscall.Kill(guard, syscall.SIGTERM))
	must(t, syscall.Kill(guard, syscall.SIGHUP))
	if _, resident := guardOf(t, cmd.Process.Pid); resident == 0 {
		t.Error("the guard fell with the session")
	}
	must(t, cmd.Process.Signal(syscall.SIGTERM))
	cmd.Wait()
	if err := syscall.Kill(guard, 0); err == nil {
		t.Error("the guard outlived its agent")
	}
	d.wait("after the end", untouched)
}

// A new agent that is started while the guard of the last one is at work keeps
// its doors.
func TestAgentAfterAKill(t *testing.T) {
	d := newDesk(t)
	first, _ := d.agent()
	before := d.wait("after the start", led)
	guard, _ := guardOf(t, first.Process.Pid)
	ended := watchEnd(t, guard)
	must(t, first.Process.Kill())
	first.Wait()
	second, _ := d.agent()
	d.wait("after the second start", func(now string) bool { return led(now) && now != before })
	must(t, second.Process.Signal(syscall.SIGTERM))
	second.Wait()
	ended()
	d.wait("after the end", untouched)
}

// A node that was started by hand has a guard, too, which gives way to the next
// node alone.
func TestKilledNode(t *testing.T) {
	d := newDesk(t)
	node, _ := d.start("-headless")
	before := d.wait("after the start", led)
	guard, _ := guardOf(t, node.Process.Pid)
	ended := watchEnd(t, guard)
	must(t, node.Process.Kill())
	d.wait("after the kill", untouched)
	ended()
	second, _ := d.start("-headless")
	d.wait("after the second start", func(now string) bool { return led(now) && now != before })
	data := filepath.Join(d.home, ".local", "share", "altnet", "node")
	late := exec.Command("altnet", guardWord, "00", data)
	late.Env = d.env
	if out, err := late.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if text, err := os.ReadFile(d.settings()); err != nil || !led(string(text)) {
		t.Errorf("the doors of the new node were closed: %s %v", text, err)
	}
	guard, _ = guardOf(t, second.Process.Pid)
	must(t, second.Process.Signal(syscall.SIGTERM))
	second.Wait()
	if err := syscall.Kill(guard, 0); err == nil {
		t.Error("the guard outlived its node")
	}
	d.wait("after the end", untouched)
}

// Another agent of the same person, on data of its own, leaves the doors of the
// first one alone: when it starts, ends and is killed.
func TestSecondAgentOnOtherData(t *testing.T) {
	d := newDesk(t)
	first, _ := d.agent()
	d.wait("after the start", led)
	d.guarded(first.Process.Pid)
	id, err := os.ReadFile(filepath.Join(d.home, ".config", "altnet", "profile", "agent", "lent"))
	must(t, err)
	must(t, os.WriteFile(filepath.Join(d.home, ".config", "altnet", "setup.json"), []byte(`{"browsing":true,"node":"`+string(id)+`"}`), 0o600))
	now, err := os.ReadFile(d.settings())
	must(t, err)
	other := []string{"-data", filepath.Join(d.home, "other", "data"), "-profile", filepath.Join(d.home, "other", "profile")}
	for _, end := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL, syscall.SIGTERM} {
		second, _ := d.agent(other...)
		pid := d.guarded(second.Process.Pid, other...)
		ended := watchEnd(t, pid)
		must(t, second.Process.Signal(end))
		second.Wait()
		ended()
		if text, err := os.ReadFile(d.settings()); err != nil || string(text) != string(now) {
			t.Fatalf("%v of the second agent changed the doors of the first: %s, %v", end, text, err)
		}
	}
	must(t, first.Process.Signal(syscall.SIGTERM))
	first.Wait()
	d.wait("after the end of the first", untouched)
}

// guarded waits for an agent's guard.
func (d *desk) guarded(agent int, flags ...string) int {
	d.t.Helper()
	ctx, cancel := context.WithTimeout(d.t.Context(), 30*time.Second)
	defer cancel()
	for ctx.Err() == nil {
		if pid, _ := findGuard(d.t, agent); pid != 0 {
			return pid
		}
		probe := exec.CommandContext(ctx, "altnet", append([]string{"status"}, flags...)...) // takes its time
		probe.Env = d.env
		probe.Run()
	}
	d.t.Fatal("the agent has no guard")
	return 0
}

// A guard whose agent was killed leaves everything to a new agent that is there
// already.
func TestGuardGivesWay(t *testing.T) {
	d := newDesk(t)
	cmd, _ := d.agent()
	now := d.wait("after the start", led)
	late := exec.Command("altnet", guardWord, "00", agentDir(filepath.Join(d.home, ".config", "altnet", "profile")))
	late.Env = d.env
	if out, err := late.CombinedOutput(); err != nil { // its input has ended
		t.Fatalf("%v: %s", err, out)
	}
	if text, err := os.ReadFile(d.settings()); err != nil || string(text) != now {
		t.Errorf("the doors of the new agent were closed: %s %v", text, err)
	}
	must(t, cmd.Process.Signal(syscall.SIGTERM))
	cmd.Wait()
}

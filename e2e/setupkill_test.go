//go:build linux

package e2e

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestSetupKilled kills the real program at moments spread over a set-up, with
// the person's browser databases and settings. Undo leaves what was there
// before, and an ordinary page opens throughout.
func TestSetupKilled(t *testing.T) {
	needE2E(t)
	p := newPerson(t)
	startFirefox(t, p.env).quit()
	before := p.settings()
	ordinary := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<h1>an ordinary page") }))
	defer ordinary.Close()
	killed := 0
	for delay := 20 * time.Millisecond; delay < 2*time.Second; delay += delay / 6 {
		if p.killedAfter(delay, "setup", "-yes", "-trust") {
			killed++
		}
		// What the person does meanwhile is theirs.
		p.gsettings("set", "org.gnome.system.proxy", "ignore-hosts", "['mine.example']")
		if killed == 3 {
			p.node.kill() // the script now leads nowhere
			if dom, _ := p.chromium(ordinary.URL); !strings.Contains(dom, "an ordinary page") {
				t.Errorf("%s", dom)
			}
			p.node.spawn()
		}
		p.altnet("undo", "-yes")
		if got := p.gsettings("get", "org.gnome.system.proxy", "ignore-hosts"); got != "['mine.example']\n" {
			t.Errorf("the edit became %s", got)
		}
		p.gsettings("reset", "org.gnome.system.proxy", "ignore-hosts")
		if left, _ := filepath.Glob(filepath.Join(p.node.dir, ".*", "*", "*", "altnet-*")); len(left) > 0 {
			t.Errorf("left behind: %v", left)
		}
		if after := p.settings(); after != before {
			t.Fatalf("killed after %v leaves:\n%s\nwas:\n%s", delay, after, before)
		}
	}
	if killed < 5 {
		t.Errorf("only %d set-ups were still under way when they were killed", killed)
	}
}

// killedAfter runs a command as this person, kills it and what it started, and
// reports whether that was before its end.
func (p *person) killedAfter(delay time.Duration, args ...string) bool {
	p.t.Helper()
	cmd := exec.Command(*binary, args...)
	cmd.Env, cmd.SysProcAttr = p.env, &syscall.SysProcAttr{Setpgid: true}
	check(p.t, cmd.Start())
	ended := make(chan struct{})
	go func() { cmd.Wait(); close(ended) }()
	select {
	case <-ended:
		return false
	case <-time.After(delay):
	}
	syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	<-ended
	return true
}

func (p *person) gsettings(args ...string) string {
	p.t.Helper()
	cmd := exec.Command("gsettings", args...)
	cmd.Env = p.env
	out, err := cmd.CombinedOutput()
	if err != nil {
		p.t.Fatalf("gsettings %v: %v\n%s", args, err, out)
	}
	return string(out)
}

//go:build linux

package e2e

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// randomSite makes a folder of random files, with a page that reads all of
// them and says what they hash to.
func randomSite(t *testing.T, dir string) (sums []string) {
	t.Helper()
	check(t, os.MkdirAll(filepath.Join(dir, "Bilder & Töne"), 0o755))
	var names []string
	for i, name := range []string{"klein.bin", "mittel ü.bin", "Bilder & Töne/groß.bin"} {
		data := make([]byte, 1000<<(5*i))
		rand.Read(data)
		check(t, os.WriteFile(filepath.Join(dir, name), data, 0o644))
		names, sums = append(names, name), append(sums, fmt.Sprintf("%x", sha256.Sum256(data)))
	}
	list, err := json.Marshal(names)
	check(t, err)
	page := fmt.Sprintf(`<!doctype html><meta charset=utf-8><title>t</title><pre id=out></pre><script>(async () => {
		for (const name of %s) {
			const data = await fetch(name.split("/").map(encodeURIComponent).join("/")).then(r => r.arrayBuffer())
			const sum = new Uint8Array(await crypto.subtle.digest("SHA-256", data))
			document.getElementById("out").append(Array.from(sum, b => b.toString(16).padStart(2, "0")).join("") + "\n")
		}
	})()</script>`, list)
	check(t, os.WriteFile(filepath.Join(dir, "index.html"), []byte(page), 0o644))
	return sums
}

// publishedSite is one of the agent's sites.
type publishedSite struct {
	Name   string
	Copies int
	Own    bool
}

// TestDrop is the whole way: a folder dropped from another program is
// published, the author's computer stops dead, and somebody who had none of it
// reads every byte in a browser.
func TestDrop(t *testing.T) {
	volunteers := func() []*node { needDesk(t); return network(t, 3) }()
	d := openDesk(t, "-bootstrap", volunteers[0].listen)
	d.agent()
	d.waitPeers(1)
	folder := filepath.Join(d.dir, "Mein schöner Garten")
	sums := randomSite(t, folder)
	d.person()
	d.window("^AltNet$")
	d.drop(folder)
	d.pressUntilPublishing()
	var site publishedSite
	d.eventually(time.Minute, "have two copies", func() error {
		sites := ask[[]publishedSite](d.node, "sites")
		if len(sites) == 0 || sites[0].Copies < 2 {
			return fmt.Errorf("sites: %+v", sites)
		}
		site = sites[0]
		return nil
	})
	check(t, syscall.Kill(-d.cmd.Process.Pid, syscall.SIGSTOP))
	defer syscall.Kill(-d.cmd.Process.Pid, syscall.SIGCONT)
	reader := start(t, "reader", volunteers[0])
	reader.waitPeers(1)
	if _, err := exec.LookPath("chromium"); err != nil {
		t.Skip("Chromium is not installed")
	}
	_, port, _ := strings.Cut(reader.gateway, ":")
	url := "http://" + strings.TrimSuffix(site.Name, ".alt") + "-alt.localhost:" + port + "/"
	dom := chromium(t, t.TempDir(), "--virtual-time-budget=30000", "--timeout=60000", "--dump-dom", url)
	for _, sum := range sums {
		if !strings.Contains(dom, sum) {
			t.Errorf("%s was not read; the page says:\n%s", sum, dom)
		}
	}
}

// pressUntilPublishing presses Return in the field of the name until the node
// has a site: the check of a name takes a moment, in which Return does nothing.
func (d *desk) pressUntilPublishing() {
	d.t.Helper()
	d.eventually(30*time.Second, "publish what was dropped", func() error {
		d.xdo("key", "Return", "sleep", "0.5")
		sites := ask[[]publishedSite](d.node, "sites")
		if len(sites) == 0 {
			return errors.New("no site yet")
		}
		return nil
	})
}

// TestNothingIsPublishedAlone holds the window to its word: without a copy on
// another computer it does not say that a site is published.
func TestNothingIsPublishedAlone(t *testing.T) {
	needDesk(t)
	d := openDesk(t, "-bootstrap", blackHole(t))
	d.agent()
	folder := filepath.Join(d.dir, "alone")
	randomSite(t, folder)
	d.person()
	d.window("^AltNet$")
	d.drop(folder)
	d.pressUntilPublishing()
	var text string
	for limit := time.Now().Add(40 * time.Second); time.Now().Before(limit); {
		text = d.read()
		for line := range strings.Lines(text) {
			if strings.TrimSpace(line) == "Published" {
				t.Fatalf("the window says:\n%s", text)
			}
		}
	}
	if !strings.Contains(text, "alone") {
		t.Errorf("the window does not show the site, or it cannot be read:\n%s", text)
	}
	if sites := ask[[]publishedSite](d.node, "sites"); sites[0].Copies != 0 {
		t.Errorf("there are copies: %+v", sites)
	}
}

// TestTray lists and clicks the tray's menu over the bus: the node goes offline
// and online, and a peer notices. The tray appears when somebody comes to show
// it.
func TestTray(t *testing.T) {
	needDesk(t)
	peer := start(t, "peer", nil)
	d := openDesk(t, "-bootstrap", peer.listen)
	d.agent()
	d.waitPeers(1)
	w := d.trayHost() // after the agent: it must notice
	item := <-w.items
	id := ask[struct {
		NodeID string `json:"node_id"`
	}](d.node, "status").NodeID
	noticed := func(want bool) {
		t.Helper()
		peer.eventually(30*time.Second, fmt.Sprintf("see the agent's node: %v", want), func() error {
			if got, err := peer.seesPeer(id); err != nil || got != want {
				return fmt.Errorf("%v, %v", got, err)
			}
			return nil
		})
	}
	noticed(true)
	w.click(d, item, "Go offline")
	noticed(false)
	w.click(d, item, "Go online")
	noticed(true)
	w.click(d, item, "Pause for an hour")
	noticed(false)
	w.click(d, item, "Resume")
	noticed(true)
	w.click(d, item, "Open AltNet")
	d.window("^AltNet$")
	w.click(d, item, "Quit")
	if err := d.cmd.Wait(); err != nil {
		t.Errorf("the agent ended with %v\n%s", err, d.log())
	}
	if _, err := d.try("status"); err == nil {
		t.Error("the node in the agent goes on")
	}
}

// TestWindowIsApart kills the window and starts it again: agent and node do not
// mind. Where there is no OpenGL they do not mind either.
func TestWindowIsApart(t *testing.T) {
	needDesk(t)
	d := openDesk(t)
	d.agent()
	for range 2 {
		d.person()
		d.window("^AltNet$")
		var kids []int
		d.eventually(10*time.Second, "have one window", func() error {
			if kids = d.windows(); len(kids) != 1 {
				return fmt.Errorf("the agent has the windows %v", kids)
			}
			return nil
		})
		d.person() // raises the one there is
		if again := d.windows(); !slices.Equal(again, kids) {
			t.Errorf("a second start made %v of %v", again, kids)
		}
		check(t, syscall.Kill(kids[0], syscall.SIGKILL))
		d.eventually(10*time.Second, "notice that the window is gone", func() error {
			if len(d.windows()) > 0 {
				return errors.New("it is still there")
			}
			return nil
		})
	}
	if st := ask[struct{ Online bool }](d.node, "status"); !st.Online {
		t.Error("the node is offline")
	}
}

// TestWindowOutlivesItsAgent kills the agent under its window. The window starts
// another one when it is told to, and every agent that comes raises that window
// instead of opening a second.
func TestWindowOutlivesItsAgent(t *testing.T) {
	needDesk(t)
	d := openDesk(t)
	t.Cleanup(func() { // who started whom is not sure any more
		for _, pid := range append(d.processes("agent"), d.processes("window")...) {
			syscall.Kill(pid, syscall.SIGKILL)
		}
	})
	d.agent()
	d.person()
	window := d.window("^AltNet$")
	d.oneWindow(window)
	for range 2 {
		d.killAgent()
		d.shows("AltNet is not running in the background.")
		if ids := d.shownWindows(); !slices.Equal(ids, []string{window}) {
			t.Fatalf("without an agent there are the windows %v", ids)
		}
		d.press("Start")
		d.answersAgain()
		d.shows("Drop a folder")
		d.xdo("windowminimize", "--sync", window)
		d.person()
		d.oneWindow(window)
	}
	d.killAgent()
	d.agent() // by the person, who starts AltNet once more
	d.xdo("windowminimize", "--sync", window)
	d.person()
	d.oneWindow(window)
	d.do("quit")
	d.eventually(10*time.Second, "end its window", func() error {
		if ids := d.shownWindows(); len(ids) > 0 {
			return fmt.Errorf("there is %v", ids)
		}
		return nil
	})
}

// killAgent ends the agent, whoever started it, as the system would in need.
func (d *desk) killAgent() {
	d.t.Helper()
	pids := d.processes("agent")
	if len(pids) != 1 {
		d.t.Fatalf("the agents are %v", pids)
	}
	check(d.t, syscall.Kill(pids[0], syscall.SIGKILL))
	d.cmd.Wait() // one that the window started is not ours to wait for:
	d.eventually(10*time.Second, "be gone", func() error {
		if left := d.processes("agent"); len(left) > 0 {
			return fmt.Errorf("there is %v", left)
		}
		return nil
	})
}

// shownWindows are the program's windows that can be seen.
func (d *desk) shownWindows() []string {
	ids, _ := d.x("xdotool", "search", "--onlyvisible", "--name", "^AltNet$") // it fails where there is none
	return strings.Fields(ids)
}

// oneWindow waits until that window alone is there, in one process, and seen.
func (d *desk) oneWindow(window string) {
	d.t.Helper()
	d.eventually(20*time.Second, "have one window", func() error {
		if ids, pids := d.shownWindows(), d.processes("window"); !slices.Equal(ids, []string{window}) || len(pids) != 1 {
			return fmt.Errorf("there are the windows %v of the processes %v", ids, pids)
		}
		return nil
	})
}

// processes are those of this desk that were started with a word.
func (d *desk) processes(word string) (pids []int) {
	all, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, path := range all {
		args, _ := os.ReadFile(path)
		env, _ := os.ReadFile(filepath.Join(filepath.Dir(path), "environ"))
		if words := strings.Split(string(args), "\x00"); len(words) > 1 && filepath.Base(words[0]) != "sh" && slices.Contains(words[1:], word) &&
			bytes.Contains(env, []byte("ALTNET_PROFILE="+filepath.Join(d.dir, "profile")+"\x00")) {
			pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
			pids = append(pids, pid)
		}
	}
	return pids
}

// windows are the processes with a window that the agent started and that still
// run. Its guard is none of them.
func (d *desk) windows() (pids []int) {
	all, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range all {
		stat, _ := os.ReadFile(path)
		fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
		args, _ := os.ReadFile(filepath.Join(filepath.Dir(path), "cmdline"))
		if len(fields) > 1 && fields[0] != "Z" && bytes.Contains(args, []byte("\x00window\x00")) && fields[1] == strconv.Itoa(d.cmd.Process.Pid) {
			pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
			pids = append(pids, pid)
		}
	}
	return pids
}

// TestUpgrade replaces the program on the disk: the agent becomes the new one.
func TestUpgrade(t *testing.T) {
	needDesk(t)
	d := openDesk(t)
	program := filepath.Join(d.dir, "altnet")
	data, err := os.ReadFile(*windowed)
	check(t, err)
	check(t, os.WriteFile(program, data, 0o755))
	was := *windowed
	*windowed = program
	defer func() { *windowed = was }()
	d.agent()
	started := ask[struct{ Started time.Time }](d.node, "status").Started
	check(t, os.WriteFile(program+".new", append(data, "another build"...), 0o755))
	check(t, os.Rename(program+".new", program))
	d.eventually(time.Minute, "become the new program", func() error {
		out, err := d.try("status", "-json")
		var now struct{ Started time.Time }
		if err == nil {
			err = json.Unmarshal([]byte(out), &now)
		}
		if err == nil && !now.Started.After(started) {
			err = errors.New("it is still the old one")
		}
		return err
	})
	if link, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", d.cmd.Process.Pid)); err != nil || link != program {
		t.Errorf("the agent runs %s, %v", link, err)
	}
}

//go:build linux

package e2e

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// needShots skips the long walks through the window where nobody wants pictures
// of them.
func needShots(t *testing.T) {
	t.Helper()
	needDesk(t)
	if *shots == "" {
		t.Skip("it takes minutes: -shots FOLDER")
	}
}

// desk logs a person in who has never seen AltNet. With flags the node lives in
// their agent, else it is the service. Their browser is Chromium, which notes
// what it showed.
func (a *account) desk(flags ...string) *desk {
	t := a.c.t
	t.Helper()
	d := &desk{node: &node{t: t, name: filepath.Base(a.home), dir: a.home, uid: a.uid, service: len(flags) == 0}}
	d.args = append([]string{"agent", "-log-level", "info"}, flags...)
	profile, programs := filepath.Join(a.home, ".config", "altnet", "profile"), filepath.Join(a.home, "bin")
	check(t, os.MkdirAll(profile, 0o700))
	check(t, os.MkdirAll(programs, 0o700))
	check(t, os.WriteFile(filepath.Join(profile, "desktop.json"), []byte(`{"language":"en","theme":"light"}`), 0o600))
	a.own(a.home)
	opener := "#!/bin/sh\nmkdir ~/browsing 2>/dev/null || exit 0 # one page at a time\nchromium " + strings.Join(headless(), " ") +
		` "$1" >~/shown.new 2>~/shown.log && mv ~/shown.new ~/shown` + "\nrmdir ~/browsing\n"
	check(t, os.WriteFile(filepath.Join(programs, "xdg-open"), []byte(opener), 0o700))
	check(t, os.Lchown(filepath.Join(programs, "xdg-open"), a.uid, a.uid))
	d.more = []string{"TMPDIR=/tmp", "PATH=" + programs + ":" + os.Getenv("PATH")}
	d.logIn("1366x1000x24", "--config-file", maximizing(t, a.home))
	return d
}

// maximizing is a configuration of the window manager that lets our window fill
// the display.
func maximizing(t *testing.T, dir string) string {
	t.Helper()
	config, err := os.ReadFile("/etc/xdg/openbox/rc.xml")
	check(t, err)
	const end = "</applications>"
	rule := `<application title="AltNet"><maximized>yes</maximized></application>` + end
	file := filepath.Join(dir, "rc.xml")
	check(t, os.WriteFile(file, []byte(strings.Replace(string(config), end, rule, 1)), 0o644))
	return file
}

// sitDown starts the agent and opens the window, which fills the display so that
// nothing has to be scrolled.
func (d *desk) sitDown() {
	d.t.Helper()
	d.launch()
	d.person()
	d.window("^AltNet$")
}

// open presses Open until the person's browser has shown a page, and returns
// that.
func (d *desk) open() (page string) {
	d.t.Helper()
	return d.browsed(func() error {
		words := d.look()
		x, y, ok := find(words, "Open")
		if !ok {
			return fmt.Errorf("no Open; the display says: %s", plainly(text(words)))
		}
		d.click(x, y)
		return nil
	})
}

// visit types an address into the window.
func (d *desk) visit(address string) (page string) {
	d.t.Helper()
	return d.browsed(func() error {
		words := d.look()
		x, y, ok := find(words, "Open")
		if !ok {
			return fmt.Errorf("no field for an address; the display says: %s", plainly(text(words)))
		}
		d.click(x-200, y) // the field
		d.xdo("key", "ctrl+a", "type", "--delay", "20", address)
		d.xdo("key", "Return")
		return nil
	})
}

// browsed does something until the person's browser has shown a page, and
// returns that.
func (d *desk) browsed(ask func() error) (page string) {
	d.t.Helper()
	file := filepath.Join(d.dir, "shown")
	var asked time.Time
	d.eventually(patience, "show a page in the browser", func() error {
		data, err := os.ReadFile(file)
		if page = string(data); err == nil {
			return os.Remove(file)
		}
		const again = 30 * time.Second
		if _, err := os.Stat(filepath.Join(d.dir, "browsing")); err == nil || time.Since(asked) < again {
			return errors.New("it is at it")
		}
		if err := ask(); err != nil {
			return err
		}
		asked = time.Now()
		return errors.New("it was just asked to")
	})
	return page
}

// begin is the first start, of somebody who sees these words besides.
func (d *desk) begin(words ...string) {
	d.t.Helper()
	d.sitDown()
	d.shows(append(words, "Welcome to AltNet")...)
	d.press("Agree and start", "You are in", "Connected to")
	d.shot(d.name + "-1-in")
	d.press("Go to my sites", "Drop a folder anywhere", "You have not published anything yet")
}

// logOut ends all that the person runs.
func (d *desk) logOut(a *account) {
	d.t.Helper()
	d.do("quit")
	d.cmd.Wait()
	for _, cmd := range slices.Backward(d.running) {
		cmd.Process.Kill()
		cmd.Wait()
	}
	d.node.eventually(20*time.Second, "be logged out", func() error {
		if n := a.processes(); n > 0 {
			return fmt.Errorf("%d processes still run", n)
		}
		return nil
	})
}

// TestWindowTwoUsers: Anna publishes a folder that only she can read, in a
// window, and logs out. Bert's window tells nothing of it; he opens her site in
// his browser, and can do nothing else to it.
func TestWindowTwoUsers(t *testing.T) {
	needShots(t)
	if !onComputer(t, "TestWindowTwoUsers") {
		return
	}
	volunteers := network(t, 2)
	c := newComputer(t, volunteers[0])
	check(t, os.WriteFile("/var/lib/altnet/operators", fmt.Appendf(nil, "%d\n", annaUID), 0o644))
	anna, bert := c.account("anna", annaUID), c.account("bert", bertUID)
	s := annasSite{anna: anna, folder: filepath.Join(anna.home, "garden")}
	hers := anna.desk()
	hers.begin("You decide how much")
	randomSite(t, s.folder)
	anna.own(s.folder)
	hers.drop(s.folder)
	hers.shows("garden.alt is free", "4 files")
	hers.press("Publish", "Published", "confirmed by", "garden.alt")
	s.update()
	hers.logOut(anna)

	his := bert.desk()
	his.begin("runs here for everybody who uses this computer")
	if text := his.read(); strings.Contains(text, "garden") {
		t.Errorf("Bert's window says:\n%s", text)
	}
	his.shot("bert-2-sites")
	his.press("Browse", "Sites of AltNet open in the browser you already use", "Nothing is listed here")
	his.shot("bert-3-browse")
	wantSums(t, "by Bert", his.visit("garden.alt"), s.sums)
	his.press("My sites", "You have not published anything yet")
	his.logOut(bert)
	foreignMethods(t, bert, s)
	foreignCommands(t, bert, s)
	noSecrets(t, c, s)
}

// TestWindowTwoTroubles: the disk of a service is full, and the service stops,
// while somebody's window is open who does not operate it.
func TestWindowTwoTroubles(t *testing.T) {
	needShots(t)
	if !onComputer(t, "TestWindowTwoTroubles") {
		return
	}
	check(t, os.MkdirAll("/var/lib/altnet/node", 0o755))
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", "/var/lib/altnet/node").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	c := newComputer(t, network(t, 2)[0])
	bert := c.account("bert", bertUID)
	d := bert.desk()
	asked := filepath.Join(bert.home, "asked")
	check(t, os.WriteFile(filepath.Join(bert.home, "bin", "pkexec"), []byte("#!/bin/sh\necho \"$@\" >~/asked\necho No authentication agent found >&2\nexit 127\n"), 0o755))
	d.begin("runs here for everybody who uses this computer")
	folder := filepath.Join(bert.home, "films")
	check(t, os.MkdirAll(folder, 0o700))
	check(t, os.WriteFile(filepath.Join(folder, "index.html"), []byte("films"), 0o600))
	writeRandom(t, filepath.Join(folder, "film.bin"), 40<<20, 3)
	bert.own(folder)
	d.drop(folder)
	d.shows("films.alt is free", "2 files")
	d.press("Publish", "The disk or AltNet's share of it is full", "whoever looks after this computer")
	d.shot("bert-full")
	check(t, os.Remove(filepath.Join(folder, "film.bin")))
	d.press("Try again", "1 file")
	d.press("Publish", "Published", "confirmed by")

	check(t, c.cmd.Process.Signal(syscall.SIGTERM))
	c.cmd.Wait()
	d.shows("The AltNet service of this computer is not running", "Start the service")
	d.shot("bert-stopped")
	d.press("Start the service", "AltNet could not be started", "altnet service start")
	d.shot("bert-refused")
	if line, err := os.ReadFile(asked); err != nil || !strings.HasSuffix(strings.TrimSpace(string(line)), "altnet-desktop service start") {
		t.Errorf("for an administrator's rights was asked with %q, %v", line, err)
	}
	d.press("Close", "The AltNet service of this computer is not running")
	c.start("-listen", "127.0.0.1:9000")
	d.shows("Published")
	if text := plainly(d.read()); strings.Contains(text, "is not running") {
		t.Errorf("the service runs again, and the window says: %s", text)
	}
}

// TestWindowTwoModes: a person new to AltNet does the same at two windows, one
// of a node in the agent, one of the computer's service, and is told the same.
func TestWindowTwoModes(t *testing.T) {
	needShots(t)
	if !onComputer(t, "TestWindowTwoModes") {
		return
	}
	volunteers := network(t, 2)
	c := newComputer(t, volunteers[0])
	check(t, os.WriteFile("/var/lib/altnet/operators", fmt.Appendf(nil, "%d\n", annaUID), 0o644))
	carl, anna := c.account("carl", carlUID), c.account("anna", annaUID)
	newcomer(carl.desk("-listen", "127.0.0.1:9100", "-gateway", "127.0.0.1:8180", "-bootstrap", volunteers[0].listen))
	newcomer(anna.desk())
}

// flip turns the switch beside the line of the node's state, above the button
// that adds folders.
func (d *desk) flip(state string, then ...string) {
	d.t.Helper()
	d.eventually(patience, "show a switch beside "+state, func() error {
		words := d.look()
		x, _, ok := find(words, "Add folder")
		_, y, stands := find(words, state)
		if !ok || !stands {
			return fmt.Errorf("the display says: %s", plainly(text(words)))
		}
		d.click(x+25, y)
		return nil
	})
	d.shows(then...)
}

// The wheel of a mouse is two of its buttons.
const up, down = "4", "5"

// scroll turns the wheel to an end of the page.
func (d *desk) scroll(wheel string) {
	d.t.Helper()
	d.xdo("mousemove", "800", "500", "click", "--repeat", "40", "--delay", "10", wheel)
}

// newcomer does what somebody does at their first window, and undoes it.
func newcomer(d *desk) {
	t := d.t
	d.begin("You decide how much")
	folder, name := filepath.Join(d.dir, d.name+" garden"), d.name+"-garden.alt"
	sums := randomSite(t, folder)
	d.drop(folder)
	d.shows("Publish a folder", name+" is free", "4 files")
	d.shot(d.name + "-2-dropped")
	d.press("Publish", "Published", "confirmed by", name)
	d.shot(d.name + "-3-published")
	wantSums(t, "published by "+d.name, d.open(), sums)

	check(t, os.RemoveAll(folder))
	sums = randomSite(t, folder)
	d.drop(folder)
	d.shows("Update a site", "becomes the new version of "+name, "3 changed")
	d.shot(d.name + "-4-update")
	d.press("Publish changes", "Published", "confirmed by")
	wantSums(t, "updated by "+d.name, d.open(), sums)

	d.press("Done", "My sites", name, "published just now")
	d.flip("Connected to", "Offline", "Nothing is exchanged with other computers")
	d.shot(d.name + "-5-offline")
	wantSums(t, "read offline by "+d.name, d.open(), sums)
	d.flip("Offline", "Connected to")

	d.press(name, "In any browser on this computer", "Publish changes")
	d.shot(d.name + "-6-site")
	d.scroll(down)
	d.shows("Withdraw this site")
	d.press("Withdraw", "Withdraw "+name+"?", "cannot be called back")
	d.shot(d.name + "-7-withdraw")
	d.press("Withdraw", "Copies on other computers")
	d.scroll(up)
	d.shows("You have withdrawn this site")
	d.shot(d.name + "-8-withdrawn")
}

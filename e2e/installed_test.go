//go:build linux

package e2e

import (
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"
)

var installed = flag.Bool("installed", false, "the service is installed and systemd runs: see packaging/test/desk")

// notes is who shows notifications on a bus.
type notes chan string

// Notify is the method by which they come.
func (n notes) Notify(_ string, _ uint32, _, title, body string, _ []string, _ map[string]dbus.Variant, _ int32) (uint32, *dbus.Error) {
	n <- title + ": " + body
	return 1, nil
}

// notesHost starts to show notifications.
func (d *desk) notesHost() notes {
	d.t.Helper()
	conn, err := dbus.Connect(d.bus)
	check(d.t, err)
	d.t.Cleanup(func() { conn.Close() })
	n := make(notes, 64)
	const name = "org.freedesktop.Notifications"
	check(d.t, conn.Export(n, "/org/freedesktop/Notifications", name))
	_, err = conn.RequestName(name, dbus.NameFlagDoNotQueue)
	check(d.t, err)
	return n
}

// says waits for a notification with these words.
func (n notes) says(d *desk, words string) {
	d.t.Helper()
	late := time.After(20 * time.Second)
	var others []string
	for {
		select {
		case note := <-n:
			if strings.Contains(note, words) {
				return
			}
			others = append(others, note)
		case <-late:
			d.t.Fatalf("no notification says %q, but %q\n%s", words, others, d.log())
		}
	}
}

// offers waits for a menu with the line, and without the other.
func (w *watcher) offers(d *desk, item, line, not string) {
	d.t.Helper()
	d.eventually(20*time.Second, "offer "+line, func() error {
		lines, err := w.menu(item)
		if err != nil {
			return err
		}
		has := func(label string) bool {
			return slices.ContainsFunc(lines, func(l menuLine) bool { return strings.Contains(l.label, label) })
		}
		if !has(line) || has(not) {
			return fmt.Errorf("the menu is %v", lines)
		}
		return nil
	})
}

// asRoot runs a command as an administrator, whom polkit asks nothing here.
func (d *desk) asRoot(args ...string) {
	d.t.Helper()
	if out, err := exec.CommandContext(d.t.Context(), "pkexec", args...).CombinedOutput(); err != nil {
		d.t.Fatalf("%v: %v: %s", args, err, out)
	}
}

// noSecondNode holds the agent to having no node of its own.
func (d *desk) noSecondNode() {
	d.t.Helper()
	err := filepath.WalkDir(filepath.Join(d.dir, ".local", "share"), func(path string, e fs.DirEntry, err error) error {
		if err == nil && (e.Name() == "packs" || strings.HasPrefix(e.Name(), "index")) {
			d.t.Errorf("the agent has a node of its own: %s", path)
		}
		return nil
	})
	check(d.t, err)
	if out, _ := exec.Command("ss", "-Htlnp").Output(); strings.Contains(string(out), fmt.Sprintf("pid=%d,", d.cmd.Process.Pid)) {
		d.t.Errorf("the agent listens:\n%s", out)
	}
}

// TestInstalledService is the desktop of a computer with the service: the agent
// attaches to it, says when it is stopped, has it started, and leaves it alone.
func TestInstalledService(t *testing.T) {
	if !*installed {
		t.Skip("needs a computer with the service: packaging/test/desk")
	}
	d := openDesk(t)
	d.service = true
	t.Cleanup(func() {
		if t.Failed() && *shots != "" { // the test's context is over
			cmd := exec.Command("import", "-window", "root", filepath.Join(*shots, "failed.png"))
			cmd.Env = d.environment()
			cmd.Run()
		}
	})
	d.args = []string{"agent", "-log-level", "info"}
	w, n := d.trayHost(), d.notesHost()
	d.launch()
	item := <-w.items
	const start, quit = "Start the service", "Quit (the service goes on)"

	d.do("settings", "accepted", "yes")
	w.offers(d, item, quit, start)
	d.person()
	d.window("^AltNet$")
	d.shows("Drop a folder")
	d.shot("1-attached")
	d.noSecondNode()

	d.asRoot("systemctl", "stop", "altnet")
	n.says(d, "The AltNet service is stopped")
	w.offers(d, item, start, "Pause")
	d.shows("The AltNet service of this computer is not running.")
	d.shows(start)
	d.shot("2-stopped")
	if out, err := d.try("status"); err == nil || !strings.Contains(out+err.Error(), "altnet service start") {
		t.Errorf("status of a stopped service: %v: %s", err, out)
	}
	d.noSecondNode()
	w.click(d, item, start)
	d.answersAgain()
	w.offers(d, item, quit, start)

	// A window that never saw the service says the same, and its button works.
	d.closeWindow()
	d.asRoot("systemctl", "stop", "altnet")
	n.says(d, "The AltNet service is stopped")
	d.person()
	d.window("^AltNet$")
	d.shows("The AltNet service of this computer is not running.")
	d.shot("3-opened while stopped")
	d.press("Start")
	d.answersAgain()
	d.shows("Drop a folder")
	d.shot("4-started")
	d.noSecondNode()

	w.click(d, item, quit)
	n.says(d, "The AltNet service goes on without the icon.")
	if err := d.cmd.Wait(); err != nil {
		t.Errorf("the agent ended with %v\n%s", err, d.log())
	}
	d.do("status")

	d.launch()
	<-w.items
	if said := d.do("quit"); !strings.Contains(said, "service goes on") {
		t.Errorf("quit says %q", said)
	}
	d.cmd.Wait()
	d.do("status")
	if _, err := os.Stat(filepath.Join(d.dir, "profile", "agent", "control.sock")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("what the agent leaves: %v", err)
	}
}

// closeWindow closes the window as a person does.
func (d *desk) closeWindow() {
	d.t.Helper()
	d.eventually(20*time.Second, "close its window", func() error {
		id, err := d.x("xdotool", "search", "--onlyvisible", "--name", "^AltNet$")
		if err != nil {
			return nil // none is found
		}
		d.x("xdotool", "windowactivate", strings.Fields(id)[0], "sleep", "0.5", "key", "alt+F4", "sleep", "0.5")
		return errors.New("there is " + id)
	})
}

// answersAgain waits for the service.
func (d *desk) answersAgain() {
	d.t.Helper()
	d.eventually(20*time.Second, "answer again", func() error {
		_, err := d.try("status", "-json")
		return err
	})
}

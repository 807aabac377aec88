//go:build linux

package e2e

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"
)

var windowed = flag.String("window", "", "binary with the window, for the tests of the desktop")

// desk is a display of the test's own with a window manager and a session bus,
// and an agent on it.
type desk struct {
	*node
	display string
	more    []string    // of the environment
	running []*exec.Cmd // besides the agent
	bus     string
}

// needDesk skips where the desktop cannot be driven.
func needDesk(t *testing.T) {
	t.Helper()
	needE2E(t)
	if *windowed == "" {
		t.Skip("no binary with the window: -window")
	}
	for _, tool := range []string{"Xvfb", "openbox", "xdotool", "dbus-daemon"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("%s is not installed", tool)
		}
	}
}

// openDesk starts display and bus, no agent yet. The person has been through
// the first start.
func openDesk(t *testing.T, args ...string) *desk {
	t.Helper()
	needDesk(t)
	d := &desk{node: &node{t: t, name: "desk", dir: t.TempDir(), listen: freeAddr(t), gateway: freeAddr(t)}}
	d.args = append([]string{"agent", "-listen", d.listen, "-gateway", d.gateway, "-log-level", "info"}, args...)
	profile := filepath.Join(d.dir, "profile")
	check(t, os.MkdirAll(profile, 0o700))
	check(t, os.WriteFile(filepath.Join(profile, "desktop.json"), []byte(`{"welcomed":true,"language":"en","theme":"light"}`), 0o600))
	d.logIn("1366x768x24")
	return d
}

// logIn starts display, bus and window manager.
func (d *desk) logIn(screen string, manager ...string) {
	d.t.Helper()
	d.display = ":" + d.helper(3, "Xvfb", "-displayfd", "3", "-screen", "0", screen, "-nolisten", "tcp")
	d.bus = d.helper(1, "dbus-daemon", "--session", "--nofork", "--print-address=1")
	d.background("openbox", manager...)
}

// program is one that the person runs.
func (d *desk) program(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env, cmd.SysProcAttr = d.environment(), d.as()
	return cmd
}

// helper starts a program and reads the line that it writes to the descriptor.
func (d *desk) helper(fd int, name string, args ...string) string {
	d.t.Helper()
	r, w, err := os.Pipe()
	check(d.t, err)
	cmd := d.program(context.Background(), name, args...)
	if fd == 1 {
		cmd.Stdout = w
	} else {
		cmd.ExtraFiles = []*os.File{w}
	}
	d.run(cmd)
	w.Close()
	line, err := bufio.NewReader(r).ReadString('\n')
	check(d.t, err)
	return strings.TrimSpace(line)
}

// run runs a program until the test ends.
func (d *desk) run(cmd *exec.Cmd) {
	d.t.Helper()
	check(d.t, cmd.Start())
	d.running = append(d.running, cmd)
	d.t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
}

func (d *desk) background(name string, args ...string) {
	d.t.Helper()
	d.run(d.program(context.Background(), name, args...))
}

func (d *desk) environment() []string {
	env := slices.DeleteFunc(d.env(), func(v string) bool {
		return strings.HasPrefix(v, "WAYLAND_") || strings.HasPrefix(v, "XDG_") || strings.HasPrefix(v, "LANG") || strings.HasPrefix(v, "LC_")
	})
	return append(append(env, "DISPLAY="+d.display, "DBUS_SESSION_BUS_ADDRESS="+d.bus, "LANG=en_US.UTF-8", "LIBGL_ALWAYS_SOFTWARE=1"), d.more...)
}

// agent starts the agent in a process group of its own, online.
func (d *desk) agent() {
	d.t.Helper()
	d.launch()
	d.do("settings", "accepted", "yes")
}

func (d *desk) launch() {
	d.t.Helper()
	log, err := os.OpenFile(filepath.Join(d.dir, "node.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	check(d.t, err)
	defer log.Close()
	d.cmd = d.program(context.Background(), *windowed, d.args...)
	d.cmd.Stdout, d.cmd.Stderr, d.cmd.SysProcAttr.Setpgid = log, log, true
	check(d.t, d.cmd.Start())
	pid := d.cmd.Process.Pid
	d.t.Cleanup(func() {
		syscall.Kill(-pid, syscall.SIGKILL)
		d.cmd.Wait()
	})
	d.eventually(20*time.Second, "answer on the control socket", func() error {
		_, err := d.try("status", "-json")
		return err
	})
}

// person starts the program again, as a double click does.
func (d *desk) person(args ...string) {
	d.t.Helper()
	if out, err := d.program(d.t.Context(), *windowed, args...).CombinedOutput(); err != nil {
		d.t.Fatalf("a second start: %v\n%s\n%s", err, out, d.log())
	}
}

// x runs a tool on the display and returns what it prints.
func (d *desk) x(name string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(d.t.Context(), 30*time.Second)
	defer cancel()
	out, err := d.program(ctx, name, args...).Output()
	return strings.TrimSpace(string(out)), err
}

// xdo runs xdotool, which must succeed.
func (d *desk) xdo(args ...string) string {
	d.t.Helper()
	out, err := d.x("xdotool", args...)
	if err != nil {
		d.t.Fatalf("xdotool %v: %v\n%s", args, err, d.log())
	}
	return out
}

// window waits for a window of this title and returns its X identifier.
func (d *desk) window(title string) string {
	d.t.Helper()
	ids := strings.Fields(d.xdo("search", "--sync", "--onlyvisible", "--name", title))
	return ids[0]
}

// middle is the middle of a window, in the display's pixels.
func (d *desk) middle(window string) (x, y int) {
	d.t.Helper()
	geometry := map[string]int{}
	for line := range strings.Lines(d.xdo("getwindowgeometry", "--shell", window)) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		geometry[key], _ = strconv.Atoi(value)
	}
	return geometry["X"] + geometry["WIDTH"]/2, geometry["Y"] + geometry["HEIGHT"]/2
}

// drop drags folders from another program's window onto ours.
func (d *desk) drop(folders ...string) {
	d.t.Helper()
	source, err := os.ReadFile(filepath.Join("desktop", "dragsource.py"))
	check(d.t, err)
	cmd := d.program(context.Background(), "/usr/bin/python3", append([]string{"-c", string(source)}, folders...)...)
	out, err := cmd.StdoutPipe()
	check(d.t, err)
	var said bytes.Buffer
	cmd.Stderr = &said
	d.run(cmd)
	lines := bufio.NewReader(out)
	if _, err := lines.ReadString('\n'); err != nil {
		d.t.Skipf("GTK for Python is not installed: %s", said.String())
	}
	other := d.window("Folders of another program")
	target := d.window("^AltNet$")
	d.xdo("windowmove", "--sync", other, "5", "30")
	d.xdo("windowraise", other)
	fromX, fromY := d.middle(other)
	toX, toY := d.middle(target)
	toX, toY = toX+150, toY+150 // beside the other window
	d.xdo("mousemove", fmt.Sprint(fromX), fmt.Sprint(fromY), "mousedown", "1")
	for i := range 20 { // a drag begins, and is answered, on the way
		d.xdo("mousemove", fmt.Sprint(fromX+(toX-fromX)*(i+1)/20), fmt.Sprint(fromY+(toY-fromY)*(i+1)/20), "sleep", "0.04")
	}
	d.xdo("sleep", "0.3", "mouseup", "1")
	if _, err := lines.ReadString('\n'); err != nil {
		d.t.Fatalf("the drag did not end: %v", err)
	}
	cmd.Process.Kill()
}

// watcher is who shows tray icons on the bus.
type watcher struct {
	conn  *dbus.Conn
	items chan string // bus names
}

// RegisterStatusNotifierItem is the method by which icons come.
func (w *watcher) RegisterStatusNotifierItem(_ string, sender dbus.Sender) *dbus.Error {
	w.items <- string(sender)
	return nil
}

// trayHost starts to show tray icons.
func (d *desk) trayHost() *watcher {
	d.t.Helper()
	conn, err := dbus.Connect(d.bus)
	check(d.t, err)
	d.t.Cleanup(func() { conn.Close() })
	w := &watcher{conn: conn, items: make(chan string, 4)}
	const name = "org.kde.StatusNotifierWatcher"
	check(d.t, conn.Export(w, "/StatusNotifierWatcher", name))
	_, err = conn.RequestName(name, dbus.NameFlagDoNotQueue)
	check(d.t, err)
	return w
}

// menuLine is a line of a tray's menu.
type menuLine struct {
	id    int32
	label string
}

// layout is a node of com.canonical.dbusmenu.
type layout struct {
	ID         int32
	Properties map[string]dbus.Variant
	Children   []dbus.Variant
}

// menu lists the lines of an icon's menu.
func (w *watcher) menu(item string) ([]menuLine, error) {
	var revision uint32
	var root layout
	err := w.conn.Object(item, "/StatusNotifierItem/menu").
		Call("com.canonical.dbusmenu.GetLayout", 0, int32(0), int32(-1), []string{}).Store(&revision, &root)
	var lines []menuLine
	var walk func(layout)
	walk = func(l layout) {
		if label, ok := l.Properties["label"].Value().(string); ok && label != "" {
			lines = append(lines, menuLine{l.ID, label})
		}
		for _, child := range l.Children {
			var c layout
			if dbus.Store([]any{child.Value()}, &c) == nil {
				walk(c)
			}
		}
	}
	walk(root)
	return lines, err
}

// click clicks the line of this label. Identifiers change with every menu, so
// it looks for the label each time.
func (w *watcher) click(d *desk, item, label string) {
	d.t.Helper()
	d.eventually(20*time.Second, "offer "+label, func() error {
		lines, err := w.menu(item)
		if err != nil {
			return err
		}
		for _, l := range lines {
			if l.label == label {
				return w.conn.Object(item, "/StatusNotifierItem/menu").
					Call("com.canonical.dbusmenu.Event", 0, l.id, "clicked", dbus.MakeVariant(int32(0)), uint32(0)).Err
			}
		}
		return fmt.Errorf("the menu is %v", lines)
	})
}

// seesPeer reports whether a node is in session with another.
func (n *node) seesPeer(id string) (bool, error) {
	var peers []struct {
		ID        string
		Connected bool
	}
	out, err := n.try("peers", "-json")
	if err == nil {
		err = json.Unmarshal([]byte(out), &peers)
	}
	for _, p := range peers {
		if p.ID == id && p.Connected {
			return true, err
		}
	}
	return false, err
}

// blackHole accepts connections for a peer and never answers: replication is
// blocked.
func blackHole(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go io.Copy(io.Discard, conn)
		}
	}()
	return l.Addr().String()
}

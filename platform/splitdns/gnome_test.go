package splitdns

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"altnet/platform/journal"
)

// fakeSettings is gsettings over a map; def is what nobody set.
type fakeSettings struct {
	set, def map[string]string
	readOnly bool // dconf's locks
	deaf     bool // without a session gsettings says yes and writes nothing
}

func newFakeSettings() *fakeSettings {
	return &fakeSettings{set: map[string]string{}, def: map[string]string{"mode": "'none'", "autoconfig-url": "''", "host": "''"}}
}

func (f *fakeSettings) run(_ context.Context, program string, args ...string) ([]byte, error) {
	memory := false
	if program == "env" {
		program, args, memory = args[1], args[2:], true
	}
	if program != "gsettings" {
		return nil, exec.ErrNotFound
	}
	key := args[2]
	switch args[0] {
	case "get":
		if value, found := f.set[key]; found && !memory {
			return []byte(value + "\n"), nil
		}
		return []byte(f.def[key] + "\n"), nil
	case "writable":
		if f.readOnly {
			return []byte("false\n"), nil
		}
		return []byte("true\n"), nil
	case "set":
		if !f.deaf {
			f.set[key] = args[3]
		}
		return nil, nil
	case "reset":
		delete(f.set, key)
		return nil, nil
	}
	return nil, errors.New("gsettings: " + args[0])
}

// testConfig is a door's configuration with a gateway that answers.
func testConfig(t *testing.T, run Run) Config {
	t.Helper()
	dir := t.TempDir()
	surgeons, undoers := Surgeons(), Undoers(run)
	j, err := journal.Open(filepath.Join(dir, "journal"), journal.Config{Surgeons: surgeons, Undoers: undoers})
	if err != nil {
		t.Fatal(err)
	}
	want := Want{Suffix: "alt", DNS: netip.MustParseAddrPort("127.83.65.76:53"), Answer: netip.MustParseAddr("127.83.65.76"), Gateway: startGateway(t)}
	return Config{Want: want, Journal: j, Run: run}.withDefaults()
}

// startGateway answers CONNECT for names of ours, as the gateway does.
func startGateway(t *testing.T) netip.AddrPort {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			answer := "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"
			if req, err := http.ReadRequest(bufio.NewReader(conn)); err == nil && req.Method == http.MethodConnect && strings.HasSuffix(req.URL.Hostname(), ".alt") {
				answer = "HTTP/1.1 200 OK\r\n\r\n"
			}
			_, _ = conn.Write([]byte(answer))
			_ = conn.Close()
		}
	}()
	return netip.MustParseAddrPort(ln.Addr().String())
}

func TestGNOMEProxy(t *testing.T) {
	f := newFakeSettings()
	f.set["autoconfig-url"] = "'http://kept.example/'" // of a time before, and off
	before := maps.Clone(f.set)
	door := &gnomeDoor{testConfig(t, f.run)}
	if err := door.Verify(t.Context()); !errors.Is(err, ErrClosed) {
		t.Errorf("before setting it: %v", err)
	}
	for range 2 {
		if err := door.Set(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := door.Verify(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if f.set["mode"] != "'auto'" || !OurScript(unquote([]byte(f.set["autoconfig-url"]))) {
		t.Errorf("the settings are %v", f.set)
	}
	door.cfg.Want.Gateway = startGateway(t) // the next run has another port
	if err := door.Verify(t.Context()); !errors.Is(err, ErrClosed) || errors.Is(err, ErrTurnedOff) {
		t.Errorf("with another port: %v", err)
	}
	if err := door.Set(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := door.Verify(t.Context()); err != nil {
		t.Error(err)
	}
	if err := door.Undo(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !maps.Equal(f.set, before) {
		t.Errorf("undo left %v", f.set)
	}
}

func TestGNOMEProxyOfThePerson(t *testing.T) {
	for name, c := range map[string]struct {
		set      map[string]string
		readOnly bool
		want     ProxyMode
	}{
		"a script":      {set: map[string]string{"mode": "'auto'", "autoconfig-url": "'http://pac.corp.example/'"}, want: ProxyPAC},
		"a proxy":       {set: map[string]string{"mode": "'manual'", "host": "'proxy.corp.example'"}, want: ProxyManual},
		"detection":     {set: map[string]string{"mode": "'auto'"}, want: ProxyDetect},
		"a lock":        {readOnly: true, want: ProxyEnforced},
		"a mode unseen": {set: map[string]string{"mode": "'new'"}, want: ProxyUnknown},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFakeSettings()
			maps.Copy(f.set, c.set)
			f.readOnly = c.readOnly
			door := &gnomeDoor{testConfig(t, f.run)}
			if err := door.Set(t.Context()); !errors.Is(err, ErrTaken) || !strings.Contains(err.Error(), string(c.want)) {
				t.Errorf("set: %v, want %s in the way", err, c.want)
			}
			if len(f.set) != len(c.set) {
				t.Errorf("the settings are now %v", f.set)
			}
		})
	}
}

func TestGNOMEProxyChangedSince(t *testing.T) {
	f := newFakeSettings()
	door := &gnomeDoor{testConfig(t, f.run)}
	if err := door.Set(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.set["mode"], f.set["host"] = "'manual'", "'proxy'" // the person chose a proxy
	if err := door.Verify(t.Context()); !errors.Is(err, ErrTurnedOff) {
		t.Errorf("the person chose a proxy: %v", err)
	}
	if err := door.Undo(t.Context()); err != nil {
		t.Fatal(err)
	}
	if want := map[string]string{"mode": "'manual'", "host": "'proxy'"}; !maps.Equal(f.set, want) {
		t.Errorf("undo left %v, want %v", f.set, want)
	}
}

func TestGNOMEProxyLeftWithoutAJournal(t *testing.T) {
	f := newFakeSettings()
	lost := &gnomeDoor{testConfig(t, f.run)}
	if err := lost.Set(t.Context()); err != nil {
		t.Fatal(err)
	}
	door := &gnomeDoor{testConfig(t, f.run)} // with a new journal
	door.cfg.Want.Gateway = lost.cfg.Want.Gateway
	if err := door.Set(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := door.Undo(t.Context()); err != nil || len(f.set) > 0 {
		t.Errorf("undo left %v, %v", f.set, err)
	}
}

func TestGNOMEProxyWithoutASession(t *testing.T) {
	f := newFakeSettings()
	f.deaf = true
	door := &gnomeDoor{testConfig(t, f.run)}
	if err := door.Set(t.Context()); err == nil {
		t.Error("a setting that did not take is called set")
	}
	if entries, err := door.cfg.Journal.Entries(t.Context()); err != nil || len(entries) > 0 {
		t.Errorf("the journal keeps %v, %v", entries, err)
	}
}

var realSettings = flag.Bool("gsettings", false, "run in a private session: dbus-run-session -- env HOME=DIR … -gsettings changes its proxy settings")

// TestRealGNOMEProxy starts itself in a session and a home of its own and sets
// the door by the real gsettings.
func TestRealGNOMEProxy(t *testing.T) {
	if *realSettings {
		realGNOMEProxy(t)
		return
	}
	for _, program := range []string{"gsettings", "dbus-run-session"} {
		if !installed(program) {
			t.Skip("needs ", program)
		}
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	home := t.TempDir()
	cmd := exec.CommandContext(t.Context(), "dbus-run-session", "--", self, "-test.run", "^TestRealGNOMEProxy$", "-test.v", "-gsettings")
	cmd.Env = append(os.Environ(), "HOME="+home, "XDG_CONFIG_HOME="+home+"/.config", "XDG_RUNTIME_DIR="+home, "XDG_CURRENT_DESKTOP=GNOME", "DISPLAY=:none")
	out, err := cmd.CombinedOutput()
	if strings.Contains(string(out), "No schemas installed") || strings.Contains(string(out), "No such schema") {
		t.Skip("needs gsettings-desktop-schemas")
	}
	if err != nil || !strings.Contains(string(out), "--- PASS: TestRealGNOMEProxy") {
		t.Errorf("%v\n%s", err, out)
	}
}

func realGNOMEProxy(t *testing.T) {
	cfg := testConfig(t, Exec)
	before := dump(t)
	env := System()
	if m := Look(t.Context(), env); m.Desktop != GNOME || !m.Tools.GSettings || !m.SessionBus || m.Proxy.Mode != ProxyNone {
		t.Errorf("the machine looks like %+v", m)
	}
	door := &gnomeDoor{cfg}
	for range 2 {
		if err := door.Set(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if err := door.Verify(t.Context()); err != nil {
		t.Error(err)
	}
	if m := Look(t.Context(), env); m.Proxy.Mode != ProxyOurs {
		t.Errorf("our setting looks like %+v", m.Proxy)
	}
	if err := door.Undo(t.Context()); err != nil {
		t.Fatal(err)
	}
	if after := dump(t); after != before {
		t.Errorf("undo left %s, before %s", after, before)
	}
	if _, err := Exec(t.Context(), "gsettings", "set", gnomeSchema, "mode", "manual"); err != nil {
		t.Fatal(err)
	}
	if err := door.Set(t.Context()); !errors.Is(err, ErrTaken) {
		t.Errorf("the person's proxy was overwritten: %v", err)
	}
}

// dump is all that the person's database holds about proxies.
func dump(t *testing.T) string {
	t.Helper()
	out, err := Exec(t.Context(), "gsettings", "list-recursively", gnomeSchema)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

package setup

import (
	"context"
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"altnet/platform/browser"
	"altnet/platform/splitdns"
)

// healthy are facts of a computer where all is well.
func healthy() Facts {
	return Facts{
		Node: func(context.Context) Node {
			return Node{Running: true, Online: true, Connected: true, Gateway: "127.0.0.1:8080", Data: "/data", Needs: 1 << 20}
		},
		Lookup:    func(context.Context, string) ([]string, error) { return []string{"127.0.0.1"}, nil },
		Get:       func(context.Context, string) (int, error) { return 200, nil },
		Free:      func(string) (int64, error) { return 1 << 40, nil },
		Clock:     func(context.Context) (bool, error) { return true, nil },
		Tunnels:   func(context.Context) ([]string, error) { return nil, nil },
		Antivirus: func(context.Context) ([]string, error) { return nil, nil },
		Browsers:  func() []browser.Browser { return nil },
	}
}

func find(checks []Check, id string) Check {
	for _, c := range checks {
		if c.ID == id {
			return c
		}
	}
	return Check{}
}

func TestDoctorHealthy(t *testing.T) {
	w := newWorld(t)
	w.service = true
	if _, err := w.process(User).Apply(t.Context(), Choice{true, true}, nil); err != nil {
		t.Fatal(err)
	}
	checks := w.process(User).Doctor(t.Context(), healthy())
	if Worst(checks) != OK || len(checks) < 9 {
		t.Errorf("%+v", checks)
	}
	for _, c := range checks {
		if c.Title.String() == "" || c.Found.String() == "" || strings.ContainsAny(c.Found.String(), "{}") {
			t.Errorf("%+v", c)
		}
	}
}

func TestDoctorFinds(t *testing.T) {
	bad := errors.New("because")
	for _, tt := range []struct {
		name, id string
		want     State
		fixable  bool
		change   func(*world, *Facts)
	}{
		{"no node", "node", Bad, true, func(_ *world, f *Facts) {
			f.Node = func(context.Context) Node { return Node{} }
			f.StartNode = func(context.Context) error { return nil }
		}},
		{"node in trouble", "node", Bad, false, func(_ *world, f *Facts) { f.Node = func(context.Context) Node { return Node{Failed: "x"} } }},
		{"offline", "node", Warn, false, func(_ *world, f *Facts) { f.Node = func(context.Context) Node { return Node{Running: true} } }},
		{"alone", "node", Warn, false, func(_ *world, f *Facts) {
			f.Node = func(context.Context) Node { return Node{Running: true, Online: true} }
		}},
		{"gateway closed", "ports", Bad, false, func(_ *world, f *Facts) { f.Node = func(context.Context) Node { return Node{Running: true} } }},
		{"gateway silent", "ports", Bad, false, func(_ *world, f *Facts) { f.Get = func(context.Context, string) (int, error) { return 0, bad } }},
		{"another server", "ports", Bad, false, func(_ *world, f *Facts) { f.Get = func(context.Context, string) (int, error) { return 404, nil } }},
		{"door broken", "door:pac-gnome", Bad, true, func(w *world, _ *Facts) { w.broken[splitdns.GNOMEProxy] = true }},
		{"no names", "resolver", Bad, false, func(_ *world, f *Facts) {
			f.Lookup = func(context.Context, string) ([]string, error) { return nil, bad }
		}},
		{"a stranger answers", "resolver", Bad, false, func(_ *world, f *Facts) {
			f.Lookup = func(context.Context, string) ([]string, error) { return []string{"203.0.113.7"}, nil }
		}},
		{"names in browsers alone", "resolver", OK, false, func(_ *world, f *Facts) {
			f.Lookup = func(_ context.Context, host string) ([]string, error) {
				if host == "localhost" {
					return []string{"127.0.0.1"}, nil
				}
				return nil, bad
			}
		}},
		{"root taken out", "trust:anchors", Bad, true, func(w *world, _ *Facts) { w.write("etc/ssl/certs/ca-certificates.crt", "") }},
		{"clock in the past", "clock", Bad, false, func(_ *world, f *Facts) {
			f.Node = func(context.Context) Node { return Node{Built: time.Now().Add(time.Hour)} }
		}},
		{"clock runs free", "clock", Warn, false, func(_ *world, f *Facts) { f.Clock = func(context.Context) (bool, error) { return false, nil } }},
		{"clock unknown", "clock", Unknown, false, func(_ *world, f *Facts) { f.Clock = nil }},
		{"VPN", "vpn", Warn, false, func(_ *world, f *Facts) {
			f.Tunnels = func(context.Context) ([]string, error) { return []string{"wg0"}, nil }
		}},
		{"disk full", "disk", Bad, false, func(_ *world, f *Facts) { f.Free = func(string) (int64, error) { return 5, nil } }},
		{"disk tight", "disk", Warn, false, func(_ *world, f *Facts) {
			f.Free = func(string) (int64, error) { return 2 << 30, nil }
			f.Node = func(context.Context) Node { return Node{Data: "/d", Needs: 9 << 30} }
		}},
		{"antivirus", "antivirus", OK, false, func(_ *world, f *Facts) {
			f.Antivirus = func(context.Context) ([]string, error) { return []string{"X"}, nil }
		}},
		{"antivirus unknown", "antivirus", Unknown, false, func(_ *world, f *Facts) {
			f.Antivirus = func(context.Context) ([]string, error) { return nil, bad }
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			w.service = true
			if _, err := w.process(User).Apply(t.Context(), Choice{true, true}, nil); err != nil {
				t.Fatal(err)
			}
			facts := healthy()
			tt.change(w, &facts)
			c := find(w.process(User).Doctor(t.Context(), facts), tt.id)
			if c.State != tt.want || (c.Fix != nil) != tt.fixable {
				t.Errorf("%+v", c)
			}
			if tt.want != OK && tt.want != Unknown && (c.Means.String() == "" || c.Remedy.String() == "") {
				t.Errorf("nothing is said of what it means or what to do: %+v", c)
			}
		})
	}
}

func TestDoctorBrowsers(t *testing.T) {
	for _, tt := range []struct {
		prefs  string
		script bool
		want   State
	}{
		{``, true, OK},
		{`user_pref("network.trr.mode", 3);`, true, OK},
		{`user_pref("network.trr.mode", 3);`, false, Bad},
		{`user_pref("network.proxy.type", 1);`, true, Bad},
		{`user_pref("network.proxy.type", 0);`, true, Bad},
		{`user_pref("network.proxy.type", 1);`, false, OK},
	} {
		w := newWorld(t)
		if !tt.script {
			w.decision.Doors = []splitdns.Choice{{Door: splitdns.Link}, {Door: splitdns.Localhost}}
		}
		profile := w.path("home/.mozilla/firefox/p")
		if err := os.MkdirAll(profile, 0o700); err != nil {
			t.Fatal(err)
		}
		w.write("home/.mozilla/firefox/p/prefs.js", tt.prefs)
		w.write("home/.mozilla/firefox/p/cert9.db", "")
		facts := healthy()
		facts.Browsers = func() []browser.Browser { return browser.Find(w.env().Env) }
		if c := find(w.process(User).Doctor(t.Context(), facts), "browser:"+profile); c.State != tt.want {
			t.Errorf("%q, script %v: %+v", tt.prefs, tt.script, c)
		}
	}
}

func TestFixes(t *testing.T) {
	w := newWorld(t)
	w.service = true
	if _, err := w.process(User).Apply(t.Context(), Choice{true, true}, nil); err != nil {
		t.Fatal(err)
	}
	if err := w.process(User).Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.write("etc/ssl/certs/ca-certificates.crt", "")
	s := w.process(User)
	for _, c := range s.Doctor(t.Context(), healthy()) {
		if c.Fix != nil {
			if err := c.Fix(t.Context()); err != nil {
				t.Errorf("%s: %v", c.ID, err)
			}
		}
	}
	if checks := s.Doctor(t.Context(), healthy()); Worst(checks) != OK {
		t.Errorf("%+v", checks)
	}
}

func TestIsTunnel(t *testing.T) {
	for _, tt := range []struct {
		goos, name string
		flags      net.Flags
		want       bool
	}{
		{"linux", "eth0", net.FlagBroadcast, false}, {"linux", "wg0", net.FlagPointToPoint, true}, {"linux", "tun0", 0, true},
		{"linux", "ppp0", net.FlagPointToPoint, false}, {"linux", "wwan0", net.FlagPointToPoint, false}, {"linux", "lo", net.FlagLoopback, false},
		{"darwin", "utun4", net.FlagPointToPoint, true}, {"darwin", "en0", 0, false}, {"windows", "Ethernet", 0, false},
		{"windows", "ProtonVPN TUN", 0, true}, {"windows", "Tunnelblick", 0, false}, {"linux", "", 0, false},
	} {
		if got := isTunnel(tt.goos, tt.name, tt.flags); got != tt.want {
			t.Errorf("%s %s: %v", tt.goos, tt.name, got)
		}
	}
}

func TestElevation(t *testing.T) {
	has := func(names ...string) func(string) (string, error) {
		return func(name string) (string, error) {
			for _, n := range names {
				if n == name {
					return "/bin/" + n, nil
				}
			}
			return "", exec.ErrNotFound
		}
	}
	for _, tt := range []struct {
		name string
		m    Means
		want string
	}{
		{"root", Means{GOOS: "linux", Root: true}, "/alt net helper x"},
		{"desktop", Means{GOOS: "linux", Display: true, Terminal: true, LookPath: has("pkexec", "sudo")}, "/bin/pkexec /alt net helper x"},
		{"desktop without polkit", Means{GOOS: "linux", Display: true, Terminal: true, LookPath: has("sudo")}, "/bin/sudo -- /alt net helper x"},
		{"terminal", Means{GOOS: "linux", Terminal: true, LookPath: has("pkexec", "doas")}, "/bin/doas -- /alt net helper x"},
		{"nothing", Means{GOOS: "linux", LookPath: has("pkexec", "sudo")}, ""},
		{"mac", Means{GOOS: "darwin", Display: true}, `/usr/bin/osascript -e do shell script "'/alt net' 'helper' 'x'" with administrator privileges`},
		{"mac by ssh", Means{GOOS: "darwin", Terminal: true, LookPath: has("sudo")}, "/bin/sudo -- /alt net helper x"},
	} {
		got, err := Elevation(tt.m, "/alt net", "helper", "x")
		if strings.Join(got, " ") != tt.want || (tt.want == "") != errors.Is(err, ErrNoAdministrator) {
			t.Errorf("%s: %q, %v", tt.name, got, err)
		}
	}
	if got := appleScript(shellWords([]string{`it's "a\b"`})); got != `"'it'\\''s \"a\\b\"'"` {
		t.Errorf("%s", got)
	}
}

func TestElevateReportsANo(t *testing.T) {
	dir := t.TempDir()
	for end, want := range map[string]error{
		"exit 126": ErrDeclined, "exit 127": ErrDeclined, "exit 0": nil,
		"echo 'Error executing command as another user: No authentication agent found.' >&2; exit 127": ErrNoAdministrator,
	} {
		path := filepath.Join(dir, "pkexec")
		if err := os.WriteFile(path, []byte("#!/bin/sh\n"+end+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
		m := Means{GOOS: "linux", Display: true, LookPath: func(string) (string, error) { return path, nil }}
		if err := Elevate(t.Context(), m, nil, "/bin/true"); !errors.Is(err, want) {
			t.Errorf("%s: %v", end, err)
		}
	}
}

var placeholder = regexp.MustCompile(`\{[a-z]+\}`)

// Every text that the code names is there, and every one that is there is
// named or can be made from what is named.
func TestMessages(t *testing.T) {
	all := Messages()
	if len(all) < 100 {
		t.Fatalf("only %d texts", len(all))
	}
	for id, text := range all {
		if text == "" || strings.Contains(placeholder.ReplaceAllString(text, ""), "{") {
			t.Errorf("%s: %q", id, text)
		}
	}
	for _, call := range calls(t, "check") {
		if id := "doctor." + call[1] + "." + call[2]; call[1] != "" && call[2] != "" && all[id] == "" {
			t.Errorf("%s is not there", id)
		}
	}
	for _, call := range calls(t, "say") {
		if id := call[0]; id != "" && !strings.HasSuffix(id, ".") && all[id] == "" {
			t.Errorf("%s is not there", id)
		}
	}
	var sorted map[string]string
	if err := json.Unmarshal(messagesJSON, &sorted); err != nil || !reflect.DeepEqual(sorted, all) {
		t.Errorf("%v", err)
	}
}

// calls lists the arguments of all calls of a function, "" for those that are
// no plain strings.
func calls(t *testing.T, name string) [][3]string {
	t.Helper()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	var list [][3]string
	for _, file := range files {
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			if fn, ok := call.Fun.(*ast.Ident); !ok || fn.Name != name {
				return true
			}
			var args [3]string
			for i := range min(3, len(call.Args)) {
				if lit, ok := call.Args[i].(*ast.BasicLit); ok && lit.Kind == token.STRING {
					args[i], _ = strconv.Unquote(lit.Value)
				}
			}
			list = append(list, args)
			return true
		})
	}
	if len(list) < 5 {
		t.Fatalf("only %d calls of %s were found", len(list), name)
	}
	return list
}

func TestFactsOfThisComputer(t *testing.T) {
	w := newWorld(t)
	f := Here(w.env())
	if n, err := f.Free(w.path("home/not/there/yet")); err != nil || n <= 0 {
		t.Errorf("%d, %v", n, err)
	}
	if addresses, err := f.Lookup(t.Context(), "localhost"); err != nil || len(addresses) == 0 {
		t.Errorf("%v, %v", addresses, err)
	}
	if _, err := f.Tunnels(t.Context()); err != nil {
		t.Error(err)
	}
	if err := os.MkdirAll(w.path("opt/eset"), 0o755); err != nil {
		t.Fatal(err)
	}
	if names, err := f.Antivirus(t.Context()); err != nil || !reflect.DeepEqual(names, []string{"ESET"}) {
		t.Errorf("%v, %v", names, err)
	}
}

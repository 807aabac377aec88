package service

import (
	"encoding/xml"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func TestMachine(t *testing.T) {
	programData := func(string) string { return `C:\ProgramData` }
	for goos, want := range map[string]Layout{
		"linux":   {"/var/lib/altnet/node", "/run/altnet", "/var/lib/altnet", "/var/lib/altnet/operators"},
		"freebsd": {"/var/lib/altnet/node", "/run/altnet", "/var/lib/altnet", "/var/lib/altnet/operators"},
		"darwin": {"/Library/Application Support/AltNet/node", "/Library/Application Support/AltNet/run",
			"/Library/Application Support/AltNet", "/Library/Application Support/AltNet/operators"},
		"windows": {`C:\ProgramData\AltNet\node`, `C:\ProgramData\AltNet\node`, `C:\ProgramData\AltNet`, `C:\ProgramData\AltNet\operators`},
	} {
		if got := Machine(goos, programData); got != want {
			t.Errorf("%s: got %+v, want %+v", goos, got, want)
		}
	}
}

// units renders both parts for a program whose path has a blank in it.
func units() map[string]string {
	texts := map[string]string{}
	for _, p := range parts([]string{"-network", "a b"}) {
		texts[p.name+".service"] = SystemdUnit("/opt/Alt Net/altnet", p.name, p.args)
	}
	return texts
}

func TestSystemdUnits(t *testing.T) {
	node := units()["altnet.service"]
	for _, line := range []string{
		`ExecStart="/opt/Alt Net/altnet" service run -network "a b" $ALTNET_FLAGS`, "User=altnet", "Type=notify",
		"NoNewPrivileges=yes", "ProtectSystem=strict", "ProtectHome=yes", "CapabilityBoundingSet=CAP_NET_BIND_SERVICE",
		"StateDirectory=altnet/node", "RuntimeDirectory=altnet", "RestartMaxDelaySec=5min",
	} {
		if !strings.Contains(node, line+"\n") {
			t.Errorf("the node's unit lacks %q", line)
		}
	}
	doors := units()["altnet-doors.service"]
	for _, line := range []string{"BindsTo=altnet.service", `ExecStopPost="/opt/Alt Net/altnet" service doors cleanup`, "IPAddressDeny=any"} {
		if !strings.Contains(doors, line+"\n") {
			t.Errorf("the doors' unit lacks %q", line)
		}
	}
	for name, text := range units() {
		if !strings.Contains(text, mark) {
			t.Errorf("%s does not say who made it", name)
		}
	}
}

// Directives that systemd 252, the oldest one, does not know yet; it ignores
// them.
var newDirectives = regexp.MustCompile(`Unknown key( name)? '(RestartSteps|RestartMaxDelaySec)'`)

func TestSystemdTakesTheUnits(t *testing.T) {
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		t.Skip("no systemd-analyze")
	}
	dir := t.TempDir()
	program := filepath.Join(dir, "altnet")
	if err := os.WriteFile(program, nil, 0o755); err != nil {
		t.Fatal(err)
	}
	var files []string
	for _, p := range parts(nil) {
		file := filepath.Join(dir, p.name+".service")
		if err := os.WriteFile(file, []byte(SystemdUnit(program, p.name, p.args)), 0o644); err != nil {
			t.Fatal(err)
		}
		files = append(files, file)
	}
	out, err := exec.Command("systemd-analyze", append([]string{"verify", "--man=no"}, files...)...).CombinedOutput()
	if err != nil && !strings.Contains(string(out), dir) {
		t.Skipf("systemd-analyze does not work here: %v %s", err, out)
	}
	for line := range strings.Lines(string(out)) {
		if strings.Contains(line, dir) && !newDirectives.MatchString(line) {
			t.Error(line)
		}
	}
}

func TestScriptsAreShell(t *testing.T) {
	for name, text := range map[string]string{
		"sysv":   SysvScript("/opt/Alt Net/altnet", parts([]string{"-network", `a "b" $c`})[0].args),
		"openrc": OpenRCScript("/usr/bin/altnet", parts([]string{"-network", `a "b"`})[0].args),
	} {
		cmd := exec.Command("sh", "-n")
		cmd.Stdin = strings.NewReader(text)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s: %v: %s", name, err, out)
		}
	}
}

func TestJoinSurvivesTheShell(t *testing.T) {
	if _, err := exec.LookPath("sh"); err != nil {
		t.Skip("no sh")
	}
	words := []string{"a b", `"q"`, `back\slash`, "$HOME", "`id`", "", "plain", "semi;colon"}
	out, err := exec.Command("sh", "-c", `printf '%s|' `+join(words...)).Output()
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Split(strings.TrimSuffix(string(out), "|"), "|"); !slices.Equal(got, words) {
		t.Errorf("got %q, want %q", got, words)
	}
}

func TestLaunchdPlist(t *testing.T) {
	for _, p := range parts([]string{"-network", "<a&b>"}) {
		text := LaunchdPlist("/usr/local/bin/altnet", p.name, p.args)
		for d := xml.NewDecoder(strings.NewReader(text)); ; {
			if _, err := d.Token(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("%s: %v", p.name, err)
			}
		}
		if own := strings.Contains(text, "<string>_altnet</string>"); own == p.root {
			t.Errorf("%s runs as the node's user: %v", p.name, own)
		}
		if mask := map[bool]string{false: "63", true: "18"}[p.root]; !strings.Contains(text, "<key>Umask</key>\n\t<integer>"+mask+"</integer>") {
			t.Errorf("%s makes files with other rights:\n%s", p.name, text)
		}
		if !strings.Contains(text, "<string>org.altnet."+p.name+"</string>") {
			t.Errorf("%s has no label", p.name)
		}
	}
}

func TestLaunchdState(t *testing.T) {
	const head = "system/org.altnet.altnet = {\n\tactive count = 1\n\tpath = /Library/LaunchDaemons/org.altnet.altnet.plist\n"
	for text, want := range map[string]State{
		head + "\tstate = running\n\tlast exit code = (never exited)\n\tendpoints = {\n\t\tstate = active\n\t}\n}\n": Running,
		head + "\tstate = running\n\tlast exit code = 1\n}\n":                                                        Running,
		head + "\tstate = not running\n\tlast exit code = 0\n}\n":                                                    Stopped,
		head + "\tstate = not running\n\tlast exit code = (never exited)\n}\n":                                       Stopped,
		head + "\tstate = spawn scheduled\n\tlast exit code = 78: EX_CONFIG\n}\n":                                    Failed,
		"": Stopped,
	} {
		if got := launchdState(text); got != want {
			t.Errorf("%s: want %s, read from %s", got, want, text)
		}
	}
}

func TestLiteralIsNoTemplate(t *testing.T) {
	if got := literal("a {{Path}} b"); strings.Contains(got, "{{") {
		t.Errorf("%q would be read as a template", got)
	}
}

func TestOperators(t *testing.T) {
	file := filepath.Join(t.TempDir(), "operators")
	if list, err := ReadOperators(file); err != nil || len(list) != 0 {
		t.Fatalf("missing file: %v, %v", list, err)
	}
	for _, id := range []string{"1000", "", "1001", "1000"} {
		if err := addOperator(file, id); err != nil {
			t.Fatal(err)
		}
	}
	if list, err := ReadOperators(file); err != nil || !slices.Equal(list, []string{"1000", "1001"}) {
		t.Errorf("got %q, %v", list, err)
	}
	got := parseOperators([]byte("# all of us\n 7 # me\n\n7\r\nS-1-5-21-1\n"))
	if want := []string{"7", "S-1-5-21-1"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestOwnAddressGivesWay(t *testing.T) {
	first := netip.MustParseAddr("127.0.0.1")
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	port := taken.Addr().(*net.TCPAddr).Port
	got, err := ownAddress(t.Context(), first, []int{port}, []int{port})
	if err != nil {
		t.Skipf("this system has no further loopback addresses: %v", err)
	}
	if got != netip.MustParseAddr("127.0.0.2") {
		t.Errorf("got %v", got)
	}
}

func TestNoOwnAddress(t *testing.T) {
	const impossible = 1 << 17
	if _, err := ownAddress(t.Context(), firstOwn, nil, []int{impossible}); !errors.Is(err, ErrNoOwn) {
		t.Errorf("got %v", err)
	}
}

func TestReadyTellsSystemd(t *testing.T) {
	path := filepath.Join(t.TempDir(), "n")
	l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Skip(err)
	}
	defer l.Close()
	t.Setenv("NOTIFY_SOCKET", path)
	if err := Ready(); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 64)
	n, err := l.Read(b)
	if err != nil || string(b[:n]) != "READY=1" {
		t.Errorf("got %q, %v", b[:n], err)
	}
}

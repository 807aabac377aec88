//go:build linux

package e2e

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// firefox is a running headless Firefox, driven by the protocol that its own
// tests use: a length, a colon, a JSON array.
type firefox struct {
	t    *testing.T
	cmd  *exec.Cmd
	conn net.Conn
	in   *bufio.Reader
	id   int
}

// startFirefox starts a Firefox as its person would, but for a window. It
// makes its own profile where there is none.
func startFirefox(t *testing.T, env []string) *firefox {
	t.Helper()
	program, err := exec.LookPath("firefox-esr")
	if err != nil {
		if program, err = exec.LookPath("firefox"); err != nil {
			t.Skip("Firefox is not installed")
		}
	}
	f := &firefox{t: t, cmd: exec.Command(program, "--headless", "--marionette", "--remote-allow-system-access")}
	f.cmd.Env = append(env, "MOZ_DISABLE_CONTENT_SANDBOX=1", "MOZ_REMOTE_SETTINGS_DEVTOOLS=1")
	f.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	check(t, f.cmd.Start())
	t.Cleanup(f.quit)
	f.connect()
	return f
}

// connect waits for the port, which every Firefox opens alike.
func (f *firefox) connect() {
	f.t.Helper()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for range 300 {
		conn, err := net.Dial("tcp", "127.0.0.1:2828")
		if err == nil {
			f.conn, f.in = conn, bufio.NewReader(conn)
			f.frame() // who it is
			f.must("WebDriver:NewSession", map[string]any{"capabilities": map[string]any{}})
			return
		}
		<-tick.C
	}
	f.t.Fatal("Firefox did not open its port")
}

func (f *firefox) quit() {
	if f.cmd.ProcessState != nil {
		return
	}
	if f.conn != nil {
		f.do("Marionette:Quit", map[string]any{"flags": []string{"eForceQuit"}})
		f.conn.Close()
	}
	done := make(chan struct{})
	go func() { f.cmd.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		syscall.Kill(-f.cmd.Process.Pid, syscall.SIGKILL)
		<-done
	}
}

func (f *firefox) frame() []byte {
	length, err := f.in.ReadString(':')
	if err != nil {
		return nil
	}
	n, err := strconv.Atoi(strings.TrimSuffix(length, ":"))
	if err != nil {
		return nil
	}
	body := make([]byte, n)
	if _, err := io.ReadFull(f.in, body); err != nil {
		return nil
	}
	return body
}

// do sends a command and returns its value, or the error that Firefox names.
func (f *firefox) do(command string, args any) (json.RawMessage, error) {
	f.id++
	text, err := json.Marshal([]any{0, f.id, command, args})
	if err != nil {
		return nil, err
	}
	f.conn.SetDeadline(time.Now().Add(time.Minute))
	if _, err := fmt.Fprintf(f.conn, "%d:%s", len(text), text); err != nil {
		return nil, err
	}
	var reply []json.RawMessage
	if err := json.Unmarshal(f.frame(), &reply); err != nil || len(reply) != 4 {
		return nil, fmt.Errorf("%s: no answer: %v", command, err)
	}
	if string(reply[2]) != "null" {
		return nil, fmt.Errorf("%s: %s", command, reply[2])
	}
	return reply[3], nil
}

func (f *firefox) must(command string, args any) json.RawMessage {
	f.t.Helper()
	v, err := f.do(command, args)
	if err != nil {
		f.t.Fatal(err)
	}
	return v
}

// open goes to a URL and returns the page as it stands once ready() is true in
// it, or why it did not open.
func (f *firefox) open(url, ready string) (string, error) {
	if _, err := f.do("WebDriver:Navigate", map[string]any{"url": url}); err != nil {
		return "", err
	}
	script := `let done = arguments[arguments.length - 1]; let end = Date.now() + 20000;
		(function look() { if (` + ready + ` || Date.now() > end) done(document.documentElement.outerHTML); else setTimeout(look, 100); })()`
	v, err := f.do("WebDriver:ExecuteAsyncScript", map[string]any{"script": script, "args": []any{}, "scriptTimeout": 30000})
	if err != nil {
		return "", err
	}
	var out struct{ Value string }
	return out.Value, json.Unmarshal(v, &out)
}

// profileOf returns the folder of the profile that Firefox made.
func profileOf(t *testing.T, home string) string {
	t.Helper()
	for _, pattern := range []string{".mozilla/firefox/*/prefs.js", ".config/mozilla/firefox/*/prefs.js"} {
		if found, _ := filepath.Glob(filepath.Join(home, pattern)); len(found) > 0 {
			return filepath.Dir(found[0])
		}
	}
	t.Fatal("Firefox made no profile")
	return ""
}

func appendFile(t *testing.T, path, text string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	check(t, err)
	_, err = f.WriteString(text)
	check(t, err)
	check(t, f.Close())
}

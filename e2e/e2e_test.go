//go:build linux

package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

var (
	enabled = flag.Bool("e2e", false, "run the end-to-end tests against the built binary")
	binary  = flag.String("altnet", "", "binary to drive; default: build one")
)

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(run(m))
}

func run(m *testing.M) int {
	if !*enabled {
		return m.Run()
	}
	if *binary == "" {
		dir, err := os.MkdirTemp("", "altnet-e2e-")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		*binary = filepath.Join(dir, "altnet")
		build := exec.Command("go", "build", "-tags", "nogui", "-o", *binary, "..")
		if out, err := build.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "build: %v\n%s", err, out)
			return 1
		}
	}
	return m.Run()
}

// needE2E skips unless -e2e was given.
func needE2E(t *testing.T) {
	t.Helper()
	if !*enabled {
		t.Skip("end-to-end: run with -e2e (make e2e)")
	}
}

// node is one running AltNet process.
type node struct {
	t       *testing.T
	name    string
	dir     string
	listen  string
	gateway string
	args    []string
	cmd     *exec.Cmd
	service bool  // the node is the computer's service, not one of this folder
	uid     int   // of who runs the commands; 0: whoever runs the test
	peak    int64 // bytes of resident memory of the hungriest client command
}

// start runs a node and waits until it answers on its control socket.
func start(t *testing.T, name string, bootstrap *node, extra ...string) *node {
	t.Helper()
	n := &node{t: t, name: name, dir: t.TempDir(), listen: freeAddr(t), gateway: freeAddr(t)}
	n.args = append([]string{"-headless", "-listen", n.listen, "-gateway", n.gateway, "-log-level", "info"}, extra...)
	if bootstrap != nil {
		n.args = append(n.args, "-bootstrap", bootstrap.listen)
	}
	n.spawn()
	t.Cleanup(n.kill)
	return n
}

// spawn starts the process on the node's folder, which may have been used before.
func (n *node) spawn() {
	n.t.Helper()
	logFile, err := os.OpenFile(filepath.Join(n.dir, "node.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	check(n.t, err)
	defer logFile.Close()
	n.cmd = exec.Command(*binary, n.args...)
	n.cmd.Env = n.env()
	n.cmd.Stdout, n.cmd.Stderr = logFile, logFile
	check(n.t, n.cmd.Start())
	n.eventually(20*time.Second, "answer on the control socket", func() error {
		_, err := n.try("status", "-json")
		return err
	})
}

func (n *node) env() []string {
	data, profile := filepath.Join(n.dir, "store"), filepath.Join(n.dir, "profile")
	if n.service {
		data = ""
	}
	if n.uid != 0 {
		profile = filepath.Join(n.dir, ".config", "altnet", "profile") // their own
	}
	return append(os.Environ(),
		"ALTNET_DATA="+data,
		"ALTNET_PROFILE="+profile,
		"HOME="+n.dir)
}

// as makes a process the person's.
func (n *node) as() *syscall.SysProcAttr {
	if n.uid == 0 {
		return &syscall.SysProcAttr{}
	}
	return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(n.uid), Gid: uint32(n.uid)}}
}

// kill ends the process with SIGKILL, as a power cut would.
func (n *node) kill() {
	if n.cmd.ProcessState == nil {
		n.cmd.Process.Signal(syscall.SIGKILL)
		n.cmd.Wait()
	}
}

// stop ends the process as a person would and fails the test on an unclean end.
func (n *node) stop() {
	n.t.Helper()
	n.cmd.Process.Signal(syscall.SIGTERM)
	if err := n.cmd.Wait(); err != nil {
		n.t.Errorf("%s did not stop cleanly: %v\n%s", n.name, err, n.log())
	}
}

// try runs a client command against the node.
func (n *node) try(args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(n.t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, *binary, args...)
	cmd.Env, cmd.SysProcAttr = n.env(), n.as()
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		n.peak = max(n.peak, usage.Maxrss<<10)
	}
	if err != nil {
		return out.String(), fmt.Errorf("%s: altnet %s: %w\n%s%s", n.name, strings.Join(args, " "), err, out.String(), errs.String())
	}
	return out.String(), nil
}

// do is try that must succeed.
func (n *node) do(args ...string) string {
	n.t.Helper()
	out, err := n.try(args...)
	if err != nil {
		n.t.Fatalf("%v\nlog of %s:\n%s", err, n.name, n.log())
	}
	return out
}

// ask runs a client command with -json and decodes what it prints.
func ask[T any](n *node, args ...string) T {
	n.t.Helper()
	var v T
	out := n.do(append(args, "-json")...)
	if err := json.Unmarshal([]byte(out), &v); err != nil {
		n.t.Fatalf("altnet %v -json: %v\n%s", args, err, out)
	}
	return v
}

// log returns the end of what the node logged.
func (n *node) log() string {
	b, _ := os.ReadFile(filepath.Join(n.dir, "node.log"))
	return string(b[max(0, len(b)-4000):])
}

// eventually waits until what holds, for at most limit.
func (n *node) eventually(limit time.Duration, what string, probe func() error) {
	n.t.Helper()
	ctx, cancel := context.WithTimeout(n.t.Context(), limit)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		err := probe()
		if err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			n.t.Fatalf("%s did not %s within %v: %v\nlog:\n%s", n.name, what, limit, err, n.log())
		}
	}
}

// waitPeers waits until the node is in session with at least count peers.
func (n *node) waitPeers(count int) {
	n.t.Helper()
	n.eventually(30*time.Second, fmt.Sprintf("meet %d peers", count), func() error {
		var s struct{ Peers int }
		out, err := n.try("status", "-json")
		if err == nil {
			err = json.Unmarshal([]byte(out), &s)
		}
		if err == nil && s.Peers < count {
			err = fmt.Errorf("%d peers", s.Peers)
		}
		return err
	})
}

// net starts count nodes that all know the first.
func network(t *testing.T, count int) []*node {
	t.Helper()
	nodes := []*node{start(t, "A", nil)}
	for i := 1; i < count; i++ {
		nodes = append(nodes, start(t, string(rune('A'+i)), nodes[0]))
	}
	for _, n := range nodes {
		n.waitPeers(min(count-1, 3))
	}
	return nodes
}

// get asks the node's gateway for a path of a site.
func (n *node) get(site, path string, header ...string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(n.t.Context(), http.MethodGet, "http://"+n.gateway+path, nil)
	if err != nil {
		return nil, err
	}
	req.Host = site
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	return client.Do(req)
}

// client follows no redirects and reuses connections.
var client = &http.Client{
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	Transport:     &http.Transport{MaxIdleConnsPerHost: 16},
	Timeout:       3 * time.Minute,
}

// same compares a response's body with a file, without holding either.
func same(body io.Reader, file string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	a, b := make([]byte, 1<<16), make([]byte, 1<<16)
	for off := int64(0); ; {
		n, errA := io.ReadFull(f, a)
		m, errB := io.ReadFull(body, b)
		if !bytes.Equal(a[:n], b[:m]) {
			return fmt.Errorf("%s differs within %d bytes after %d (%d and %d read, %v)", file, len(a), off, n, m, errB)
		}
		off += int64(n)
		if errA != nil {
			if errors.Is(errB, io.EOF) || errors.Is(errB, io.ErrUnexpectedEOF) {
				return nil
			}
			return fmt.Errorf("%s: the answer goes on or broke after %d bytes: %v", file, off, errB)
		}
	}
}

func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	defer l.Close()
	return l.Addr().String()
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

//go:build linux

package e2e

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// The people of a computer, and the account of its service. The machine need
// know none of them.
const (
	serviceUID = 20000
	annaUID    = 20001
	bertUID    = 20002
	carlUID    = 20003
)

// windowProgram is where the computer has the program with the window.
const windowProgram = "/home/bin/altnet-desktop"

// computer is a machine of its own, hidden from the real one by namespaces:
// the service is installed on it, and several people have accounts.
type computer struct {
	t       *testing.T
	program string
	cmd     *exec.Cmd // of the service
	logFile string
}

// onComputer runs a test inside such namespaces.
func onComputer(t *testing.T, name string) bool {
	t.Helper()
	needE2E(t)
	if os.Getenv(inside) == "" {
		again(t, name, "unshare", "-m", "-n", "--propagation", "private")
		return false
	}
	must := func(name string, args ...string) {
		if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
			t.Fatalf("%s %v: %v: %s", name, args, err, out)
		}
	}
	must("ip", "link", "set", "lo", "up")
	for _, dir := range []string{"/var/lib", "/run", "/home", "/etc/systemd/system"} {
		if _, err := os.Stat(dir); err != nil {
			t.Skipf("no place for a service: %v", err)
		}
		must("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", dir)
	}
	passwd, err := os.ReadFile("/etc/passwd")
	check(t, err)
	for uid, name := range map[int]string{annaUID: "anna", bertUID: "bert", carlUID: "carl"} {
		passwd = fmt.Appendf(passwd, "%s:x:%d:%d::/home/%s:/bin/sh\n", name, uid, uid, name)
	}
	file := filepath.Join(t.TempDir(), "passwd")
	check(t, os.WriteFile(file, passwd, 0o644))
	must("mount", "--bind", file, "/etc/passwd")
	return true
}

// newComputer installs the service as a package would, and starts it as
// systemd would, with flags as an administrator may add them.
func newComputer(t *testing.T, bootstrap *node, flags ...string) *computer {
	t.Helper()
	c := &computer{t: t, program: "/home/bin/altnet", logFile: filepath.Join(t.TempDir(), "service.log")}
	check(t, os.MkdirAll("/run/systemd/system", 0o755))
	check(t, os.MkdirAll(filepath.Dir(c.program), 0o755))
	place(t, *binary, c.program)
	if *windowed != "" {
		place(t, *windowed, windowProgram)
		*windowed = windowProgram // the one that everybody may read
	}
	unit, err := exec.Command(c.program, "service", "unit", "systemd", c.program).Output()
	check(t, err)
	check(t, os.WriteFile("/etc/systemd/system/altnet.service", unit, 0o644))
	for dir, mode := range map[string]os.FileMode{"/var/lib/altnet/node": 0o700, "/run/altnet": 0o755} {
		check(t, os.MkdirAll(dir, 0o755))
		check(t, os.Chmod(dir, mode))
		check(t, os.Chown(dir, serviceUID, serviceUID))
	}
	c.start(append([]string{"-listen", "127.0.0.1:9000", "-bootstrap", bootstrap.listen}, flags...)...)
	return c
}

// place copies a program to where everybody may run it.
func place(t *testing.T, from, to string) {
	t.Helper()
	program, err := os.ReadFile(from)
	check(t, err)
	check(t, os.WriteFile(to, program, 0o755))
}

// start starts the service with what its unit gives it.
func (c *computer) start(flags ...string) {
	c.t.Helper()
	log, err := os.Create(c.logFile)
	check(c.t, err)
	defer log.Close()
	c.cmd = exec.Command(c.program, append([]string{"service", "run"}, flags...)...)
	c.cmd.Env, c.cmd.Dir = []string{"PATH=" + os.Getenv("PATH")}, "/var/lib/altnet/node"
	c.cmd.Stdout, c.cmd.Stderr = log, log
	const lowPorts = 10 // CAP_NET_BIND_SERVICE
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: serviceUID, Gid: serviceUID}, AmbientCaps: []uintptr{lowPorts}}
	before := syscall.Umask(0o077)
	err = c.cmd.Start()
	syscall.Umask(before)
	check(c.t, err)
	c.t.Cleanup(func() {
		c.cmd.Process.Kill()
		c.cmd.Wait()
	})
	c.eventually(20*time.Second, "answer", func() error {
		_, err := c.root().try("settings", "accepted", "yes") // an administrator agrees
		return err
	})
}

func (c *computer) eventually(limit time.Duration, what string, probe func() error) {
	c.t.Helper()
	n := &node{t: c.t, name: "the service", dir: filepath.Dir(c.logFile)}
	n.eventually(limit, what, func() error {
		err := probe()
		if err != nil {
			log, _ := os.ReadFile(c.logFile)
			err = fmt.Errorf("%w\n%s", err, log[max(0, len(log)-4000):])
		}
		return err
	})
}

// account is a person on the computer.
type account struct {
	c    *computer
	uid  int
	home string
	env  []string // besides
}

func (c *computer) root() *account { return &account{c: c, home: "/root"} }

// account makes the home of a person, which nobody else may enter.
func (c *computer) account(name string, uid int) *account {
	c.t.Helper()
	a := &account{c: c, uid: uid, home: "/home/" + name}
	check(c.t, os.MkdirAll(a.home, 0o700))
	check(c.t, os.Chown(a.home, uid, uid))
	return a
}

// command is a program that the person runs.
func (a *account) command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = a.home
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + a.home, "USER=" + filepath.Base(a.home), "LANG=C.UTF-8"}, a.env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(a.uid), Gid: uint32(a.uid)}}
	return cmd
}

// try runs altnet as the person does, on the command line.
func (a *account) try(args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(a.c.t.Context(), 2*time.Minute)
	defer cancel()
	cmd := a.command(ctx, a.c.program, args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("altnet %s: %w\n%s%s", strings.Join(args, " "), err, out.String(), errs.String())
	}
	return out.String(), nil
}

// do is try that must succeed.
func (a *account) do(args ...string) string {
	a.c.t.Helper()
	out, err := a.try(args...)
	if err != nil {
		log, _ := os.ReadFile(a.c.logFile)
		a.c.t.Fatalf("%v\nlog of the service:\n%s", err, log[max(0, len(log)-4000):])
	}
	return out
}

// asked runs a command with -json and decodes what it prints.
func asked[T any](a *account, args ...string) (v T) {
	a.c.t.Helper()
	out := a.do(append(args, "-json")...)
	if err := json.Unmarshal([]byte(out), &v); err != nil {
		a.c.t.Fatalf("altnet %v: %v\n%s", args, err, out)
	}
	return v
}

// own gives what lies below a folder to the person alone.
func (a *account) own(dir string) {
	a.c.t.Helper()
	check(a.c.t, filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		mode := os.FileMode(0o600)
		if d.IsDir() {
			mode = 0o700
		}
		if err := os.Chmod(path, mode); err != nil {
			return err
		}
		return os.Lchown(path, a.uid, a.uid)
	}))
}

// processes counts what still runs of the person.
func (a *account) processes() (count int) {
	statuses, err := filepath.Glob("/proc/[0-9]*/status")
	check(a.c.t, err)
	for _, file := range statuses {
		text, _ := os.ReadFile(file) // it may have ended meanwhile
		for line := range strings.Lines(string(text)) {
			if f := strings.Fields(line); len(f) > 1 && f[0] == "Uid:" && f[1] == strconv.Itoa(a.uid) {
				count++
			}
		}
	}
	return count
}

// headless are the flags of a Chromium that prints the page it is given.
func headless() []string {
	return []string{
		"--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update",
		"--disable-sync", "--disable-dev-shm-usage", "--virtual-time-budget=30000", "--timeout=60000", "--dump-dom",
	}
}

// browse opens a URL in the person's own Chromium and returns the page.
func (a *account) browse(url string, flags ...string) string {
	a.c.t.Helper()
	if _, err := exec.LookPath("chromium"); err != nil {
		a.c.t.Skip("Chromium is not installed")
	}
	ctx, cancel := context.WithTimeout(a.c.t.Context(), 2*time.Minute)
	defer cancel()
	cmd := a.command(ctx, "chromium", append(append(headless(), flags...), url)...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		a.c.t.Fatalf("chromium %s: %v\n%s", url, err, errs.String())
	}
	return out.String()
}

// dial connects to the service as the person: the kernel notes who a thread is
// when it connects.
func (a *account) dial() (conn net.Conn, err error) {
	ownThread(func() {
		keep := ^uintptr(0)
		if _, _, errno := syscall.RawSyscall(syscall.SYS_SETRESUID, keep, uintptr(a.uid), keep); errno != 0 {
			err = errno
			return
		}
		conn, err = net.Dial("unix", "/run/altnet/control.sock")
	})
	return conn, err
}

// ownThread runs f on a thread that ends with it, which the first thread of a
// process cannot.
func ownThread(f func()) {
	var done sync.WaitGroup
	done.Go(func() {
		runtime.LockOSThread()
		if syscall.Gettid() == os.Getpid() {
			defer runtime.UnlockOSThread()
			ownThread(f)
			return
		}
		f()
	})
	done.Wait()
}

// raw sends what any program of the person's may write to the socket, and
// returns status, code of the error, and the beginning of the answer.
func (a *account) raw(method string, body []byte) (status int, code, text string) {
	a.c.t.Helper()
	conn, err := a.dial()
	check(a.c.t, err)
	defer conn.Close()
	req, err := http.NewRequest(http.MethodPost, "http://altnet/v1/"+method, bytes.NewReader(body))
	check(a.c.t, err)
	check(a.c.t, req.Write(conn))
	resp, err := http.ReadResponse(bufio.NewReader(conn), req)
	check(a.c.t, err)
	start := make([]byte, 1<<16)
	n, _ := resp.Body.Read(start) // an event stream has no end
	var answer struct{ Error struct{ Code string } }
	json.Unmarshal(start[:n], &answer) // not everything is JSON
	return resp.StatusCode, answer.Error.Code, string(start[:n])
}

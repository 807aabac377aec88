//go:build linux

package splitdns

import (
	"bufio"
	"context"
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"

	"altnet/platform/journal"
)

// Real tests open doors in real systems: go test ./platform/splitdns -run Real -real DIR
// as root, with DIR made by testdata/roots.sh.
var (
	realRoots = flag.String("real", "", "folder with the systems of testdata/roots.sh: open real doors in them (needs root)")
	inside    = flag.String("inside", "", "a door to open: this process runs in such a system")
	lingers   = flag.Bool("linger", false, "with -inside: open the door and wait to be killed")
	killAt    = flag.Int("killat", 0, "with -linger: die before this write of the journal, undoing included")
)

const (
	theirAddress = "192.0.2.1"  // what the upstream answers for every name
	ourAddress   = "127.83.1.7" // what we answer
	leakedAlt    = "192.0.2.66" // what the upstream answers for .alt
)

func TestRealDoors(t *testing.T) {
	if *realRoots == "" {
		t.Skip("needs root and the systems of testdata/roots.sh: -real DIR")
	}
	script, err := filepath.Abs("testdata/real.sh")
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ suite, resolver, door string }{
		{"bookworm", "resolved", string(Link)},
		{"trixie", "resolved", "none"},
		{"testing", "resolved", string(Hook)},
		{"networkmanager", "networkmanager", string(Dnsmasq)},
		{"trixie", "plain", "none"},
	} {
		t.Run(c.suite+"/"+c.resolver, func(t *testing.T) {
			root := filepath.Join(*realRoots, c.suite)
			if _, err := os.Stat(filepath.Join(root, "done")); err != nil {
				t.Skip("this system was not made: ", err)
			}
			cmd := exec.CommandContext(t.Context(), "unshare", "--net", "--mount", "--pid", "--fork", "--kill-child",
				script, root, self, "-test.run", "^TestInside", "-test.v", "-test.timeout", "120s", "-inside", c.door)
			cmd.Env = append(os.Environ(), "RESOLVER="+c.resolver)
			out, err := cmd.CombinedOutput()
			t.Logf("%s", out)
			if err != nil || !strings.Contains(string(out), "--- PASS: TestInside") {
				t.Errorf("%v", err)
			}
		})
	}
}

// nameServer is AltNet's: it answers .alt and remembers what it was asked.
type nameServer struct {
	mu    sync.Mutex
	asked map[string]bool
}

func startNameServer(t *testing.T, addr string) *nameServer {
	t.Helper()
	s := &nameServer{asked: map[string]bool{}}
	conn, err := net.ListenPacket("udp", addr)
	if err != nil {
		t.Fatal(err)
	}
	started := make(chan struct{})
	srv := &dns.Server{PacketConn: conn, Handler: s, NotifyStartedFunc: func() { close(started) }}
	go func() { _ = srv.ActivateAndServe() }()
	<-started
	t.Cleanup(func() { _ = srv.Shutdown() })
	return s
}

func (s *nameServer) ServeDNS(w dns.ResponseWriter, q *dns.Msg) {
	name := strings.ToLower(q.Question[0].Name)
	s.mu.Lock()
	s.asked[name] = true
	s.mu.Unlock()
	m := new(dns.Msg)
	m.SetReply(q)
	if q.Question[0].Qtype == dns.TypeA {
		m.Answer = []dns.RR{&dns.A{Hdr: dns.RR_Header{Name: q.Question[0].Name, Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: 1}, A: net.ParseIP(ourAddress)}}
	}
	_ = w.WriteMsg(m)
}

// strangers lists the names we were asked that are not ours.
func (s *nameServer) strangers() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var names []string
	for name := range s.asked {
		if !strings.HasSuffix(name, ".alt.") && name != "alt." {
			names = append(names, name)
		}
	}
	return names
}

func TestInside(t *testing.T) {
	if *inside == "" {
		t.Skip("runs within TestRealDoors")
	}
	server := startNameServer(t, "127.0.0.1:5354")
	m := Look(t.Context(), System())
	want := realWant()
	d := Decide(m, want)
	t.Logf("machine %+v\ndecision %s", m, short(d))
	machinewide := slices.DeleteFunc(slices.Clone(d.Doors), func(c Choice) bool { return !c.Door.Machinewide() })
	if *inside == "none" {
		if len(machinewide) > 0 {
			t.Errorf("a door was chosen where there is none: %v", machinewide)
		}
		resolves(t, "www.example.com", theirAddress)
		return
	}
	if len(machinewide) != 1 || string(machinewide[0].Door) != *inside {
		t.Fatalf("the doors are %v, want %s", machinewide, *inside)
	}
	before := snapshot(t)
	t.Run("set and undo", func(t *testing.T) { setAndUndo(t, before, server) })
	t.Run("killed", func(t *testing.T) { killed(t, before) })
	t.Run("killed at every write", func(t *testing.T) { killedAtEveryWrite(t, before) })
	if *inside == string(Hook) {
		t.Run("hears nothing else", hearsNothingElse)
	}
	if other := server.strangers(); len(other) > 0 {
		t.Errorf("our name server was asked for %v", other)
	}
	if log, err := os.ReadFile("/var/log/upstream.log"); err != nil || strings.Contains(string(log), ".alt") {
		t.Errorf("a name of ours reached the upstream (%v):\n%s", err, log)
	} else if !strings.Contains(string(log), "query[A] www-1.example.com") {
		t.Errorf("the upstream logged nothing:\n%s", log)
	}
}

func realWant() Want {
	return Want{Suffix: "alt", Service: true, DNS: netip.MustParseAddrPort("127.0.0.1:5354"), Answer: netip.MustParseAddr(ourAddress)}
}

// killer dies like a process that is killed, before a write.
type killer struct {
	journal.FS
	left *int
}

func (k killer) step() {
	if *k.left--; *k.left == 0 {
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {} // the signal is on its way
	}
}

func (k killer) Create(path string, s journal.State) error { k.step(); return k.FS.Create(path, s) }
func (k killer) Sync(path string) error                    { k.step(); return k.FS.Sync(path) }
func (k killer) Rename(from, to string) error              { k.step(); return k.FS.Rename(from, to) }
func (k killer) Remove(path string) error                  { k.step(); return k.FS.Remove(path) }
func (k killer) Mkdir(path string) error                   { k.step(); return k.FS.Mkdir(path) }
func (k killer) Rmdir(path string) error                   { k.step(); return k.FS.Rmdir(path) }
func (k killer) SyncFolder(path string) error              { k.step(); return k.FS.SyncFolder(path) }

func realDoor(t *testing.T) (Door, *journal.Journal) {
	t.Helper()
	j, err := journal.Open("/var/lib/altnet/journal", journal.Config{FS: killer{journal.System(), killAt}, Undoers: Undoers(nil), Surgeons: Surgeons()})
	if err != nil {
		t.Fatal(err)
	}
	door, err := Open(Name(*inside), Config{Want: realWant(), Journal: j})
	if err != nil {
		t.Fatal(err)
	}
	return door, j
}

func setAndUndo(t *testing.T, before map[string]string, server *nameServer) {
	door, _ := realDoor(t)
	if err := door.Verify(t.Context()); !errors.Is(err, ErrClosed) {
		t.Fatalf("a door that was not set: %v", err)
	}
	forgetLeaks(t)
	if err := door.Set(t.Context()); err != nil {
		t.Fatal(err)
	}
	open := func(round string) {
		settled(t)
		if err := door.Verify(t.Context()); err != nil {
			t.Errorf("%s: %v", round, err)
		}
		resolves(t, round+".name.alt", ourAddress)
		resolves(t, "www-"+round+".example.com", theirAddress)
		resolves(t, round+".salt", theirAddress)
	}
	open("1")
	if err := door.Set(t.Context()); err != nil { // setting an open door again
		t.Fatal(err)
	}
	open("2")
	restarted(t, door)
	open("3")
	if err := door.Undo(t.Context()); err != nil {
		t.Fatal(err)
	}
	settled(t)
	resolves(t, "www-after.example.com", theirAddress)
	same(t, before)
}

// restarted starts the resolver anew, as an update of the system does, and sets
// the door again when the bus says so.
func restarted(t *testing.T, door Door) {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	restarts, err := Restarts(ctx)
	if err != nil {
		t.Fatal(err)
	}
	run(t, "start-resolver")
	select {
	case <-restarts:
	case <-ctx.Done():
		t.Fatal("the restart of the resolver went unnoticed")
	}
	if err := door.Set(ctx); err != nil {
		t.Fatal(err)
	}
}

// killed opens the door in another process, which has no more rights than the
// unit of the doors leaves it, kills that, and holds the computer to working all
// the while.
func killed(t *testing.T, before map[string]string) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("as-service", self, "-test.run", "^TestLinger$", "-inside", *inside, "-linger")
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(out)
	ready, err := lines.ReadString('\n')
	if err != nil || ready != "open\n" {
		more, _ := io.ReadAll(lines)
		t.Fatalf("the other process says %q, %v: %s", ready, err, more)
	}
	resolves(t, "other.process.alt", ourAddress)
	if err := cmd.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	resolves(t, "www-dead.example.com", theirAddress) // fails open
	door, j := realDoor(t)
	if entries, err := j.Entries(t.Context()); err != nil || len(entries) == 0 {
		t.Errorf("the journal forgot what the killed process did: %v, %v", entries, err)
	}
	if err := door.Undo(t.Context()); err != nil {
		t.Fatal(err)
	}
	settled(t)
	resolves(t, "www-undone.example.com", theirAddress)
	same(t, before)
}

// killedAtEveryWrite kills another process before each write of its journal,
// while it opens the door and while it undoes that.
func killedAtEveryWrite(t *testing.T, before map[string]string) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for at := 1; ; at++ {
		out, err := exec.Command(self, "-test.run", "^TestLinger$", "-inside", *inside, "-linger", "-killat", fmt.Sprint(at)).CombinedOutput()
		settled(t)
		resolves(t, fmt.Sprintf("www-at%d.example.com", at), theirAddress)
		door, _ := realDoor(t)
		if err := door.Undo(t.Context()); err != nil {
			t.Errorf("killed before write %d: %v", at, err)
		}
		same(t, before)
		if err == nil {
			if at < 15 {
				t.Errorf("only %d writes: is every one counted?", at)
			}
			return // it lived to the end
		}
		if t.Failed() || !strings.Contains(err.Error(), "killed") {
			t.Fatalf("killed before write %d: %v: %s", at, err, out)
		}
	}
}

// hearsNothingElse puts a hook that writes down what it is asked beside where
// ours was, and asks for names of ours and of others.
func hearsNothingElse(t *testing.T) {
	if err := os.MkdirAll(hookFolder, 0o755); err != nil {
		t.Fatal(err)
	}
	defer os.Remove(hookFolder)
	path := filepath.Join(hookFolder, ".spy")
	ln, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close() // removes the socket
	if err := os.Chmod(path, 0o666); err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var heard strings.Builder
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				_ = responder{suffix: "alt", answer: realWant().Answer}.serve(spied{conn, &mu, &heard})
				_ = conn.Close()
			}()
		}
	}()
	resolves(t, "spy.alt", ourAddress)
	for i := range 20 {
		resolves(t, fmt.Sprintf("www-spy%d.example.com", i), theirAddress)
		resolves(t, fmt.Sprintf("x%d.spy.alt", i), ourAddress)
	}
	mu.Lock()
	defer mu.Unlock()
	if text := heard.String(); strings.Contains(text, "example") || !strings.Contains(text, "x19.spy.alt") {
		t.Errorf("the hook heard %s", text)
	}
}

// spied copies what is read.
type spied struct {
	net.Conn
	mu    *sync.Mutex
	heard *strings.Builder
}

func (s spied) Read(p []byte) (int, error) {
	n, err := s.Conn.Read(p)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.heard.Write(p[:n])
	return n, err
}

func TestLinger(t *testing.T) {
	if !*lingers {
		t.Skip("runs within TestInside")
	}
	door, _ := realDoor(t)
	if err := door.Set(t.Context()); err != nil {
		t.Fatal(err)
	}
	settled(t)
	if err := door.Verify(t.Context()); err != nil {
		t.Fatal(err)
	}
	if *killAt > 0 {
		if err := door.Undo(t.Context()); err != nil {
			t.Fatal(err)
		}
		return
	}
	fmt.Println("open")
	<-t.Context().Done() // killed
}

// forgetLeaks empties the log of the upstream: before a door is open .alt goes
// there as ever.
func forgetLeaks(t *testing.T) {
	if err := os.Truncate("/var/log/upstream.log", 0); err != nil {
		t.Fatal(err)
	}
}

// settled waits for NetworkManager to tell the dnsmasq that it started anew whom
// to ask; the other doors disturb nothing for a moment.
func settled(t *testing.T) {
	t.Helper()
	if *inside != string(Dnsmasq) {
		return
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for ctx.Err() == nil {
		if _, err := systemLookup(ctx, "settled.example.com"); err == nil {
			return
		}
	}
	t.Fatal("NetworkManager's dnsmasq does not answer")
}

func run(t *testing.T, program string) {
	t.Helper()
	if out, err := exec.Command(program).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v: %s", program, err, out)
	}
}

func resolves(t *testing.T, name, want string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
	defer cancel()
	got, err := systemLookup(ctx, name)
	if err != nil || len(got) != 1 || got[0].String() != want {
		t.Errorf("%s leads to %v, %v; want %s", name, got, err, want)
	}
}

// notes reports whether a path is what resolver and mount themselves write, or
// our own lock.
func notes(path string) bool {
	for _, top := range []string{"/run/systemd/resolve/", "/run/NetworkManager", "/var/lib/NetworkManager", "/run/nm-", "/run/mount", "/var/lib/altnet/journal.lock"} {
		if strings.HasPrefix(path, top) {
			return true
		}
	}
	return path == "/var/lib/altnet" || strings.HasSuffix(path, ".pid")
}

// snapshot is every file below the folders that a door may touch, and the
// network interfaces.
func snapshot(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, top := range []string{"/etc", "/run", "/var/lib"} {
		err := filepath.WalkDir(top, func(path string, e fs.DirEntry, err error) error {
			if err != nil || notes(path) {
				return nil
			}
			info, err := e.Info()
			if err != nil {
				return err
			}
			line := info.Mode().String()
			if info.Mode().IsRegular() {
				data, err := os.ReadFile(path)
				if err != nil {
					return err
				}
				line += fmt.Sprintf(" %x", sha256.Sum256(data))
			}
			all[path] = line
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	links, err := net.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range links {
		all["link "+l.Name] = ""
	}
	return all
}

func same(t *testing.T, before map[string]string) {
	t.Helper()
	now := snapshot(t)
	if maps.Equal(before, now) {
		return
	}
	for path, line := range now {
		if before[path] != line {
			t.Errorf("undo left %s %s, before %q", path, line, before[path])
		}
	}
	for path := range before {
		if _, there := now[path]; !there {
			t.Errorf("undo removed %s", path)
		}
	}
}

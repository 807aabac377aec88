package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"

	"altnet/engine"
	"altnet/engine/control"
	"altnet/engine/publisher"
	"altnet/platform/ipc"
)

// The users of the tests below. Nobody need have an account of theirs.
const (
	anna     = 10001
	bert     = 10002
	operator = 10003
)

// dialAs connects as another user: the kernel notes who a thread is when it
// connects.
func dialAs(ctx context.Context, uid int, dir string) (conn net.Conn, err error) {
	var done sync.WaitGroup
	done.Go(func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with this goroutine
		keep := ^uintptr(0)
		if _, _, errno := syscall.RawSyscall(syscall.SYS_SETRESUID, keep, uintptr(uid), keep); errno != 0 {
			err = errno
			return
		}
		conn, err = ipc.Dial(ctx, dir)
	})
	done.Wait()
	return conn, err
}

// sharedNode is a service with a socket that every user of the computer
// reaches.
type sharedNode struct {
	engine *engine.Engine
	dir    string
}

func newSharedNode(t *testing.T) *sharedNode {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("only root can be several users")
	}
	node, err := engine.Open(t.Context(), engine.Config{
		Data: t.TempDir(), Version: "test", Host: control.HostService, PublishFor: 50 * time.Millisecond, NoSync: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { node.Close() })
	dir, err := os.MkdirTemp("", "altnet")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	l, err := ipc.Listen(dir)
	if err != nil {
		t.Fatal(err)
	}
	access := control.Access{Service: true, Operator: func(user string) bool { return user == fmt.Sprint(operator) }}
	ctx, cancel := context.WithCancel(context.Background())
	var served sync.WaitGroup
	served.Go(func() {
		if err := control.Serve(ctx, l, node, control.ServerConfig{Identify: identify(access)}); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() {
		cancel()
		served.Wait()
	})
	return &sharedNode{node, dir}
}

func (n *sharedNode) client(t *testing.T, uid int) *control.Client {
	t.Helper()
	c := control.NewClient(func(ctx context.Context) (net.Conn, error) { return dialAs(ctx, uid, n.dir) })
	t.Cleanup(func() { c.Close() })
	return c
}

// raw sends what a program of a user's may write to the socket, and returns the
// status and the error's code.
func (n *sharedNode) raw(t *testing.T, uid int, method string, body any, edit func(*http.Request)) (int, string) {
	t.Helper()
	conn, err := dialAs(t.Context(), uid, n.dir)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	text, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequest(http.MethodPost, "http://altnet/v1/"+method, bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	if edit != nil {
		edit(req)
	}
	if err := req.Write(conn); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var answer struct{ Error struct{ Code string } }
	json.NewDecoder(resp.Body).Decode(&answer) // a refusal may be no JSON
	return resp.StatusCode, answer.Error.Code
}

// annas publishes a site of Anna's that only she can read where it lies.
func (n *sharedNode) annas(t *testing.T) (*publisher.Author, string, control.Receipt) {
	t.Helper()
	profile, err := publisher.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "index.html"), []byte("anna's"), 0o600); err != nil {
		t.Fatal(err)
	}
	author := publisher.NewAuthor(profile, n.client(t, anna))
	r, err := author.Publish(t.Context(), dir, "", publisher.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return author, dir, r
}

// TestUsersOfOneService has another user try everything against a site of
// Anna's, as a program may that writes to the socket itself.
func TestUsersOfOneService(t *testing.T) {
	n := newSharedNode(t)
	author, dir, first := n.annas(t)
	if err := os.WriteFile(filepath.Join(dir, "index.html"), []byte("anna's news"), 0o600); err != nil {
		t.Fatal(err)
	}
	second, err := author.Update(t.Context(), first.Address, dir, publisher.Options{})
	if err != nil {
		t.Fatal(err)
	}
	res, err := n.client(t, bert).Resolve(t.Context(), first.Address)
	if err != nil || res.Root != second.Root {
		t.Fatalf("another user reads %+v, %v", res, err)
	}
	type named struct{ Name string }
	for _, try := range []struct {
		what, method string
		body         any
		want         string
	}{
		{"her own record again", "publish", control.PublishRequest{Record: res.Record}, "denied"},
		{"a made-up record", "publish", control.PublishRequest{Record: []byte("x")}, "invalid"},
		{"her record as a tombstone", "withdraw", map[string]any{"Record": res.Record}, "invalid"},
		{"her receipt", "receipt", named{first.Address}, "not-found"},
		{"her versions", "versions", named{first.Address}, "not-found"},
		{"dropping a version", "drop-version", map[string]any{"Name": first.Address, "Seq": first.Seq}, "not-found"},
		{"her visits", "activity", named{first.Address}, "not-found"},
		{"a preview", "preview", map[string]any{"Name": first.Address, "Seq": first.Seq}, "not-found"},
		{"unpinning", "pin", map[string]any{"Name": first.Address, "Pinned": false}, "not-found"},
		{"the switch", "online", map[string]any{"Online": false}, "denied"},
		{"settings", "set-settings", control.Settings{DiskBudget: 1 << 30, Share: control.ShareAlways}, "denied"},
		{"a pause", "pause", map[string]any{"Until": time.Now().Add(time.Hour)}, "denied"},
		{"erasing", "forget", struct{}{}, "denied"},
		{"blocking", "block", map[string]any{"Target": first.Address, "Blocked": true}, "denied"},
		{"the log", "logs", struct{}{}, "denied"},
		{"peers", "peers", struct{}{}, "denied"},
		{"keys", "keys", struct{}{}, ""}, // there is no such method
		{"the phrase", "phrase", struct{}{}, ""},
	} {
		status, code := n.raw(t, bert, try.method, try.body, nil)
		if status == http.StatusOK || code != try.want {
			t.Errorf("%s: %d %q, want %q", try.what, status, code, try.want)
		}
	}
	if sites, err := n.client(t, bert).Sites(t.Context()); err != nil || len(sites) != 0 {
		t.Errorf("another user sees %+v, %v", sites, err)
	}
	if sites, err := n.client(t, operator).Sites(t.Context()); err != nil || len(sites) != 0 {
		t.Errorf("an operator sees %+v, %v", sites, err)
	}
	if status, code := n.raw(t, operator, "pause", map[string]any{"Until": time.Time{}}, nil); status != http.StatusOK {
		t.Errorf("an operator's pause: %d %q", status, code)
	}
	if sites, err := n.client(t, 0).Sites(t.Context()); err != nil || len(sites) != 1 || sites[0].User != fmt.Sprint(anna) {
		t.Errorf("an administrator sees %+v, %v", sites, err)
	}
	versions, err := n.client(t, anna).Versions(t.Context(), first.Address)
	if err != nil || len(versions) != 2 || versions[0].Root != second.Root {
		t.Errorf("in the end Anna has %+v, %v", versions, err)
	}
}

// TestSocketRefusesPages sends what a browser could be made to send.
func TestSocketRefusesPages(t *testing.T) {
	n := newSharedNode(t)
	for name, edit := range map[string]func(*http.Request){
		"origin":      func(r *http.Request) { r.Header.Set("Origin", "http://anna.alt") },
		"null origin": func(r *http.Request) { r.Header.Set("Origin", "null") },
		"referer":     func(r *http.Request) { r.Header.Set("Referer", "http://anna.alt/") },
		"host":        func(r *http.Request) { r.Host = "localhost" },
		"empty host":  func(r *http.Request) { r.Host = "127.0.0.1" },
		"upper host":  func(r *http.Request) { r.Host = "ALTNET" },
		"port":        func(r *http.Request) { r.Host = "altnet:80" },
		"get":         func(r *http.Request) { r.Method = http.MethodGet },
		"put":         func(r *http.Request) { r.Method = http.MethodPut },
	} {
		for _, uid := range []int{0, anna} {
			if status, _ := n.raw(t, uid, "status", struct{}{}, edit); status != http.StatusForbidden {
				t.Errorf("%s by %d: %d", name, uid, status)
			}
		}
	}
	if status, _ := n.raw(t, anna, "status", struct{}{}, nil); status != http.StatusOK {
		t.Errorf("without any of that: %d", status)
	}
}

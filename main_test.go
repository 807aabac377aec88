package main

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"altnet/engine"
	"altnet/engine/control"
	"altnet/engine/control/controltest"
	"altnet/engine/publisher"
	"altnet/platform/ipc"
)

func TestMain(m *testing.M) {
	testscript.Main(m, programs())
}

// TestScripts runs the binary. In scripts that say "fakenode" a node in
// memory serves the data folder.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:   filepath.Join("testdata", "scripts"),
		Setup: setupScript,
		Cmds:  map[string]func(*testscript.TestScript, bool, []string){"fakenode": fakeNode},
	})
}

func setupScript(env *testscript.Env) error {
	env.Setenv("HOME", env.WorkDir)
	env.Setenv("ALTNET_DATA", filepath.Join(env.WorkDir, "data"))
	env.Setenv("ALTNET_PROFILE", filepath.Join(env.WorkDir, "profile"))
	env.Setenv("XDG_RUNTIME_DIR", env.WorkDir)
	return nil
}

// fakeNode serves a node in memory, which has published demo.alt, on the
// script's data folder.
func fakeNode(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 0 {
		ts.Fatalf("use: fakenode")
	}
	dir := ts.Getenv("ALTNET_DATA")
	ts.Check(os.MkdirAll(dir, 0o700))
	node := controltest.NewFake()
	author := &controltest.FakeAuthor{}
	ctx := control.WithCaller(context.Background(), socketCaller(ts))
	for _, text := range []string{"one", "two"} {
		site := author.Site(noTest{ts: ts}, "demo.alt", map[string]string{"index.html": "<p>" + text, "a/b.txt": "b"})
		ts.Check(node.PutBlocks(ctx, site.All()))
		_, err := node.Publish(ctx, control.PublishRequest{Record: site.Record, Note: text})
		ts.Check(err)
	}
	node.SetForeign("two.alt", controltest.Foreign{
		Resolution: control.Resolution{Rivals: []control.Rival{{Address: "kone.alt"}, {Address: "ktwo.alt"}}},
		Err:        control.ErrConflict,
	})
	l, err := ipc.Listen(dir)
	ts.Check(err)
	ctx, cancel := context.WithCancel(context.Background())
	var done sync.WaitGroup
	done.Go(func() { control.Serve(ctx, l, node, control.ServerConfig{Identify: identify(control.Access{})}) })
	ts.Defer(func() {
		cancel()
		done.Wait()
	})
}

// noTest lets a script use what is made for tests.
type noTest struct {
	testing.TB
	ts *testscript.TestScript
}

func (noTest) Helper()             {}
func (n noTest) Fatal(args ...any) { n.ts.Fatalf("%v", args) }

func socketCaller(ts *testscript.TestScript) control.Caller {
	me, err := ipc.Me()
	ts.Check(err)
	return control.Caller{User: me.User, Admin: me.Admin, Operator: true}
}

// TestConformance holds the client to Control's promises over the real socket.
func TestConformance(t *testing.T) {
	controltest.RunSuite(t, func(t *testing.T) (control.Control, controltest.Author) {
		return overSocket(t, controltest.NewFake()), &controltest.FakeAuthor{}
	})
}

// TestNodeConformance is TestConformance with a real node behind the socket.
func TestNodeConformance(t *testing.T) {
	if testing.Short() {
		t.Skip("claims a dozen names")
	}
	profile, err := publisher.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	author := controltest.NewAuthor(profile)
	controltest.RunSuite(t, func(t *testing.T) (control.Control, controltest.Author) {
		node, err := engine.Open(t.Context(), engine.Config{
			Data: t.TempDir(), Version: "test", Listen: []string{"127.0.0.1:0"}, Gateway: "127.0.0.1:0",
			PublishFor: 50 * time.Millisecond, NoSync: true,
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { node.Close() })
		return overSocket(t, node), author
	})
}

// overSocket serves a node on a socket of its own and returns a client of it.
func overSocket(t *testing.T, node control.Control) *control.Client {
	t.Helper()
	dir := t.TempDir()
	l, err := ipc.Listen(dir)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var done sync.WaitGroup
	done.Go(func() {
		if err := control.Serve(ctx, l, node, control.ServerConfig{Identify: identify(control.Access{})}); err != nil {
			t.Error(err)
		}
	})
	c := control.NewClient(func(ctx context.Context) (net.Conn, error) { return ipc.Dial(ctx, dir) })
	t.Cleanup(func() {
		c.Close()
		cancel()
		done.Wait()
	})
	return c
}

package controltest

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"iter"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"altnet/engine/control"
	"altnet/engine/wire"
)

// Author makes content for the Control under test. Each site is signed with a
// higher sequence than the one before.
type Author interface {
	Site(t testing.TB, name string, files map[string]string) Signed
	Tombstone(t testing.TB, name string) Signed // has no content
}

// Start starts a node that holds nothing, is online and stops with the test.
type Start func(t *testing.T) (control.Control, Author)

// operated is by what a service tells its callers apart that one of its users
// operates.
var operated = control.Access{Service: true, Operator: func(user string) bool { return user == "1005" }}

// Run holds an implementation to what Control promises. It is called
// directly and through a client over connections in memory, by the user of a
// node and by one of a service's.
func Run(t *testing.T, start Start) {
	t.Run("direct", func(t *testing.T) { RunSuite(t, start) })
	t.Run("client", func(t *testing.T) {
		RunSuite(t, func(t *testing.T) (control.Control, Author) {
			c, a := start(t)
			return Served(t, c, control.Caller{User: "1000", Operator: true, Admin: true}), a
		})
	})
	t.Run("service", func(t *testing.T) {
		RunSuite(t, func(t *testing.T) (control.Control, Author) {
			c, a := start(t)
			return Served(t, c, operated.Grant("1005", false, false)), a
		})
	})
	t.Run("callers", func(t *testing.T) { runCallers(t, start) })
	t.Run("rights", func(t *testing.T) { runRights(t, start) })
}

// RunSuite is Run for one way of calling.
func RunSuite(t *testing.T, start Start) {
	tests := map[string]func(*testing.T, control.Control, Author){
		"status":    testStatus,
		"online":    testOnline,
		"events":    testEvents,
		"blocks":    testBlocks,
		"bad block": testBadBlock,
		"publish":   testPublish,
		"refusals":  testRefusals,
		"versions":  testVersions,
		"withdraw":  testWithdraw,
		"resolve":   testResolve,
		"archive":   testArchive,
		"pin":       testPin,
		"put":       testPut,
		"nonsense":  testNonsense,
		"cancel":    testCancel,
		"together":  testTogether,
	}
	maps.Copy(tests, personTests())
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			c, a := start(t)
			test(t, c, a)
		})
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// wantErr checks for one of several sentinels.
func wantErr(t *testing.T, what string, err error, want ...error) {
	t.Helper()
	for _, w := range want {
		if errors.Is(err, w) {
			return
		}
	}
	t.Errorf("%s: error %v, want %v", what, err, want)
}

func testStatus(t *testing.T, c control.Control, _ Author) {
	s, err := c.Status(t.Context())
	must(t, err)
	if s.Version == "" || len(s.NodeID) != 64 || !s.Online || s.Started.IsZero() || s.Store.Budget <= 0 {
		t.Errorf("status %+v", s)
	}
	_, err = c.Peers(t.Context())
	must(t, err)
}

func testOnline(t *testing.T, c control.Control, _ Author) {
	for _, online := range []bool{false, false, true} {
		must(t, c.SetOnline(t.Context(), online))
		s, err := c.Status(t.Context())
		must(t, err)
		if s.Online != online {
			t.Errorf("after SetOnline(%v) the status says %v", online, s.Online)
		}
	}
	must(t, c.SetOnline(t.Context(), false))
	_, err := c.Connect(t.Context(), "192.0.2.1:9000")
	wantErr(t, "connect while offline", err, control.ErrOffline)
}

func testEvents(t *testing.T, c control.Control, _ Author) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	next, stop := iter.Pull2(c.Events(ctx))
	defer stop()
	e, err, ok := next()
	if !ok || err != nil || e.Kind != control.EventStatus || e.Status == nil || !e.Status.Online {
		t.Fatalf("the first event is %+v, %v, want the status", e, err)
	}
	must(t, c.SetOnline(t.Context(), false))
	for e.Status == nil || e.Status.Online {
		if e, err, ok = next(); !ok || err != nil {
			t.Fatalf("events ended with %v before the node was offline", err)
		}
	}
	cancel()
	for {
		_, err, ok := next()
		if !ok {
			break
		}
		if err != nil {
			t.Fatalf("after cancel: %v", err)
		}
	}
	for range c.Events(t.Context()) {
		break // a reader may stop
	}
}

func testBlocks(t *testing.T, c control.Control, a Author) {
	s := a.Site(t, "big.alt", map[string]string{"big": strings.Repeat("0123456789abcdef~", 200<<10), "small": "s"})
	have, err := c.HaveBlocks(t.Context(), s.Hashes())
	must(t, err)
	for i, h := range have {
		if h {
			t.Errorf("an empty node has block %d", i)
		}
	}
	must(t, c.PutBlocks(t.Context(), s.All()))
	have, err = c.HaveBlocks(t.Context(), append(s.Hashes(), wire.Hash{1}))
	must(t, err)
	if len(have) != len(s.Blocks)+1 {
		t.Fatalf("%d answers for %d hashes", len(have), len(s.Blocks)+1)
	}
	for i, h := range have {
		if h != (i < len(s.Blocks)) {
			t.Errorf("block %d of %d: have = %v", i, len(s.Blocks), h)
		}
	}
	must(t, c.PutBlocks(t.Context(), Signed{}.All()))
	have, err = c.HaveBlocks(t.Context(), nil)
	must(t, err)
	if len(have) != 0 {
		t.Errorf("%d answers to no question", len(have))
	}
}

func testBadBlock(t *testing.T, c control.Control, _ Author) {
	data := make([]byte, wire.MaxBlock)
	stopped := false
	err := c.PutBlocks(t.Context(), func(yield func(wire.Hash, []byte) bool) {
		defer func() { stopped = true }()
		for i := range 1000 { // too much to lie in buffers: the failure must stop it
			hash := wire.Hash(sha256.Sum256(data))
			if i == 3 {
				hash[0] ^= 1
			}
			if !yield(hash, data) {
				return
			}
			data[0], data[1] = byte(i), byte(i>>8)
		}
	})
	wantErr(t, "a block with another hash", err, control.ErrInvalid)
	if !stopped {
		t.Error("PutBlocks returned while the iterator ran")
	}
	err = c.PutBlocks(t.Context(), func(yield func(wire.Hash, []byte) bool) {
		big := make([]byte, wire.MaxBlock+1)
		yield(wire.Hash(sha256.Sum256(big)), big)
	})
	wantErr(t, "a block that is too large", err, control.ErrInvalid)
}

// publish uploads and publishes.
func publish(t *testing.T, c control.Control, s Signed, note string) control.Receipt {
	t.Helper()
	must(t, c.PutBlocks(t.Context(), s.All()))
	r, err := c.Publish(t.Context(), request(t, c, s, note))
	must(t, err)
	return r
}

// request is what an author hands in who has the site's key.
func request(t *testing.T, c control.Control, s Signed, note string) control.PublishRequest {
	t.Helper()
	st, err := c.Status(t.Context())
	must(t, err)
	return control.PublishRequest{Record: s.Record, Note: note, Proof: s.Prove(st.NodeID, st.User)}
}

func testPublish(t *testing.T, c control.Control, a Author) {
	s := a.Site(t, "pub.alt", map[string]string{"index.html": "<p>hello", "a/b.txt": "b"})
	r := publish(t, c, s, "first")
	if r.Name != "pub.alt" || r.Root != s.Root || r.Seq != s.Seq || !strings.HasSuffix(r.Address, ".alt") || r.Size <= 0 || r.Withdrawn {
		t.Errorf("receipt %+v for %s %s", r, s.Name, s.Root)
	}
	if r.Sleeps != (r.Copies < 2) || len(r.Confirmed) < r.Copies {
		t.Errorf("receipt is not honest: %+v", r)
	}
	again, err := c.Receipt(t.Context(), "pub.alt")
	must(t, err)
	if again.Root != s.Root || again.Copies < r.Copies {
		t.Errorf("later receipt %+v", again)
	}
	sites, err := c.Sites(t.Context())
	must(t, err)
	if len(sites) != 1 || sites[0].Name != "pub.alt" || sites[0].Root != s.Root || !sites[0].Own || sites[0].Pinned || sites[0].Published.IsZero() {
		t.Errorf("sites %+v", sites)
	}
	st, err := c.Status(t.Context())
	must(t, err)
	if st.Sites != 1 || st.Store.Used == 0 {
		t.Errorf("status after publish: %+v", st)
	}
}

func testRefusals(t *testing.T, c control.Control, a Author) {
	s := a.Site(t, "ref.alt", map[string]string{"index.html": "one"})
	_, err := c.Publish(t.Context(), request(t, c, s, ""))
	wantErr(t, "publish without blocks", err, control.ErrMissing)
	_, err = c.Publish(t.Context(), control.PublishRequest{Record: []byte("nonsense")})
	wantErr(t, "publish nonsense", err, control.ErrInvalid)
	_, err = c.Publish(t.Context(), request(t, c, a.Tombstone(t, "ref.alt"), ""))
	wantErr(t, "publish a tombstone", err, control.ErrInvalid)
	_, err = c.Withdraw(t.Context(), request(t, c, s, ""))
	wantErr(t, "withdraw with a record", err, control.ErrInvalid)
	old := a.Site(t, "ref.alt", map[string]string{"index.html": "old"})
	publish(t, c, a.Site(t, "ref.alt", map[string]string{"index.html": "new"}), "")
	must(t, c.PutBlocks(t.Context(), old.All()))
	_, err = c.Publish(t.Context(), request(t, c, old, ""))
	wantErr(t, "publish an older record", err, control.ErrStale)
	_, err = c.Receipt(t.Context(), "other.alt")
	wantErr(t, "receipt of another site", err, control.ErrNotFound)
}

func testVersions(t *testing.T, c control.Control, a Author) {
	one := a.Site(t, "ver.alt", map[string]string{"index.html": "one"})
	two := a.Site(t, "ver.alt", map[string]string{"index.html": "two"})
	publish(t, c, one, "first")
	publish(t, c, two, "second")
	vs, err := c.Versions(t.Context(), "ver.alt")
	must(t, err)
	if len(vs) != 2 || vs[0].Root != two.Root || !vs[0].Current || vs[0].Note != "second" || vs[1].Root != one.Root || vs[1].Current || vs[1].Seq != one.Seq {
		t.Fatalf("versions %+v", vs)
	}
	wantErr(t, "drop the current version", c.DropVersion(t.Context(), "ver.alt", two.Seq), control.ErrInvalid)
	wantErr(t, "drop no version", c.DropVersion(t.Context(), "ver.alt", 1<<60), control.ErrNotFound)
	must(t, c.DropVersion(t.Context(), "ver.alt", one.Seq))
	vs, err = c.Versions(t.Context(), "ver.alt")
	must(t, err)
	if len(vs) != 1 || vs[0].Root != two.Root {
		t.Errorf("versions after dropping one: %+v", vs)
	}
	_, err = c.Versions(t.Context(), "none.alt")
	wantErr(t, "versions of nothing", err, control.ErrNotFound)
}

func testWithdraw(t *testing.T, c control.Control, a Author) {
	s := a.Site(t, "gone.alt", map[string]string{"index.html": "here"})
	publish(t, c, s, "")
	r, err := c.Withdraw(t.Context(), request(t, c, a.Tombstone(t, "gone.alt"), ""))
	must(t, err)
	if !r.Withdrawn || r.Name != "gone.alt" || r.Seq <= s.Seq {
		t.Errorf("receipt of a withdrawal %+v", r)
	}
	_, err = c.Resolve(t.Context(), "gone.alt")
	wantErr(t, "resolve what was withdrawn", err, control.ErrWithdrawn)
	_, err = c.Publish(t.Context(), request(t, c, s, ""))
	wantErr(t, "publish the record again", err, control.ErrStale)
	sites, err := c.Sites(t.Context())
	must(t, err)
	if len(sites) != 1 || !sites[0].Withdrawn {
		t.Errorf("sites after a withdrawal: %+v", sites)
	}
	back := publish(t, c, a.Site(t, "gone.alt", map[string]string{"index.html": "back"}), "")
	if back.Withdrawn {
		t.Errorf("published again, but %+v", back)
	}
}

func testResolve(t *testing.T, c control.Control, a Author) {
	s := a.Site(t, "res.alt", map[string]string{"index.html": "r"})
	publish(t, c, s, "")
	for _, name := range []string{"res.alt", "res", "RES.alt"} {
		r, err := c.Resolve(t.Context(), name)
		must(t, err)
		if r.Name != "res.alt" || r.Root != s.Root || r.Seq != s.Seq || len(r.Owner) != 64 || r.Expires.Before(time.Now()) {
			t.Errorf("%s resolves to %+v", name, r)
		}
	}
	_, err := c.Resolve(t.Context(), "nobody-has-this.alt")
	wantErr(t, "resolve what nobody published", err, control.ErrUnknown, control.ErrUnreachable, control.ErrOffline)
	_, err = c.Resolve(t.Context(), "not a name")
	wantErr(t, "resolve what is no name", err, control.ErrInvalid)
}

func testArchive(t *testing.T, c control.Control, a Author) {
	files := map[string]string{"index.html": "<p>hello", "a/b.txt": "b", "a/empty": "", "big": strings.Repeat("0123456789~", 60<<10)}
	s := a.Site(t, "arc.alt", files)
	publish(t, c, s, "")
	for _, target := range []string{"arc.alt", s.Root} {
		if got := readArchive(t, c, target); !maps.Equal(got, files) {
			t.Errorf("the archive of %s has %d files or others than the %d published", target, len(got), len(files))
		}
	}
	stream, err := c.Archive(t.Context(), "arc.alt")
	must(t, err)
	must(t, stream.Close()) // unread
	_, err = c.Archive(t.Context(), "nobody-has-this.alt")
	wantErr(t, "archive of nothing", err, control.ErrUnknown, control.ErrUnreachable, control.ErrOffline)
}

func readArchive(t *testing.T, c control.Control, target string) map[string]string {
	t.Helper()
	stream, err := c.Archive(t.Context(), target)
	must(t, err)
	defer stream.Close()
	files := map[string]string{}
	for r := tar.NewReader(stream); ; {
		head, err := r.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		must(t, err)
		data, err := io.ReadAll(r)
		must(t, err)
		files[head.Name] = string(data)
	}
}

func testPin(t *testing.T, c control.Control, a Author) {
	publish(t, c, a.Site(t, "pin.alt", map[string]string{"index.html": "p"}), "")
	for _, pinned := range []bool{true, true, false} {
		must(t, c.SetPinned(t.Context(), "pin.alt", pinned))
		sites, err := c.Sites(t.Context())
		must(t, err)
		if len(sites) != 1 || sites[0].Pinned != pinned {
			t.Errorf("after SetPinned(%v): %+v", pinned, sites)
		}
	}
	wantErr(t, "pin nothing", c.SetPinned(t.Context(), "nobody-has-this.alt", true), control.ErrUnknown, control.ErrUnreachable, control.ErrOffline)
}

func testPut(t *testing.T, c control.Control, _ Author) {
	for _, data := range [][]byte{[]byte("one"), make([]byte, wire.MaxBlock)} {
		hash, err := c.Put(t.Context(), data)
		must(t, err)
		if hash != wire.Hash(sha256.Sum256(data)) {
			t.Errorf("Put of %d bytes returned %s", len(data), hash)
		}
		got, err := c.Get(t.Context(), hash)
		must(t, err)
		if string(got) != string(data) {
			t.Errorf("Get returned %d bytes of %d", len(got), len(data))
		}
	}
	_, err := c.Get(t.Context(), wire.Hash{1, 2, 3})
	wantErr(t, "get what nobody has", err, control.ErrMissing, control.ErrNotFound, control.ErrUnreachable)
	_, err = c.Put(t.Context(), make([]byte, wire.MaxBlock+1))
	wantErr(t, "put too much", err, control.ErrInvalid)
	_, err = c.Put(t.Context(), nil)
	wantErr(t, "put nothing", err, control.ErrInvalid)
}

func testNonsense(t *testing.T, c control.Control, _ Author) {
	_, err := c.Connect(t.Context(), "no port")
	wantErr(t, "connect to nonsense", err, control.ErrInvalid)
	_, err = c.Ping(t.Context(), "not a peer!")
	wantErr(t, "ping nonsense", err, control.ErrInvalid)
	_, err = c.Find(t.Context(), "not a key")
	wantErr(t, "find nonsense", err, control.ErrInvalid)
	wantErr(t, "accept nonsense", c.Accept(t.Context(), "not a name"), control.ErrInvalid)
	wantErr(t, "pin nonsense", c.SetPinned(t.Context(), "not a name", true), control.ErrInvalid)
}

func testCancel(t *testing.T, c control.Control, _ Author) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Status(ctx); err != nil { // what needs no time may be answered
		wantErr(t, "status in a cancelled context", err, context.Canceled)
	}
	for e, err := range c.Events(ctx) {
		if err != nil {
			t.Errorf("event %+v, %v in a cancelled context", e, err)
		}
	}
}

func testTogether(t *testing.T, c control.Control, a Author) {
	var all sync.WaitGroup
	defer all.Wait()
	for _, name := range []string{"t1.alt", "t2.alt", "t3.alt", "t4.alt"} {
		s := a.Site(t, name, map[string]string{"index.html": strings.Repeat(name, 100_000)})
		p := request(t, c, s, "")
		all.Go(func() {
			if err := c.PutBlocks(t.Context(), s.All()); err != nil {
				t.Errorf("%s: %v", name, err)
				return
			}
			if _, err := c.Publish(t.Context(), p); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			if _, err := c.Status(t.Context()); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		})
	}
}

// runCallers checks that users do not see each other's sites, and strangers
// nothing.
func runCallers(t *testing.T, start Start) {
	c, a := start(t)
	anna := Served(t, c, control.Caller{User: "1000", Operator: true})
	bert := Served(t, c, control.Caller{User: "1001", Operator: true})
	root := Served(t, c, control.Caller{User: "0", Operator: true, Admin: true})
	other := Served(t, c, control.Caller{User: "1002"})
	s := a.Site(t, "anna.alt", map[string]string{"index.html": "anna"})
	publish(t, anna, s, "")

	for who, want := range map[*control.Client]int{anna: 1, bert: 0, root: 1} {
		sites, err := who.Sites(t.Context())
		must(t, err)
		if len(sites) != want {
			t.Errorf("somebody sees %d sites instead of %d", len(sites), want)
		}
	}
	for who, want := range map[*control.Client]bool{anna: true, Served(t, c, control.Caller{User: "1003", Local: true}): false} {
		st, err := who.Status(t.Context())
		must(t, err)
		if st.Operator != want {
			t.Errorf("user %s is told to be an operator: %v", st.User, st.Operator)
		}
	}
	_, err := bert.Versions(t.Context(), "anna.alt")
	wantErr(t, "another user's versions", err, control.ErrNotFound)
	_, err = bert.Receipt(t.Context(), "anna.alt")
	wantErr(t, "another user's receipt", err, control.ErrNotFound)
	_, err = bert.Resolve(t.Context(), "anna.alt")
	must(t, err)

	testStranger(t, other, s)
}

func testStranger(t *testing.T, c *control.Client, s Signed) {
	st, err := c.Status(t.Context())
	must(t, err)
	if !st.Online || st.NodeID != "" || st.Operator || st.Sites != 0 || st.Store != (control.Store{}) || st.Listen != nil {
		t.Errorf("a stranger sees %+v", st)
	}
	for e, err := range c.Events(t.Context()) {
		must(t, err)
		if e.Status == nil || e.Status.NodeID != "" {
			t.Errorf("a stranger sees the event %+v", e)
		}
		break
	}
	_, err = c.Sites(t.Context())
	wantErr(t, "a stranger's sites", err, control.ErrDenied)
	wantErr(t, "a stranger's offline", c.SetOnline(t.Context(), false), control.ErrDenied)
	wantErr(t, "a stranger's upload", c.PutBlocks(t.Context(), s.All()), control.ErrDenied)
	_, err = c.HaveBlocks(t.Context(), s.Hashes())
	wantErr(t, "a stranger's question", err, control.ErrDenied)
	_, err = c.Archive(t.Context(), "anna.alt")
	wantErr(t, "a stranger's archive", err, control.ErrDenied)
	_, err = c.Get(t.Context(), s.Blocks[0].Hash)
	wantErr(t, "a stranger's block", err, control.ErrDenied)
	_, err = c.Settings(t.Context())
	wantErr(t, "a stranger's settings", err, control.ErrDenied)
	_, err = c.Logs(t.Context())
	wantErr(t, "a stranger's logs", err, control.ErrDenied)
	_, err = c.ProveGateway(t.Context())
	wantErr(t, "a stranger's proof", err, control.ErrDenied)
	_, err = c.Visited(t.Context())
	wantErr(t, "a stranger's visits", err, control.ErrDenied)
	_, err = c.Publish(t.Context(), control.PublishRequest{Record: s.Record})
	wantErr(t, "a stranger's publish", err, control.ErrDenied)
}

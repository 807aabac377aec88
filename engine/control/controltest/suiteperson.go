package controltest

import (
	"slices"
	"strings"
	"testing"
	"time"

	"altnet/engine/control"
)

// personTests are the part of the suite about settings, pauses and what a
// person did here.
func personTests() map[string]func(*testing.T, control.Control, Author) {
	return map[string]func(*testing.T, control.Control, Author){
		"settings": testSettings,
		"consent":  testConsent,
		"pause":    testPause,
		"forget":   testForget,
		"logs":     testLogs,
		"activity": testActivity,
		"visited":  testVisited,
		"blocks":   testBlocking,
		"preview":  testPreview,
	}
}

func testSettings(t *testing.T, c control.Control, _ Author) {
	first, err := c.Settings(t.Context())
	must(t, err)
	if first.DiskBudget <= 0 || first.Share != control.ShareNever || first.UpLimit != 0 || first.MonthLimit != 0 || !first.Volunteer {
		t.Errorf("a new node's settings are %+v", first)
	}
	want := control.Settings{
		Accepted: time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC), DiskBudget: 3 << 30, UpLimit: 1 << 20, DownLimit: 2 << 20,
		MonthLimit: 100 << 30, PauseOnBattery: true, PauseOnMetered: true, Share: control.ShareVisiting, HTTPS: true,
	}
	must(t, c.SetSettings(t.Context(), want))
	got, err := c.Settings(t.Context())
	must(t, err)
	if !got.Accepted.Equal(want.Accepted) {
		t.Errorf("accepted %v", got.Accepted)
	}
	got.Accepted = want.Accepted
	if got != want {
		t.Errorf("set %+v, got %+v", want, got)
	}
	s, err := c.Status(t.Context())
	must(t, err)
	if s.Store.Budget != want.DiskBudget {
		t.Errorf("the status still says %d bytes", s.Store.Budget)
	}
	for field, spoil := range map[string]func(*control.Settings){
		"disk budget": func(s *control.Settings) { s.DiskBudget = 0 },
		"up limit":    func(s *control.Settings) { s.UpLimit = 1 },
		"down limit":  func(s *control.Settings) { s.DownLimit = -1 },
		"month limit": func(s *control.Settings) { s.MonthLimit = 1 },
		"share":       func(s *control.Settings) { s.Share = "sometimes" },
	} {
		bad := want
		spoil(&bad)
		err := c.SetSettings(t.Context(), bad)
		wantErr(t, "a bad "+field, err, control.ErrInvalid)
		if err != nil && !strings.Contains(err.Error(), field) {
			t.Errorf("a bad %s: %q does not name it", field, err)
		}
	}
	if got, err := c.Settings(t.Context()); err != nil || got.MonthLimit != want.MonthLimit {
		t.Errorf("after refusals %+v, %v", got, err)
	}
}

func testConsent(t *testing.T, c control.Control, _ Author) {
	s, err := c.Settings(t.Context())
	must(t, err)
	s.Accepted = time.Now()
	must(t, c.SetSettings(t.Context(), s))
	st, err := c.Status(t.Context())
	must(t, err)
	if !st.Accepted || !st.Online {
		t.Errorf("accepted, but %+v", st)
	}
	s.Accepted = time.Time{}
	must(t, c.SetSettings(t.Context(), s))
	st, err = c.Status(t.Context())
	must(t, err)
	if st.Online || st.Connected {
		t.Errorf("consent was taken back, but %+v", st)
	}
}

func testPause(t *testing.T, c control.Control, _ Author) {
	until := time.Now().Add(time.Hour).Round(time.Second)
	must(t, c.Pause(t.Context(), until))
	s, err := c.Status(t.Context())
	must(t, err)
	if s.Paused == nil || s.Paused.Reason != control.PauseUser || !s.Paused.Until.Equal(until) || !s.Online || s.Connected {
		t.Errorf("paused: %+v, %+v", s, s.Paused)
	}
	_, err = c.Connect(t.Context(), "192.0.2.1:9000")
	wantErr(t, "connect while paused", err, control.ErrOffline)
	must(t, c.Pause(t.Context(), time.Time{}))
	s, err = c.Status(t.Context())
	must(t, err)
	if s.Paused != nil || !s.Online {
		t.Errorf("resumed: %+v, %+v", s, s.Paused)
	}
	must(t, c.Pause(t.Context(), until))
	must(t, c.Pause(t.Context(), time.Now().Add(-time.Hour)))
	if s, err = c.Status(t.Context()); err != nil || s.Paused != nil {
		t.Errorf("paused until an hour ago: %+v, %v", s.Paused, err)
	}
}

func testForget(t *testing.T, c control.Control, a Author) {
	s := a.Site(t, "fgt.alt", map[string]string{"index.html": "mine"})
	publish(t, c, s, "")
	freed, err := c.Forget(t.Context())
	must(t, err)
	if freed < 0 {
		t.Errorf("%d bytes freed", freed)
	}
	if got := readArchive(t, c, "fgt.alt"); got["index.html"] != "mine" {
		t.Errorf("an own site after Forget: %v", got)
	}
}

func testLogs(t *testing.T, c control.Control, _ Author) {
	lines, err := c.Logs(t.Context())
	must(t, err)
	if len(lines) > control.MaxLogs {
		t.Errorf("%d lines", len(lines))
	}
	for i, l := range lines {
		if l.Time.IsZero() || l.Level == "" || l.Text == "" || i > 0 && l.Time.Before(lines[i-1].Time) {
			t.Errorf("line %d: %+v", i, l)
		}
	}
}

func testActivity(t *testing.T, c control.Control, a Author) {
	publish(t, c, a.Site(t, "act.alt", map[string]string{"index.html": "a"}), "")
	got, err := c.Activity(t.Context(), "act.alt")
	must(t, err)
	if len(got.Visits) > control.ActivityDays {
		t.Errorf("%d days", len(got.Visits))
	}
	for i, s := range got.Copies {
		if s.Copies < 0 || i > 0 && s.Time.Before(got.Copies[i-1].Time) {
			t.Errorf("copies %+v", got.Copies)
		}
	}
	_, err = c.Activity(t.Context(), "none.alt")
	wantErr(t, "activity of nothing", err, control.ErrNotFound)
	_, err = c.Activity(t.Context(), "not a name")
	wantErr(t, "activity of no name", err, control.ErrInvalid)
}

func testVisited(t *testing.T, c control.Control, _ Author) {
	must(t, c.ClearVisited(t.Context()))
	list, err := c.Visited(t.Context())
	must(t, err)
	if len(list) != 0 {
		t.Errorf("visited %+v on a new node", list)
	}
}

func testBlocking(t *testing.T, c control.Control, a Author) {
	own := a.Site(t, "blk.alt", map[string]string{"index.html": "own"})
	publish(t, c, own, "")
	wantErr(t, "block an own site", c.SetBlocked(t.Context(), "blk.alt", true), control.ErrInvalid)
	root := strings.Repeat("5a", 32)
	for _, target := range []string{"bad.alt", root} {
		must(t, c.SetBlocked(t.Context(), target, true))
		must(t, c.SetBlocked(t.Context(), target, true)) // blocked it stays
		_, err := c.Archive(t.Context(), target)
		wantErr(t, "read what is blocked", err, control.ErrBlocked)
	}
	_, err := c.Resolve(t.Context(), "bad.alt")
	wantErr(t, "resolve what is blocked", err, control.ErrBlocked)
	list, err := c.Blocked(t.Context())
	must(t, err)
	if len(list) != 2 || list[0].Target != root || list[1].Target != "bad.alt" || list[1].Since.IsZero() {
		t.Errorf("blocked: %+v", list)
	}
	must(t, c.SetBlocked(t.Context(), "bad.alt", false))
	_, err = c.Resolve(t.Context(), "bad.alt")
	wantErr(t, "resolve what is blocked no longer", err, control.ErrUnknown, control.ErrUnreachable, control.ErrOffline)
	wantErr(t, "take back no block", c.SetBlocked(t.Context(), "bad.alt", false), control.ErrNotFound)
	wantErr(t, "block nonsense", c.SetBlocked(t.Context(), "not a name", true), control.ErrInvalid)
	if list, err = c.Blocked(t.Context()); err != nil || len(list) != 1 {
		t.Errorf("blocked in the end: %+v, %v", list, err)
	}
}

func testPreview(t *testing.T, c control.Control, a Author) {
	one := a.Site(t, "pre.alt", map[string]string{"index.html": "one"})
	publish(t, c, one, "")
	two := a.Site(t, "pre.alt", map[string]string{"index.html": "two"})
	publish(t, c, two, "")
	seen := map[string]bool{}
	for _, seq := range []uint64{one.Seq, two.Seq} {
		url, err := c.Preview(t.Context(), "pre.alt", seq)
		must(t, err)
		if !strings.HasPrefix(url, "http://") || !strings.Contains(url, ".localhost:") || !strings.HasSuffix(url, "/") || seen[url] {
			t.Errorf("preview at %q", url)
		}
		seen[url] = true
	}
	_, err := c.Preview(t.Context(), "pre.alt", 1<<60)
	wantErr(t, "preview of no version", err, control.ErrNotFound)
	_, err = c.Preview(t.Context(), "none.alt", 1)
	wantErr(t, "preview of no site", err, control.ErrNotFound)
}

// runRights checks method by method who may use a service.
func runRights(t *testing.T, start Start) {
	node, a := start(t)
	as := func(user string, admin bool) *control.Client {
		return Served(t, node, operated.Grant(user, admin, false))
	}
	anna, bert, eve, root := as("1000", false), as("1001", false), as("1005", false), as("0", true)

	mine := a.Site(t, "anna.alt", map[string]string{"index.html": "anna"})
	publish(t, anna, mine, "")
	for what, use := range map[string]func(c *control.Client) error{
		"peers":    func(c *control.Client) error { _, err := c.Peers(t.Context()); return err },
		"online":   func(c *control.Client) error { return c.SetOnline(t.Context(), true) },
		"settings": func(c *control.Client) error { s, _ := c.Settings(t.Context()); return c.SetSettings(t.Context(), s) },
		"pause":    func(c *control.Client) error { return c.Pause(t.Context(), time.Time{}) },
		"forget":   func(c *control.Client) error { _, err := c.Forget(t.Context()); return err },
		"logs":     func(c *control.Client) error { _, err := c.Logs(t.Context()); return err },
		"blocked":  func(c *control.Client) error { _, err := c.Blocked(t.Context()); return err },
		"block":    func(c *control.Client) error { return c.SetBlocked(t.Context(), "bad.alt", true) },
		"put":      func(c *control.Client) error { _, err := c.Put(t.Context(), []byte("block")); return err },
	} {
		for who, c := range map[string]*control.Client{"an operator": eve, "an administrator": root} {
			if err := use(c); err != nil {
				t.Errorf("%s: %s: %v", who, what, err)
			}
		}
		wantErr(t, "a user's "+what, use(anna), control.ErrDenied)
	}
	_, err := anna.Connect(t.Context(), "192.0.2.1:9000")
	wantErr(t, "a user's connect", err, control.ErrDenied)
	for who, c := range map[string]*control.Client{"another user": bert, "an operator": eve} {
		testForeign(t, who, c, a, mine)
	}
	testOthersBlocks(t, anna, bert, mine)
	testOthersRoot(t, a, bert, mine)
	testPossession(t, a, anna, bert, root)
	if got := readArchive(t, bert, "anna.alt"); got["index.html"] != "anna" {
		t.Errorf("another user reads %v", got)
	}
	publish(t, bert, a.Site(t, "bert.alt", map[string]string{"index.html": "bert"}), "")
	must(t, bert.SetPinned(t.Context(), "anna.alt", true))
	for _, c := range []struct {
		who   string
		c     *control.Client
		sites int
	}{{"the author", anna, 2}, {"who pinned it, too", bert, 2}, {"an operator", eve, 0}, {"an administrator", root, 3}} {
		sites, err := c.c.Sites(t.Context())
		must(t, err)
		if len(sites) != c.sites {
			t.Errorf("%s sees %d sites instead of %d", c.who, len(sites), c.sites)
		}
	}
	st, err := anna.Status(t.Context())
	must(t, err)
	if !st.Online || st.NodeID == "" || st.Sites != 0 || st.Store.Used != 0 || st.Data != "" || st.Traffic != (control.Traffic{}) {
		t.Errorf("a user sees %+v", st)
	}
	_, err = as("1000", false).Settings(t.Context())
	must(t, err)
}

// testForeign checks that nobody but its author and administrators change a
// site, or learn what the author alone may know.
func testForeign(t *testing.T, who string, c *control.Client, a Author, s Signed) {
	newer := a.Site(t, s.Name, map[string]string{"index.html": "another's"})
	must(t, c.PutBlocks(t.Context(), newer.All()))
	_, publish := c.Publish(t.Context(), control.PublishRequest{Record: newer.Record})
	_, withdraw := c.Withdraw(t.Context(), control.PublishRequest{Record: a.Tombstone(t, s.Name).Record})
	_, receipt := c.Receipt(t.Context(), s.Name)
	_, versions := c.Versions(t.Context(), s.Name)
	_, activity := c.Activity(t.Context(), s.Name)
	_, preview := c.Preview(t.Context(), s.Name, s.Seq)
	for what, err := range map[string]error{
		"publish": publish, "withdraw": withdraw, "receipt": receipt, "versions": versions, "activity": activity, "preview": preview,
		"drop": c.DropVersion(t.Context(), s.Name, s.Seq), "unpin": c.SetPinned(t.Context(), s.Name, false),
	} {
		wantErr(t, who+": "+what, err, control.ErrDenied, control.ErrNotFound)
	}
	if sites, err := c.Sites(t.Context()); err != nil || len(sites) != 0 {
		t.Errorf("%s sees %+v, %v", who, sites, err)
	}
}

// testPossession checks that nobody gets a site whose key they cannot show,
// and that who can gets it from anybody else.
func testPossession(t *testing.T, a Author, anna, bert, root *control.Client) {
	s := a.Site(t, "found.alt", map[string]string{"index.html": "read in the network"})
	must(t, bert.PutBlocks(t.Context(), s.All()))
	_, err := bert.Publish(t.Context(), control.PublishRequest{Record: s.Record})
	wantErr(t, "a record without a proof", err, control.ErrDenied)
	_, err = bert.Publish(t.Context(), request(t, anna, s, ""))
	wantErr(t, "a record with another user's proof", err, control.ErrDenied)
	_, err = bert.Withdraw(t.Context(), control.PublishRequest{Record: a.Tombstone(t, s.Name).Record})
	wantErr(t, "a tombstone without a proof", err, control.ErrDenied, control.ErrNotFound)
	found := a.Site(t, s.Name, map[string]string{"index.html": "read in the network"})
	must(t, root.PutBlocks(t.Context(), found.All()))
	_, err = root.Publish(t.Context(), control.PublishRequest{Record: found.Record, Note: "a remark"})
	must(t, err)
	publish(t, anna, a.Site(t, s.Name, map[string]string{"index.html": "mine"}), "")
	versions, err := anna.Versions(t.Context(), s.Name)
	must(t, err)
	for _, v := range versions {
		if v.Note != "" {
			t.Errorf("a remark of another user's went with the site: %+v", v)
		}
	}
}

// testOthersRoot checks that signing somebody else's root does not tell that it
// is here, nor makes it one's own; who has the content may publish it.
func testOthersRoot(t *testing.T, a Author, other *control.Client, s Signed) {
	copied := a.Site(t, "bert.alt", map[string]string{"index.html": "anna"})
	if copied.Root != s.Root {
		t.Fatalf("the copy is %s, not %s", copied.Root, s.Root)
	}
	_, err := other.Publish(t.Context(), request(t, other, copied, ""))
	wantErr(t, "publish what another user has here", err, control.ErrMissing)
	unknown := a.Site(t, "bert.alt", map[string]string{"index.html": "nobody's"})
	_, never := other.Publish(t.Context(), request(t, other, unknown, ""))
	wantErr(t, "publish what nobody has here", never, control.ErrMissing)
	if told := strings.ReplaceAll(err.Error(), s.Root, unknown.Root); told != never.Error() {
		t.Errorf("what others have is told: %q instead of %q", told, never)
	}
	part := copied
	part.Blocks = part.Blocks[:1]
	must(t, other.PutBlocks(t.Context(), part.All()))
	_, err = other.Publish(t.Context(), request(t, other, copied, ""))
	wantErr(t, "publish what is another user's in part", err, control.ErrMissing)
	have, err := other.HaveBlocks(t.Context(), copied.Hashes())
	must(t, err)
	if n := len(slices.DeleteFunc(have, func(h bool) bool { return !h })); n != 1 {
		t.Errorf("%d of %d blocks are the user's after one was put", n, len(copied.Hashes()))
	}
	publish(t, other, copied, "")
}

// testOthersBlocks checks that a user is not told whether blocks of other
// people's sites are here, which would tell what those read.
func testOthersBlocks(t *testing.T, author, other *control.Client, s Signed) {
	for _, c := range []struct {
		who  string
		c    *control.Client
		want bool
	}{{"the author", author, true}, {"another user", other, false}} {
		have, err := c.c.HaveBlocks(t.Context(), s.Hashes())
		must(t, err)
		for i, h := range have {
			if h != c.want {
				t.Errorf("%s is told %v of block %d", c.who, h, i)
			}
		}
	}
}

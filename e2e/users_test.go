//go:build linux

package e2e

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// remark is what Anna notes on a version, for herself.
const remark = "a remark for Anna alone"

// annasSite is what she publishes through the service, and has two copies of.
type annasSite struct {
	anna   *account
	folder string
	sums   []string
	seq    uint64 // of the version before
	root   string
	record []byte // the newest, as anybody may read it
}

func (c *computer) annasSite() annasSite {
	c.t.Helper()
	s := annasSite{anna: c.account("anna", annaUID)}
	s.folder = filepath.Join(s.anna.home, "garden")
	randomSite(c.t, s.folder)
	s.anna.own(s.folder)
	s.anna.do("publish", s.folder, "garden.alt", "-note", remark)
	s.update()
	return s
}

// update publishes other files from the same folder.
func (s *annasSite) update() {
	c := s.anna.c
	c.t.Helper()
	check(c.t, os.RemoveAll(s.folder))
	s.sums = randomSite(c.t, s.folder)
	s.anna.own(s.folder)
	s.anna.do("update", "garden.alt", "-note", remark)
	c.eventually(time.Minute, "have two copies elsewhere", func() error {
		sites := asked[[]publishedSite](s.anna, "sites")
		if len(sites) != 1 || sites[0].Copies < 2 {
			return fmt.Errorf("%+v", sites)
		}
		return nil
	})
	versions := asked[[]struct {
		Seq  uint64
		Root string
	}](s.anna, "versions", "garden.alt")
	if len(versions) != 2 {
		c.t.Fatalf("versions %+v", versions)
	}
	s.seq, s.root = versions[1].Seq, versions[0].Root
	s.record = resolved(s.anna, "garden.alt")
}

// resolved returns the signed record of a name.
func resolved(a *account, name string) []byte {
	a.c.t.Helper()
	_, _, text := a.raw("resolve", toJSON(map[string]any{"Name": name}))
	var answer struct{ Result struct{ Record []byte } }
	check(a.c.t, json.Unmarshal([]byte(text), &answer))
	if len(answer.Result.Record) == 0 {
		a.c.t.Fatalf("no record of %s: %s", name, text)
	}
	return answer.Result.Record
}

func toJSON(v any) []byte {
	raw, err := json.Marshal(v)
	if err != nil {
		panic(err) // a map of plain values
	}
	return raw
}

// wantSums looks for the hashes of every file in what a page says it read.
func wantSums(t *testing.T, where, dom string, sums []string) {
	t.Helper()
	for _, sum := range sums {
		if !strings.Contains(dom, sum) {
			t.Errorf("%s: %s was not read; the page says:\n%s", where, sum, dom)
		}
	}
}

// TestTwoUsers is one service and two people: Anna publishes a folder that
// only she can read, and logs out. Bert reads the site in his browser, and can
// do nothing else to it.
func TestTwoUsers(t *testing.T) {
	if !onComputer(t, "TestTwoUsers") {
		return
	}
	volunteers := network(t, 3)
	c := newComputer(t, volunteers[0])
	bert := c.account("bert", bertUID)
	s := c.annasSite()
	if n := s.anna.processes(); n > 0 {
		t.Fatalf("%d processes of Anna's still run", n)
	}
	for _, who := range []*account{bert, {c: c, uid: serviceUID, home: "/var/lib/altnet/node"}} {
		if out, err := who.command(t.Context(), "ls", s.folder).CombinedOutput(); err == nil {
			t.Errorf("%d reads Anna's folder: %s", who.uid, out)
		}
	}
	t.Run("reads", func(t *testing.T) { reads(t, bert, s, volunteers[0]) })
	t.Run("methods", func(t *testing.T) { foreignMethods(t, bert, s) })
	t.Run("visits", func(t *testing.T) { foreignVisits(t, s) })
	t.Run("commands", func(t *testing.T) { foreignCommands(t, bert, s) })
	t.Run("secrets", func(t *testing.T) { noSecrets(t, c, s) })
	if versions := s.anna.do("versions", "garden.alt"); strings.Count(versions, remark) != 2 {
		t.Errorf("in the end Anna has\n%s", versions)
	}
	wantSums(t, "in the end", bert.browse(localURL(c.gateway())), s.sums)
}

// gateway is the port of the service's.
func (c *computer) gateway() string {
	st := asked[struct{ Doors struct{ Gateway string } }](c.root(), "status")
	first, _, _ := strings.Cut(st.Doors.Gateway, ",")
	return first
}

func localURL(gateway string) string {
	return "http://garden-alt.localhost:" + gateway[strings.LastIndex(gateway, ":")+1:] + "/"
}

// reads has Bert read the site through the service, through another node that
// had none of it, and as files.
func reads(t *testing.T, bert *account, s annasSite, v *node) {
	wantSums(t, "through the service", bert.browse(localURL(bert.c.gateway())), s.sums)
	second := start(t, "second", v, "-no-volunteer")
	second.waitPeers(1)
	wantSums(t, "through a second node", bert.browse(localURL(second.gateway)), s.sums)
	copied := filepath.Join(bert.home, "copy")
	bert.do("fetch", "garden.alt", copied)
	if out, err := bert.c.root().command(t.Context(), "diff", "-r", s.folder, copied).CombinedOutput(); err != nil {
		t.Errorf("what Bert fetched differs: %s", out)
	}
}

// methods lists what the control socket knows, as its source says.
func methods(t *testing.T) []string {
	t.Helper()
	var found []string
	for _, file := range []string{"methods.go", "server.go"} {
		source, err := os.ReadFile(filepath.Join("..", "engine", "control", file))
		check(t, err)
		for _, m := range regexp.MustCompile(`(?:handle\(s, |s\.open\()"([a-z-]+)"`).FindAllSubmatch(source, -1) {
			found = append(found, string(m[1]))
		}
	}
	if len(found) < 30 {
		t.Fatalf("only %d methods found: %v", len(found), found)
	}
	return found
}

// foreignMethods has Bert try every method against Anna's site: it is refused,
// or tells him nothing of hers.
func foreignMethods(t *testing.T, bert *account, s annasSite) {
	name := toJSON(map[string]any{"Name": "garden.alt"})
	version := toJSON(map[string]any{"Name": "garden.alt", "Seq": s.seq})
	handed := toJSON(map[string]any{"record": s.record})
	proved := toJSON(map[string]any{"record": s.record, "proof": make([]byte, 64)})
	type attempt struct {
		body []byte
		want string // code of the refusal; "": allowed, and shows nothing of Anna's
	}
	tries := map[string][]attempt{
		"publish":  {{handed, "denied"}, {proved, "denied"}, {[]byte(`{"record":"eA=="}`), "invalid"}},
		"withdraw": {{handed, "invalid"}, {proved, "invalid"}},
		"receipt":  {{name, "not-found"}}, "versions": {{name, "not-found"}}, "activity": {{name, "not-found"}},
		"drop-version": {{version, "not-found"}}, "preview": {{version, "not-found"}},
		"pin":    {{toJSON(map[string]any{"Name": "garden.alt", "Pinned": false}), "not-found"}},
		"online": {{[]byte(`{"Online":false}`), "denied"}}, "pause": {{toJSON(map[string]any{"Until": time.Now().Add(time.Hour)}), "denied"}},
		"set-settings": {{[]byte(`{}`), "denied"}}, "forget": {{[]byte(`{}`), "denied"}},
		"block": {{[]byte(`{"Target":"garden.alt","Blocked":true}`), "denied"}}, "blocked": {{[]byte(`{}`), "denied"}},
		"logs": {{[]byte(`{}`), "denied"}}, "peers": {{[]byte(`{}`), "denied"}},
		"connect": {{[]byte(`{"Name":"127.0.0.1:1"}`), "denied"}}, "ping": {{name, "denied"}}, "find": {{name, "denied"}},
		"put": {{[]byte("block"), "denied"}}, "get": {{make([]byte, 32), "denied"}},
		"status": {{[]byte(`{}`), ""}}, "prove-gateway": {{[]byte(`{}`), ""}}, "events": {{[]byte(`{}`), ""}}, "settings": {{[]byte(`{}`), ""}},
		"sites": {{[]byte(`{}`), ""}}, "visited": {{[]byte(`{}`), ""}}, "clear-visited": {{[]byte(`{}`), ""}},
		"have": {{nil, ""}}, "blocks": {{nil, ""}},
		// what is public
		"resolve": {{name, ""}}, "accept": {{name, ""}}, "archive": {{name, ""}},
	}
	for _, m := range methods(t) {
		if len(tries[m]) == 0 {
			t.Errorf("nobody tried the method %s", m)
		}
		for _, try := range tries[m] {
			status, code, text := bert.raw(m, try.body)
			if code != try.want || (code == "") != (status == 200) {
				t.Errorf("%s: %d %q, want %q", m, status, code, try.want)
			}
			for _, private := range []string{remark, fmt.Sprint(annaUID), s.anna.home} {
				if strings.Contains(text, private) {
					t.Errorf("%s tells of Anna: %s", m, text)
				}
			}
			if public := m == "resolve" || m == "archive"; !public && try.want == "" && strings.Contains(text, "garden") {
				t.Errorf("%s names Anna's site: %s", m, text)
			}
		}
	}
	if status, _, _ := bert.raw("keys", []byte(`{}`)); status == 200 {
		t.Error("there is a method that tells keys")
	}
}

// foreignVisits has somebody pin Anna's site, who is then told of its copies
// and not that Bert has read it.
func foreignVisits(t *testing.T, s annasSite) {
	carl := s.anna.c.account("carl", carlUID)
	carl.do("pin", "garden.alt")
	type activity struct{ Visits, Copies []any }
	if a := asked[activity](carl, "visits", "garden.alt"); len(a.Visits) > 0 || len(a.Copies) == 0 {
		t.Errorf("who pinned the site is told %+v", a)
	}
	if a := asked[activity](s.anna, "visits", "garden.alt"); len(a.Visits) == 0 {
		t.Error("Anna is told of no visits to her own site")
	}
	carl.do("unpin", "garden.alt")
}

// foreignCommands has Bert try the same on the command line, which tells him
// why not.
func foreignCommands(t *testing.T, bert *account, s annasSite) {
	mine := filepath.Join(bert.home, "mine")
	check(t, os.MkdirAll(mine, 0o700))
	check(t, os.WriteFile(filepath.Join(mine, "index.html"), []byte("Bert's"), 0o600))
	bert.own(mine)
	for _, try := range []struct {
		args []string
		want string
	}{
		{[]string{"update", "garden.alt", mine}, "no site"},
		{[]string{"withdraw", "garden.alt"}, "no site"},
		{[]string{"rollback", "garden.alt"}, "no site"},
		{[]string{"publish", mine, "garden.alt"}, "belongs to somebody else"},
		{[]string{"receipt", "garden.alt"}, "no site of yours"},
		{[]string{"versions", "garden.alt"}, "no site of yours"},
		{[]string{"visits", "garden.alt"}, "no site of yours"},
		{[]string{"preview", "garden.alt", fmt.Sprint(s.seq)}, "no site of yours"},
		{[]string{"drop", "garden.alt", fmt.Sprint(s.seq)}, "no site of yours"},
		{[]string{"unpin", "garden.alt"}, "not pinned"},
		{[]string{"pause"}, "only who operates this node, or an administrator"},
		{[]string{"block", "garden.alt"}, "only who operates this node, or an administrator"},
		{[]string{"settings", "disk", "2GiB"}, "only who operates this node, or an administrator"},
	} {
		out, err := bert.try(try.args...)
		if err == nil || !strings.Contains(err.Error(), try.want) {
			t.Errorf("altnet %v: %v, want %q\n%s", try.args, err, try.want, out)
		}
	}
	if list := bert.do("sites"); strings.Contains(list, "garden") {
		t.Errorf("Bert's sites: %s", list)
	}
}

// TestFirstToHandIn has Bert hand in what Anna published from another
// computer: he can read her record in the network, and still does not get her
// site.
func TestFirstToHandIn(t *testing.T) {
	if !onComputer(t, "TestFirstToHandIn") {
		return
	}
	volunteers := network(t, 2)
	c := newComputer(t, volunteers[0])
	anna, bert := c.account("anna", annaUID), c.account("bert", bertUID)
	folder := filepath.Join(anna.home, "garden")
	check(t, os.MkdirAll(folder, 0o700))
	check(t, os.WriteFile(filepath.Join(folder, "index.html"), []byte(rand.Text()), 0o600))
	anna.own(folder)
	elsewhere := start(t, "elsewhere", volunteers[0])
	elsewhere.waitPeers(1)
	laptop := &account{c: c, home: anna.home, env: []string{"ALTNET_DATA=" + filepath.Join(elsewhere.dir, "store")}}
	laptop.do("publish", folder, "garden.alt") // as root, whose node that is
	anna.own(filepath.Join(anna.home))         // the profile, too
	bert.do("pin", "garden.alt")
	for range 2 { // the second finds what the first may have left
		if status, code, text := bert.raw("publish", toJSON(map[string]any{"record": resolved(bert, "garden.alt")})); code != "denied" {
			t.Errorf("Bert hands Anna's record in: %d %s", status, text)
		}
	}
	if list := bert.do("sites"); strings.Contains(list, "own") {
		t.Errorf("Bert's sites:\n%s", list)
	}
	// An administrator may hand in what he likes. Who has the key gets it all
	// the same, without his remarks.
	if status, _, text := c.root().raw("publish", toJSON(map[string]any{"record": resolved(bert, "garden.alt"), "note": remark})); status != 200 {
		t.Errorf("an administrator hands Anna's record in: %s", text)
	}
	if out, err := anna.try("receipt", "garden.alt"); err == nil {
		t.Errorf("a receipt before anything was shown: %s", out)
	}
	check(t, os.WriteFile(filepath.Join(folder, "index.html"), []byte(rand.Text()), 0o600))
	anna.own(folder)
	anna.do("update", "garden.alt", folder)
	if list := anna.do("sites"); !strings.Contains(list, "garden.alt") || !strings.Contains(list, "own") {
		t.Errorf("Anna's sites:\n%s", list)
	}
	if list := anna.do("versions", "garden.alt"); strings.Contains(list, remark) || strings.Count(list, "\n") != 3 {
		t.Errorf("Anna's versions:\n%s", list)
	}
	anna.do("withdraw", "garden.alt")
}

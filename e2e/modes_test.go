//go:build linux

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestTwoModes runs one script by the agent of a person whose node is the
// service, and by one whose node lives in the agent: what they are told is the
// same.
func TestTwoModes(t *testing.T) {
	if !onComputer(t, "TestTwoModes") {
		return
	}
	const door = "127.0.0.1:8080"
	c := newComputer(t, network(t, 3)[0], "-gateway", door)
	check(t, os.WriteFile("/var/lib/altnet/operators", fmt.Appendf(nil, "%d # who installed it\n", annaUID), 0o644))
	anna := c.account("anna", annaUID)
	anna.agent()
	withService := script(anna, door)

	const other = "127.0.0.1:8180"
	carl := c.account("carl", carlUID)
	carl.env = []string{"ALTNET_DATA=" + filepath.Join(carl.home, "data")}
	carl.agent("-listen", "127.0.0.1:9100", "-gateway", other, "-bootstrap", network(t, 3)[0].listen)
	c.eventually(20*time.Second, "run in the agent", func() error {
		_, err := carl.try("settings", "accepted", "yes")
		return err
	})
	withAgent := script(carl, other)
	for who, host := range map[*account]string{anna: "service", carl: "agent"} {
		if st := asked[struct{ Host string }](who, "status"); st.Host != host {
			t.Errorf("%s has a node in %q", who.home, st.Host)
		}
	}
	for i := range max(len(withService), len(withAgent)) {
		if s, a := at(withService, i), at(withAgent, i); s != a {
			t.Errorf("with the service:\n%s\nwith the node in the agent:\n%s", s, a)
		}
	}
	t.Logf("the same in %d steps; the last: %s", len(withAgent), at(withAgent, len(withAgent)-1))
}

func at(list []string, i int) string {
	if i < len(list) {
		return list[i]
	}
	return "nothing"
}

// agent starts the person's agent, which has no desktop to show anything on.
func (a *account) agent(flags ...string) {
	a.c.t.Helper()
	cmd := a.command(context.Background(), a.c.program, append([]string{"agent"}, flags...)...)
	log, err := os.Create(filepath.Join(a.c.t.TempDir(), "agent.log"))
	check(a.c.t, err)
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	check(a.c.t, cmd.Start())
	a.c.t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		if err := cmd.Wait(); err != nil {
			text, _ := os.ReadFile(log.Name())
			a.c.t.Errorf("the agent of %s did not stop cleanly: %v\n%s", a.home, err, text)
		}
	})
}

// written is a script under way.
type written struct {
	*account
	steps []string
}

// run notes what a command answers.
func (w *written) run(args ...string) {
	out, err := w.try(args...)
	if err != nil {
		out = err.Error()
	}
	w.note(strings.Join(args, " "), out)
}

func (w *written) note(what, text string) {
	w.steps = append(w.steps, plain(w.home, "$ "+what+"\n"+text))
}

// plain takes out what is another one each time.
func plain(home, text string) string {
	text = strings.ReplaceAll(text, home, "HOME")
	for _, r := range []struct{ from, to string }{
		{`\b[a-z2-7]{26}\.localhost`, "TOKEN.localhost"}, {`\b[a-z2-7]{56}\b`, "ADDRESS"}, {`\b[0-9a-f]{8,64}\b`, "HEX"}, {`\b[0-9]{13}\b`, "VERSION"},
		{`[0-9]{4}-[0-9]{2}-[0-9]{2}[ T][0-9:.]+(Z|[+-][0-9:]+)?`, "TIME"}, {`\b(127\.0\.0\.1|localhost):[0-9]+`, "$1:PORT"},
		{`(?m)^(since|listens|announced|peers|store|traffic) .*$`, "$1 …"}, {`/proxy-[^/ ]*\.pac|/[^/ ]*/proxy\.pac`, "/PAC"}, {`(?m)^ca .*$`, "ca …"},
		{`(?m)^(records|copies) .*\n`, ""}, {`(?m)^.* confirmed: .*\n`, ""}, {`(?m)^(More copies|With fewer|No other peer).*\n`, ""},
		{`told so far: [0-9]+ peers?`, "told so far: some peers"}, {`(?m) {2,}`, "  "}, {`(?m) +$`, ""},
	} {
		text = regexp.MustCompile(r.from).ReplaceAllString(text, r.to)
	}
	return text
}

// script is what a person may do on the command line, and what it answers.
func script(a *account, door string) []string {
	w := &written{account: a}
	folder := filepath.Join(a.home, "garden")
	write := func(text string) {
		a.c.t.Helper()
		check(a.c.t, os.MkdirAll(filepath.Join(folder, ".git"), 0o700))
		for name, data := range map[string]string{"index.html": text, "big.txt": strings.Repeat(text, 300_000), ".git/config": "left out"} {
			check(a.c.t, os.WriteFile(filepath.Join(folder, name), []byte(data), 0o600))
		}
		a.own(folder)
	}
	w.connected()
	w.run("status")
	w.keys("status", "settings")
	w.run("sites")
	write("one")
	w.run("publish", folder, "garden.alt", "-note", "first")
	w.copied()
	w.run("sites")
	w.run("receipt", "garden.alt")
	write("two")
	w.run("update", "garden.alt", "-note", "second")
	w.run("update", "garden.alt")
	w.copied()
	w.run("versions", "garden.alt")
	first := asked[[]struct{ Seq uint64 }](a, "versions", "garden.alt")[1].Seq
	w.run("preview", "garden.alt", fmt.Sprint(first))
	w.preview(door, first)
	w.run("rollback", "garden.alt", "-note", "back")
	w.run("versions", "garden.alt")
	w.run("drop", "garden.alt", fmt.Sprint(first))
	w.run("drop", "garden.alt", "1")
	w.run("resolve", "garden.alt")
	w.run("fetch", "garden.alt", filepath.Join(a.home, "copy"))
	w.folder(filepath.Join(a.home, "copy"))
	w.run("visits", "garden.alt")
	w.run("pause", "30m")
	w.run("status")
	w.run("resume")
	w.run("offline")
	w.run("status")
	w.run("online")
	w.connected()
	for _, set := range [][2]string{{"up", "1MB"}, {"up", "none"}, {"share", "visiting"}, {"share", "often"}, {"disk", "1"}, {"volunteer", "no"}, {"nothing", "1"}} {
		w.run("settings", set[0], set[1])
	}
	w.run("settings", "share", "never")
	w.run("block", "other.alt")
	w.run("blocked")
	w.run("resolve", "other.alt")
	w.run("unblock", "other.alt")
	for _, wrong := range []string{"receipt", "resolve", "pin", "unpin", "withdraw", "update", "versions"} {
		w.run(wrong, "nothing.alt")
	}
	w.run("publish", filepath.Join(a.home, "nowhere"))
	w.run("publish", folder, "-bad-.alt")
	w.run("ping", "127.0.0.1:1")
	w.run("withdraw", "garden.alt")
	w.run("resolve", "garden.alt")
	w.run("sites")
	w.run("update", "garden.alt")
	w.run("forget")
	return w.steps
}

// connected waits until the node has peers.
func (w *written) connected() {
	w.c.t.Helper()
	w.c.eventually(time.Minute, "have peers", func() error {
		if st := asked[struct{ Peers int }](w.account, "status"); st.Peers < 3 {
			return fmt.Errorf("%d peers", st.Peers)
		}
		return nil
	})
}

// copied waits until there are as many copies as there are volunteers.
func (w *written) copied() {
	w.c.t.Helper()
	w.c.eventually(time.Minute, "have copies", func() error {
		sites := asked[[]publishedSite](w.account, "sites")
		if len(sites) != 1 || sites[0].Copies < 3 {
			return fmt.Errorf("%+v", sites)
		}
		return nil
	})
}

// keys notes which fields commands have in JSON.
func (w *written) keys(commands ...string) {
	w.c.t.Helper()
	for _, command := range commands {
		fields := asked[map[string]json.RawMessage](w.account, command)
		delete(fields, "traffic")
		w.note(command+" -json", fmt.Sprint(slices.Sorted(maps.Keys(fields))))
	}
}

// preview notes what a preview shows.
func (w *written) preview(door string, seq uint64) {
	w.c.t.Helper()
	out := w.do("preview", "garden.alt", fmt.Sprint(seq))
	link, err := url.Parse(regexp.MustCompile(`http://\S+`).FindString(out))
	check(w.c.t, err)
	req, err := http.NewRequestWithContext(w.c.t.Context(), http.MethodGet, "http://"+door+link.Path, nil)
	check(w.c.t, err)
	req.Host = link.Host
	resp, err := client.Do(req)
	check(w.c.t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	check(w.c.t, err)
	w.note("GET "+link.Host, fmt.Sprintf("%d %s %s", resp.StatusCode, resp.Header.Get("Content-Security-Policy"), body))
}

// folder notes what lies in a folder.
func (w *written) folder(dir string) {
	w.c.t.Helper()
	check(w.c.t, filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		w.note("cat "+path, fmt.Sprintf("%d bytes, %.20s", len(data), data))
		return err
	}))
}

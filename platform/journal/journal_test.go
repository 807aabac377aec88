//go:build unix

package journal

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
)

const book1 = "/var/journal"

// setting is an external thing: a value in memory that outlives crashes.
type setting map[string]string

func (s setting) undo(_ context.Context, c Change) (Result, error) {
	now, there := s[c.Key]
	if !there || !c.IsOurs(quote(now)) {
		return Nothing, nil
	}
	var before *string
	if err := json.Unmarshal(c.Before, &before); err != nil {
		return Failed, err
	}
	if before == nil {
		delete(s, c.Key)
		return Removed, nil
	}
	s[c.Key] = *before
	return Restored, nil
}

func quote(s string) json.RawMessage {
	data, _ := json.Marshal(s)
	return data
}

func open(t *testing.T, m FS, s setting) *Journal {
	t.Helper()
	j, err := Open(book1, Config{FS: m, Surgeons: map[string]Surgeon{"lines": Lines}, Undoers: map[string]Undoer{"setting": s.undo}})
	if err != nil {
		t.Fatal(err)
	}
	return j
}

func line(text string) FileChange {
	return FileChange{
		Door: "edit", Path: "/etc/conf", Surgeon: "lines", Part: LinesPart(text),
		Edit: func(now []byte) ([]byte, error) { return append(slices.Clone(now), text...), nil },
	}
}

// setAll makes one change of every sort, and goes on past failures like a
// program that is told to set what it can.
func setAll(j *Journal, s setting) error {
	ctx := context.Background()
	return errors.Join(
		j.File(ctx, FileChange{Door: "new", Path: "/etc/a/b/alt", Edit: Whole([]byte("server 1\n")), Mode: 0o644}),
		j.File(ctx, FileChange{Door: "beside", Path: "/etc/beside", Edit: Whole([]byte("ours\n"))}),
		j.File(ctx, line("alt 1\n")),
		j.External(ctx, ExternalChange{Door: "value", Kind: "setting", Key: "proxy", Before: quote("theirs"), After: quote("ours")},
			func(context.Context) error { s["proxy"] = "ours"; return nil }),
		j.File(ctx, line("alt 2\n")), // the same door again, with another port
		j.File(ctx, FileChange{Door: "new", Path: "/etc/a/b/alt", Edit: Whole([]byte("server 2\n"))}),
	)
}

func disk() (*memFS, setting) {
	m := newMemFS("/etc", "/var")
	m.put("/etc/conf", State{Data: []byte("theirs\n"), Mode: 0o640, UID: 7, GID: 8})
	return m, setting{"proxy": "theirs"}
}

func TestSetAndUndo(t *testing.T) {
	m, s := disk()
	before := m.snapshot()
	j := open(t, m, s)
	if err := setAll(j, s); err != nil {
		t.Fatal(err)
	}
	if got := string(m.live["/etc/conf"].state.Data); got != "theirs\nalt 2\n" {
		t.Errorf("the edited file is %q", got)
	}
	if got := m.live["/etc/conf"].state; got.Mode != 0o640 || got.UID != 7 || got.GID != 8 {
		t.Errorf("the edited file changed its mode or owner: %v", got)
	}
	if got := string(m.live["/etc/a/b/alt"].state.Data); got != "server 2\n" {
		t.Errorf("the new file is %q", got)
	}
	if mode := m.live[book1].state.Mode; mode != 0o600 {
		t.Errorf("the journal has the mode %v", mode)
	}
	if list, err := j.Entries(t.Context()); err != nil || len(list) != 4 || !list[0].Done {
		t.Errorf("the journal lists %v, %v", list, err)
	}
	outcomes, err := j.Undo(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var results []Result
	for _, o := range outcomes {
		results = append(results, o.Result)
	}
	if want := []Result{Restored, Restored, Removed, Removed}; !slices.Equal(results, want) {
		t.Errorf("undo says %v, want %v", results, want)
	}
	if !maps.Equal(m.snapshot(), before) || s["proxy"] != "theirs" {
		t.Errorf("undo left %v, %v", m.snapshot(), s)
	}
}

// TestCrashAtEveryWrite ends the process before each write of setting, with
// each sort of loss, and holds the next undo to a clean computer.
func TestCrashAtEveryWrite(t *testing.T) {
	count, _ := disk()
	s := setting{"proxy": "theirs"}
	if err := setAll(open(t, count, s), s); err != nil {
		t.Fatal(err)
	}
	if count.steps < 50 {
		t.Fatalf("only %d writes: is every one seen?", count.steps)
	}
	for at := 1; at <= count.steps; at++ {
		for l := range losses {
			m, s := disk()
			want := m.snapshot()
			m.crashAt = at
			if err := setAll(open(t, m, s), s); err == nil {
				t.Fatalf("no crash at step %d", at)
			}
			undone(t, m.reboot(l), s, want, count.trace[at-1], l)
		}
	}
}

// TestCrashAtEveryWriteOfUndo does the same to undo itself.
func TestCrashAtEveryWriteOfUndo(t *testing.T) {
	count, s := disk()
	j := open(t, count, s)
	if err := setAll(j, s); err != nil {
		t.Fatal(err)
	}
	first := count.steps
	if _, err := j.Undo(t.Context()); err != nil {
		t.Fatal(err)
	}
	if count.steps < first+20 {
		t.Fatalf("undo made only %d writes: is every one seen?", count.steps-first)
	}
	count.trace = append(count.trace, "the end")
	for at := first + 1; at <= count.steps+1; at++ {
		for l := range losses {
			m, s := disk()
			want := m.snapshot()
			j := open(t, m, s)
			if err := setAll(j, s); err != nil {
				t.Fatal(err)
			}
			m.crashAt = at
			_, _ = j.Undo(t.Context())
			undone(t, m.reboot(l), s, want, count.trace[at-1], l)
		}
	}
}

// TestDoneSurvivesPowerLoss holds a change that returned to being on the disk.
func TestDoneSurvivesPowerLoss(t *testing.T) {
	m, s := disk()
	must(t, setAll(open(t, m, s), s))
	want := m.snapshot()
	if got := m.reboot(powerLost).snapshot(); !maps.Equal(got, want) {
		t.Errorf("after a power failure there is %v, want %v", got, want)
	}
}

func undone(t *testing.T, m *memFS, s setting, want map[string]string, at string, l loss) {
	t.Helper()
	if _, err := open(t, m, s).Undo(context.Background()); err != nil {
		t.Errorf("crash at %q, loss %d: undo: %v", at, l, err)
	}
	if !maps.Equal(m.snapshot(), want) || s["proxy"] != "theirs" {
		t.Errorf("crash at %q, loss %d: undo left\n%v %v, want\n%v", at, l, m.snapshot(), s, want)
	}
}

// TestEditedSince crashes at every write, lets a person edit the file, and
// holds undo to leaving their line and nothing of ours.
func TestEditedSince(t *testing.T) {
	count, s := disk()
	if err := setAll(open(t, count, s), s); err != nil {
		t.Fatal(err)
	}
	for at := 1; at <= count.steps+1; at++ {
		m, s := disk()
		m.crashAt = at
		_ = setAll(open(t, m, s), s)
		m = m.reboot(killed)
		n := m.live["/etc/conf"]
		n.state.Data = append([]byte("edited\n"), n.state.Data...)
		if _, err := open(t, m, s).Undo(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := string(m.live["/etc/conf"].state.Data); got != "edited\ntheirs\n" {
			t.Errorf("crash at step %d: the file is %q", at, got)
		}
	}
}

func TestUndoOfWhatOthersDid(t *testing.T) {
	for name, c := range map[string]struct {
		before  *string // /etc/conf; nil: absent
		edit    func(now string) *string
		surgeon string
		want    *string
		result  Result
	}{
		"untouched":                 {before: ptr("a\n"), edit: ptr[string], want: ptr("a\n"), result: Restored},
		"created, untouched":        {edit: ptr[string], result: Removed},
		"gone":                      {before: ptr("a\n"), edit: func(string) *string { return nil }, result: Nothing},
		"created, gone":             {edit: func(string) *string { return nil }, result: Nothing},
		"edited":                    {before: ptr("a\n"), edit: func(s string) *string { return ptr(s + "b\n") }, surgeon: "lines", want: ptr("a\nb\n"), result: Cut},
		"edited, ours gone":         {before: ptr("a\n"), edit: func(string) *string { return ptr("c\n") }, surgeon: "lines", want: ptr("c\n"), result: Nothing},
		"edited, nobody can tell":   {before: ptr("a\n"), edit: func(s string) *string { return ptr(s + "b\n") }, want: ptr("a\nalt\nb\n"), result: Kept},
		"created, only spaces more": {edit: func(s string) *string { return ptr(s + "\n\n") }, surgeon: "lines", result: Cut},
		"created, more":             {edit: func(s string) *string { return ptr(s + "b\n") }, surgeon: "lines", want: ptr("b\n"), result: Cut},
		"put back by hand":          {before: ptr("a\n"), edit: func(string) *string { return ptr("a\n") }, want: ptr("a\n"), result: Nothing},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMemFS("/etc", "/var")
			if c.before != nil {
				m.put("/etc/conf", State{Data: []byte(*c.before), Mode: 0o600})
			}
			j := open(t, m, nil)
			change := line("alt\n")
			change.Surgeon = c.surgeon
			if err := j.File(t.Context(), change); err != nil {
				t.Fatal(err)
			}
			now := c.edit(string(m.live["/etc/conf"].state.Data))
			if now == nil {
				delete(m.live, "/etc/conf")
			} else {
				m.put("/etc/conf", State{Data: []byte(*now), Mode: 0o604})
			}
			outcomes, err := j.Undo(t.Context())
			if err != nil || len(outcomes) != 1 || outcomes[0].Result != c.result {
				t.Fatalf("undo: %v, %v; want %s", outcomes, err, c.result)
			}
			n := m.live["/etc/conf"]
			switch {
			case (n == nil) != (c.want == nil):
				t.Errorf("the file: %v, want %v", n, c.want)
			case n != nil && (string(n.state.Data) != *c.want || n.state.Mode != 0o604):
				t.Errorf("the file is %q with mode %v, want %q and the mode that it had", n.state.Data, n.state.Mode, *c.want)
			}
			if m.live[book1] != nil {
				t.Error("an empty journal was left")
			}
		})
	}
}

func ptr[T any](v T) *T { return &v }

func TestSetAgainAfterAnEdit(t *testing.T) {
	m, s := disk()
	j := open(t, m, s)
	must(t, j.File(t.Context(), line("alt 1\n")))
	n := m.live["/etc/conf"]
	n.state.Data = []byte("theirs\nalt 1\nedited\n")
	must(t, j.File(t.Context(), line("alt 2\n")))
	if got := string(m.live["/etc/conf"].state.Data); got != "theirs\nedited\nalt 2\n" {
		t.Errorf("the file is %q", got)
	}
	if _, err := j.Undo(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := string(m.live["/etc/conf"].state.Data); got != "theirs\nedited\n" {
		t.Errorf("after undo the file is %q", got)
	}
	whole := FileChange{Door: "x", Path: "/etc/conf", Edit: Whole([]byte("all ours"))}
	must(t, j.File(t.Context(), whole))
	m.live["/etc/conf"].state.Data = []byte("edited")
	whole.Edit = Whole([]byte("ours again"))
	if err := j.File(t.Context(), whole); !errors.Is(err, ErrEdited) {
		t.Errorf("an edited file was overwritten: %v", err)
	}
}

func TestSettingTwiceChangesNothing(t *testing.T) {
	m, s := disk()
	j := open(t, m, s)
	must(t, j.File(t.Context(), line("alt\n")))
	steps := m.steps
	must(t, j.File(t.Context(), line("alt\n")))
	must(t, j.File(t.Context(), FileChange{Door: "same", Path: "/etc/conf", Edit: func(now []byte) ([]byte, error) { return now, nil }}))
	if m.steps != steps {
		t.Errorf("setting again wrote: %v", m.trace[steps:])
	}
}

func TestLeftoverOfALostJournal(t *testing.T) {
	m := newMemFS("/etc", "/var")
	m.put("/etc/alt", State{Data: []byte("# altnet\nold\n"), Mode: 0o644})
	j := open(t, m, nil)
	must(t, j.File(t.Context(), FileChange{
		Door: "x", Path: "/etc/alt", Edit: Whole([]byte("# altnet\nold\n")),
		Leftover: func(now []byte) bool { return bytes.HasPrefix(now, []byte("# altnet\n")) },
	}))
	if _, err := j.Undo(t.Context()); err != nil || m.live["/etc/alt"] != nil {
		t.Errorf("a leftover stayed: %v", err)
	}
}

func TestFailedChangeIsTakenBack(t *testing.T) {
	m, s := disk()
	j := open(t, m, s)
	refused := errors.New("refused")
	err := j.External(t.Context(), ExternalChange{Door: "v", Kind: "setting", Key: "proxy", Before: quote("theirs"), After: quote("ours")},
		func(context.Context) error { s["proxy"] = "ours"; return refused })
	if !errors.Is(err, refused) || s["proxy"] != "theirs" || m.live[book1] != nil {
		t.Errorf("a failed change left %q: %v", s["proxy"], err)
	}
	if err := j.External(t.Context(), ExternalChange{Kind: "unheard of"}, nil); !errors.Is(err, ErrNoUndo) {
		t.Errorf("a change that cannot be undone was made: %v", err)
	}
}

func TestExternalKeepsWhatTheUserChose(t *testing.T) {
	m, s := disk()
	j := open(t, m, s)
	set := func(before, after string) {
		must(t, j.External(t.Context(), ExternalChange{Door: "v", Kind: "setting", Key: "proxy", Before: quote(before), After: quote(after)},
			func(context.Context) error { s["proxy"] = after; return nil }))
	}
	set("theirs", "ours 1")
	set("ours 1", "ours 2") // looked through
	s["proxy"] = "chosen since"
	set("chosen since", "ours 3")
	if _, err := j.Undo(t.Context(), "v"); err != nil || s["proxy"] != "chosen since" {
		t.Errorf("undo left %q: %v", s["proxy"], err)
	}
}

func TestUndoOfOneDoor(t *testing.T) {
	m, s := disk()
	j := open(t, m, s)
	must(t, setAll(j, s))
	if outcomes, err := j.Undo(t.Context(), "edit"); err != nil || len(outcomes) != 1 {
		t.Fatal(outcomes, err)
	}
	if m.live["/etc/a/b/alt"] == nil || s["proxy"] != "ours" {
		t.Error("another door was undone too")
	}
}

func TestUndoGoesOnPastFailures(t *testing.T) {
	m, s := disk()
	must(t, setAll(open(t, m, s), s))
	j, err := Open(book1, Config{FS: m, Surgeons: map[string]Surgeon{"lines": Lines}}) // knows no settings
	must(t, err)
	outcomes, err := j.Undo(t.Context())
	if !errors.Is(err, ErrNoUndo) || len(outcomes) != 4 {
		t.Errorf("undo: %v, %v", outcomes, err)
	}
	if list, err := j.Entries(t.Context()); err != nil || len(list) != 1 || list[0].Door != "value" {
		t.Errorf("the journal keeps %v, %v", list, err)
	}
}

func TestRefusedJournals(t *testing.T) {
	entry := `{"version":1,"entries":[%]}`
	for name, c := range map[string]struct {
		data string
		mode State
		want error
	}{
		"newer":           {data: `{"version":2,"entries":"unknown"}`, want: ErrNewer},
		"no JSON":         {data: `{`, want: ErrDamaged},
		"empty":           {data: ``, want: ErrDamaged},
		"no version":      {data: `{}`, want: ErrDamaged},
		"null entry":      {data: strings.Replace(entry, "%", "null", 1), want: ErrDamaged},
		"neither":         {data: strings.Replace(entry, "%", "{}", 1), want: ErrDamaged},
		"relative path":   {data: strings.Replace(entry, "%", `{"file":{"path":"a","temp":"b","ours":["x"]}}`, 1), want: ErrDamaged},
		"temp elsewhere":  {data: strings.Replace(entry, "%", `{"file":{"path":"/a/b","temp":"/c/b","ours":["x"]}}`, 1), want: ErrDamaged},
		"nothing done":    {data: strings.Replace(entry, "%", `{"external":{"kind":"k"}}`, 1), want: ErrDamaged},
		"of another user": {data: `{"version":1}`, mode: State{UID: 5}, want: ErrDamaged},
		"writable by all": {data: `{"version":1}`, mode: State{Mode: 0o622}, want: ErrDamaged},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMemFS("/var")
			state := c.mode
			state.Data = []byte(c.data)
			m.put(book1, state)
			if _, err := Open(book1, Config{FS: m}); !errors.Is(err, c.want) {
				t.Errorf("open says %v, want %v", err, c.want)
			}
			if m.steps != 0 {
				t.Error("a journal that was refused was written to")
			}
		})
	}
	if _, err := Open("journal", Config{}); err == nil {
		t.Error("a relative path was taken")
	}
}

func TestBounds(t *testing.T) {
	m, s := disk()
	j := open(t, m, s)
	big := FileChange{Path: "/etc/big", Edit: Whole(make([]byte, MaxFile+1))}
	if err := j.File(t.Context(), big); !errors.Is(err, ErrTooLarge) {
		t.Errorf("a file above the limit: %v", err)
	}
	m.put("/etc/big", State{Data: make([]byte, MaxFile+1)})
	if err := j.File(t.Context(), FileChange{Path: "/etc/big", Edit: Whole(nil)}); !errors.Is(err, ErrTooLarge) {
		t.Errorf("a large file was replaced: %v", err)
	}
	b := &book{Version: version}
	for range MaxEntries + 1 {
		b.Entries = append(b.Entries, &entry{})
	}
	if err := j.save(b); !errors.Is(err, ErrTooLarge) {
		t.Errorf("a journal above the limit: %v", err)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"version":1,"entries":[{"door":"a","time":"2026-01-02T03:04:05Z","done":true,"file":{"path":"/a/b","temp":"/a/c","existed":true,"before":"eA==","ours":["x"]}}]}`))
	f.Add([]byte(`{"version":1,"entries":[{"door":"a","time":"2026-01-02T03:04:05Z","external":{"kind":"k","key":"y","before":null,"ours":[1]}}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		b, err := decode(data)
		if err != nil {
			return
		}
		once, err := json.Marshal(b)
		if err != nil {
			t.Fatal(err)
		}
		again, err := decode(once)
		if err != nil {
			t.Fatalf("what was decoded does not decode again: %v", err)
		}
		if twice, _ := json.Marshal(again); !bytes.Equal(once, twice) {
			t.Errorf("decoding changes %s to %s", once, twice)
		}
	})
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

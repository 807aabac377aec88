package relocate

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// world is a data folder, a place to move to, and the pointer.
type world struct{ base, from, to, pointer string }

var contents = map[string]string{"store/a.pack": strings.Repeat("a", 100_000), "store/index": "i", "keys/node": "k", "empty": ""}

func newWorld(t *testing.T) world {
	t.Helper()
	base := t.TempDir()
	w := world{base, filepath.Join(base, "old"), filepath.Join(base, "disk", "AltNet"), filepath.Join(base, "profile", "data.json")}
	for name, text := range contents {
		put(t, filepath.Join(w.from, name), text)
	}
	if err := os.MkdirAll(filepath.Dir(w.to), 0o755); err != nil {
		t.Fatal(err)
	}
	return w
}

func put(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (w world) move() Move { return Move{Pointer: w.pointer, From: w.from, To: w.to} }

// current returns where the data is said to be, having checked that it is
// whole there.
func (w world) current(t *testing.T) string {
	t.Helper()
	dir, err := Where(w.pointer, w.from)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range contents {
		if got, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(got) != want {
			t.Fatalf("%s in %s: %d bytes, %v", name, dir, len(got), err)
		}
	}
	return dir
}

// onlyIn checks that nothing lies about but in dir.
func (w world) onlyIn(t *testing.T, dir string) {
	t.Helper()
	for _, other := range []string{w.from, w.to, w.to + ".moving"} {
		if _, err := os.Lstat(other); other != dir && err == nil {
			t.Errorf("%s is left", other)
		}
	}
}

func TestMove(t *testing.T) {
	w := newWorld(t)
	m := w.move()
	var last, total int64
	m.Progress = func(d, t int64) { last, total = d, t }
	opened := ""
	m.Open = func(_ context.Context, dir string) error { opened = dir; return nil }
	if err := m.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if dir := w.current(t); dir != w.to || opened != w.to {
		t.Errorf("the data lies in %s, %q was opened", dir, opened)
	}
	w.onlyIn(t, w.to)
	if last != total || total != 2*100_002 {
		t.Errorf("progress ended with %d of %d", last, total)
	}
	back := Move{Pointer: w.pointer, From: w.to, To: w.from}
	if err := back.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if w.current(t) != w.from {
		t.Error("it does not come back")
	}
	w.onlyIn(t, w.from)
}

// A crash before any of the lasting changes leaves one whole folder, and the
// next start leaves only that one.
func TestCrashes(t *testing.T) {
	crash := errors.New("crash")
	for at := 0; ; at++ {
		w := newWorld(t)
		m, n := w.move(), 0
		m.step = func(string) error {
			if n++; n > at {
				panic(crash)
			}
			return nil
		}
		crashed := func() (crashed bool) {
			defer func() { crashed = recover() != nil }()
			if err := m.Run(t.Context()); err != nil {
				t.Errorf("step %d: %v", at, err)
			}
			return
		}()
		w.current(t)
		if err := Finish(w.pointer); err != nil {
			t.Fatal(err)
		}
		w.onlyIn(t, w.current(t))
		if !crashed {
			if at < 8 {
				t.Errorf("only %d steps were seen", at)
			}
			return
		}
	}
}

func TestFailuresLeaveAllAsItWas(t *testing.T) {
	failed := errors.New("failed")
	for name, spoil := range map[string]struct {
		change func(w world, m *Move)
		want   error
	}{
		"no room":      {func(_ world, m *Move) { m.free = func(string) (int64, error) { return 5 << 20, nil } }, ErrNoRoom},
		"files there":  {func(w world, _ *Move) { put(t, filepath.Join(w.to, "x"), "x") }, ErrTarget},
		"inside":       {func(w world, m *Move) { m.To = filepath.Join(w.from, "in") }, ErrTarget},
		"no such disk": {func(w world, m *Move) { m.To = filepath.Join(w.base, "no", "such", "AltNet") }, ErrTarget},
		"full on the way": {func(_ world, m *Move) {
			m.step = func(name string) error {
				if name == "copy store/index" {
					return failed
				}
				return nil
			}
		}, failed},
		"does not open": {func(_ world, m *Move) { m.Open = func(context.Context, string) error { return failed } }, failed},
		"written to": {func(w world, m *Move) {
			m.step = func(name string) error {
				if name == "copy store/index" {
					put(t, filepath.Join(w.from, "new"), "x")
				}
				return nil
			}
		}, ErrChanged},
	} {
		w := newWorld(t)
		m := w.move()
		spoil.change(w, &m)
		if err := m.Run(t.Context()); !errors.Is(err, spoil.want) {
			t.Errorf("%s: %v", name, err)
		}
		if w.current(t) != w.from {
			t.Errorf("%s: the data has moved", name)
		}
		if _, err := os.Lstat(m.To + ".moving"); err == nil {
			t.Errorf("%s: a half copy is left", name)
		}
	}
}

func TestGivenUp(t *testing.T) {
	w := newWorld(t)
	ctx, cancel := context.WithCancel(t.Context())
	m := w.move()
	m.Progress = func(int64, int64) { cancel() }
	if err := m.Run(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("given up: %v", err)
	}
	w.onlyIn(t, w.current(t))
}

func TestWhatSomebodyPutThereStays(t *testing.T) {
	w := newWorld(t)
	m := w.move()
	m.step = func(name string) error {
		if name == "remove the old" {
			put(t, filepath.Join(w.from, "keys", "mine"), "precious")
			put(t, filepath.Join(w.from, "store", "index"), "changed")
		}
		return nil
	}
	if err := m.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"keys/mine", "store/index"} {
		if _, err := os.Stat(filepath.Join(w.from, name)); err != nil {
			t.Errorf("%s is gone", name)
		}
	}
	if _, err := os.Stat(filepath.Join(w.from, "store", "a.pack")); err == nil {
		t.Error("the old data is left")
	}
}

func TestADamagedPointerIsNotGuessed(t *testing.T) {
	w := newWorld(t)
	put(t, w.pointer, "{")
	if _, err := Where(w.pointer, w.from); err == nil {
		t.Error("a default was taken in place of what the pointer said")
	}
}

func TestPresent(t *testing.T) {
	base := t.TempDir()
	note := filepath.Join(base, "data.json")
	if err := Present(note); err != nil {
		t.Errorf("data that was never moved: %v", err)
	}
	disk := filepath.Join(base, "disk")
	if err := save(note, pointer{Data: disk}); err != nil {
		t.Fatal(err)
	}
	if err := Present(note); !errors.Is(err, ErrAway) {
		t.Errorf("a disk that is gone: %v", err)
	}
	if err := os.Mkdir(disk, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := Present(note); !errors.Is(err, ErrAway) {
		t.Errorf("the empty place of a disk: %v", err)
	}
	if err := os.WriteFile(filepath.Join(disk, "index.db"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Present(note); err != nil {
		t.Errorf("data that is there: %v", err)
	}
}

package watch

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

func write(t *testing.T, elems ...string) string {
	t.Helper()
	path := filepath.Join(elems...)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(time.Now().String()), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func watcher(t *testing.T) (*Watcher, <-chan string) {
	t.Helper()
	told := make(chan string, 100)
	w, err := New(Config{Quiet: 20 * time.Millisecond, Retry: 50 * time.Millisecond, Changed: func(f string) { told <- f }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Close() })
	return w, told
}

func expect(t *testing.T, told <-chan string, want string) {
	t.Helper()
	select {
	case got := <-told:
		if got != want {
			t.Fatalf("told of %s, not %s", got, want)
		}
	case <-time.After(10 * time.Second):
		t.Fatalf("not told of %s", want)
	}
}

func TestChanges(t *testing.T) {
	a, b := t.TempDir(), t.TempDir()
	write(t, a, "deep", "down", "page.html")
	w, told := watcher(t)
	w.Set(t.Context(), []string{a, b})
	w.Set(t.Context(), []string{a, b}) // the first one is done with
	write(t, a, "deep", "down", "page.html")
	expect(t, told, a)
	write(t, b, "index.html")
	expect(t, told, b)
	write(t, a, "new", "folder", "x.html")
	expect(t, told, a)
	write(t, a, "new", "folder", "y.html")
	expect(t, told, a)
	if err := os.Remove(filepath.Join(a, "deep", "down", "page.html")); err != nil {
		t.Fatal(err)
	}
	expect(t, told, a)
}

// What is not published is nothing to be told of; the change of b, which comes
// after it, is told first.
func TestLeftOut(t *testing.T) {
	a, b := t.TempDir(), t.TempDir()
	write(t, a, ".git", "index")
	w, told := watcher(t)
	w.Set(t.Context(), []string{a, b})
	w.Set(t.Context(), []string{a, b})
	write(t, a, ".git", "index")
	write(t, a, "page.html~")
	if err := os.Chmod(a, 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, b, "index.html")
	expect(t, told, b)
}

func TestForgotten(t *testing.T) {
	a, b := t.TempDir(), t.TempDir()
	w, told := watcher(t)
	w.Set(t.Context(), []string{a, b})
	w.Set(t.Context(), []string{b})
	w.Set(t.Context(), []string{b})
	write(t, a, "index.html")
	write(t, b, "index.html")
	expect(t, told, b)
}

func TestAFolderThatComesLater(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "stick", "site")
	w, told := watcher(t)
	w.Set(t.Context(), []string{dir})
	write(t, dir, "index.html")
	expect(t, told, dir)
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	write(t, dir, "index.html")
	expect(t, told, dir)
}

func TestTellWaitsForQuiet(t *testing.T) {
	now := time.Now()
	var told []string
	w := &Watcher{cfg: Config{Changed: func(f string) { told = append(told, f) }},
		due: map[string]time.Time{"a": now.Add(-time.Second), "b": now.Add(time.Minute)}}
	if next := w.tell(now); next != time.Minute || len(told) != 1 || told[0] != "a" {
		t.Errorf("told %v, next in %v", told, next)
	}
	if next := w.tell(now.Add(time.Minute)); next != time.Hour || len(told) != 2 {
		t.Errorf("told %v, next in %v", told, next)
	}
}

func TestNewest(t *testing.T) {
	dir := t.TempDir()
	old, late := time.Unix(1_700_000_000, 0), time.Unix(1_800_000_000, 0)
	for path, at := range map[string]time.Time{write(t, dir, "sub", "x.html"): old.Add(time.Hour), write(t, dir, ".git", "HEAD"): late,
		filepath.Join(dir, "sub"): old, filepath.Join(dir, ".git"): late, dir: old} {
		if err := os.Chtimes(path, at, at); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := Newest(t.Context(), dir); !got.Equal(old.Add(time.Hour)) || err != nil {
		t.Errorf("%v, %v", got, err)
	}
	if _, err := Newest(t.Context(), filepath.Join(dir, "no")); err == nil {
		t.Error("a missing folder has a time")
	}
}

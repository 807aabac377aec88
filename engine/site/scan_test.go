package site

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

func paths(p *Plan) (files []string) {
	for _, f := range p.Files {
		files = append(files, f.Path)
	}
	return files
}

func skipped(p *Plan) map[string]string {
	m := map[string]string{}
	for _, s := range p.Skipped {
		m[s.Path] = s.Reason
	}
	return m
}

func scan(t *testing.T, dir string, o ScanOptions) *Plan {
	t.Helper()
	p, err := Scan(t.Context(), dir, o)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestScanLeavesOut(t *testing.T) {
	x := []byte("x")
	dir := writeFiles(t, map[string][]byte{
		"index.html": x, ".git/config": x, "a/.DS_Store": x, ".env": x, ".env.local": x, "a/Thumbs.db": x,
		".well-known/security.txt": x, "node_modules/m/i.js": x, "server.key": x, "notes.txt~": x, "a/ok.html": x, "drafts/d.html": x,
	})
	p := scan(t, dir, ScanOptions{Exclude: []string{"drafts"}})
	if want := []string{".well-known/security.txt", "a/ok.html", "index.html"}; !slices.Equal(paths(p), want) {
		t.Fatalf("published: %v, want %v", paths(p), want)
	}
	got := skipped(p)
	for _, name := range []string{".git", "a/.DS_Store", ".env", ".env.local", "a/Thumbs.db", "node_modules", "server.key", "notes.txt~", "drafts"} {
		if got[name] == "" {
			t.Errorf("%s is not shown as left out", name)
		}
	}
	p = scan(t, dir, ScanOptions{Include: []string{".env*", "a/Thumbs.db"}})
	for _, name := range []string{".env", ".env.local", "a/Thumbs.db", "drafts/d.html"} {
		if !slices.Contains(paths(p), name) {
			t.Errorf("%s is not included", name)
		}
	}
}

func TestScanLinks(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("links need a privilege on Windows")
	}
	outside := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(outside, []byte("s"), 0o600); err != nil {
		t.Fatal(err)
	}
	dir := writeFiles(t, map[string][]byte{"a/x": []byte("1"), "b/y": []byte("2")})
	for link, target := range map[string]string{
		"abs": outside, "rel": "../../../../../../../../etc/passwd", "dangling": "nowhere", "out": filepath.Dir(outside),
		"a/loop": "..", "a/self": ".", "inside": "a/x", "a/other": "../b",
	} {
		if err := os.Symlink(target, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	p := scan(t, dir, ScanOptions{})
	if want := []string{"a/other/y", "a/x", "b/y", "inside"}; !slices.Equal(paths(p), want) {
		t.Fatalf("published: %v, want %v", paths(p), want)
	}
	got := skipped(p)
	for _, name := range []string{"abs", "rel", "dangling", "out", "a/loop", "a/self"} {
		if got[name] == "" {
			t.Errorf("%s is not shown as left out", name)
		}
	}
	// Between Scan and Build a file becomes a link to the outside.
	if err := os.Remove(filepath.Join(dir, "b/y")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, filepath.Join(dir, "b/y")); err != nil {
		t.Fatal(err)
	}
	if _, err := Build(t.Context(), p, newMemStore(), nil); err == nil {
		t.Fatal("a link out of the folder was published")
	}
	// The folder itself may be reached by a link.
	alias := filepath.Join(t.TempDir(), "alias")
	if err := os.Symlink(dir, alias); err != nil {
		t.Fatal(err)
	}
	if p := scan(t, alias, ScanOptions{}); len(p.Files) == 0 {
		t.Fatal("nothing found through a link to the folder")
	}
}

func TestScanProblems(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("needs a file system that holds every name")
	}
	deep := strings.Repeat("d/", MaxDepth) + "f"
	dir := writeFiles(t, map[string][]byte{
		"ok": nil, "Readme": nil, "README": nil, "a/é": nil, "a/e\u0301": nil, "con.txt": nil, "a:b": nil, "tail.": nil, "a\x01b": nil, deep: nil,
	})
	p := scan(t, dir, ScanOptions{})
	if _, err := Build(t.Context(), p, newMemStore(), nil); !errors.Is(err, ErrRejected) {
		t.Fatalf("built: %v", err)
	}
	if len(p.Problems) != 7 {
		t.Errorf("%d problems: %v", len(p.Problems), p.Problems)
	}
	p = scan(t, dir, ScanOptions{DropProblems: true})
	if len(p.Files) != 3 || len(p.Skipped) != 7 || p.Err() != nil {
		t.Errorf("published %q, skipped %v, %v", paths(p), p.Skipped, p.Err())
	}
}

func TestScanLimits(t *testing.T) {
	dir := writeFiles(t, map[string][]byte{"a": noise(1, 10), "b": noise(2, 10)})
	if _, err := Scan(t.Context(), dir, ScanOptions{MaxFiles: 1}); !errors.Is(err, ErrLimit) {
		t.Errorf("files: %v", err)
	}
	if _, err := Scan(t.Context(), dir, ScanOptions{MaxBytes: 19}); !errors.Is(err, ErrLimit) {
		t.Errorf("bytes: %v", err)
	}
	if _, err := Scan(t.Context(), filepath.Join(dir, "a"), ScanOptions{}); err == nil {
		t.Error("a file was scanned as a folder")
	}
	if err := scan(t, t.TempDir(), ScanOptions{}).Err(); !errors.Is(err, ErrEmpty) {
		t.Errorf("empty: %v", err)
	}
}

func TestBuildNoticesChanges(t *testing.T) {
	for name, change := range map[string]func(string) error{
		"grown":   func(f string) error { return os.WriteFile(f, noise(1, 3*ChunkSize), 0o644) },
		"shrunk":  func(f string) error { return os.Truncate(f, ChunkSize) },
		"touched": func(f string) error { return os.Chtimes(f, time.Time{}, time.Now().Add(time.Hour)) },
		"removed": os.Remove,
	} {
		t.Run(name, func(t *testing.T) {
			dir := writeFiles(t, map[string][]byte{"f": noise(1, 2*ChunkSize), "g": nil})
			p := scan(t, dir, ScanOptions{})
			if err := change(filepath.Join(dir, "f")); err != nil {
				t.Fatal(err)
			}
			_, err := Build(t.Context(), p, newMemStore(), nil)
			if err == nil || name != "removed" && !errors.Is(err, ErrChanged) {
				t.Fatalf("built: %v", err)
			}
		})
	}
}

func TestBuildReportsFailures(t *testing.T) {
	dir := writeFiles(t, map[string][]byte{"f": noise(1, 3*batchBytes), "g": []byte("x")})
	p := scan(t, dir, ScanOptions{})
	full := errors.New("disk full")
	for _, s := range []*failingSink{{has: full}, {put: full}, {flush: full}} {
		if _, err := Build(t.Context(), p, s, nil); !errors.Is(err, full) {
			t.Errorf("built: %v", err)
		}
	}
	var last Progress
	if _, err := Build(t.Context(), p, newMemStore(), func(p Progress) { last = p }); err != nil {
		t.Fatal(err)
	}
	if last.Files != 2 || last.Bytes != p.Size || last.TotalBytes != p.Size {
		t.Errorf("progress ends at %+v", last)
	}
}

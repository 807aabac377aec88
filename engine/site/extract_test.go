package site

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestExtract(t *testing.T) {
	files := sampleFiles()
	store := newMemStore()
	sum := store.publish(t, files)
	parent := t.TempDir()
	dest := filepath.Join(parent, "out")
	var last ExtractProgress
	opts := ExtractOptions{Progress: func(p ExtractProgress) { last = p }}
	if err := Extract(t.Context(), sum.Root, store, dest, opts); err != nil {
		t.Fatal(err)
	}
	got := 0
	err := fs.WalkDir(os.DirFS(dest), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		got++
		data, err := os.ReadFile(filepath.Join(dest, name))
		if err == nil && !bytes.Equal(data, files[name]) {
			t.Errorf("%s differs", name)
		}
		return err
	})
	if err != nil || got != len(files) || last.Files != len(files) || last.Bytes != last.TotalBytes {
		t.Fatalf("%d files of %d, progress %+v: %v", got, len(files), last, err)
	}
	if err := Extract(t.Context(), sum.Root, store, dest, opts); !errors.Is(err, ErrExists) {
		t.Fatalf("over an existing folder: %v", err)
	}
	if again := publish(t, dest, newMemStore()); again.Root != sum.Root {
		t.Fatal("what was extracted publishes as another site")
	}
	empty := filepath.Join(parent, "empty")
	if err := os.Mkdir(empty, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := Extract(t.Context(), sum.Root, store, empty, ExtractOptions{}); err != nil {
		t.Fatal(err)
	}
}

func TestExtractLeavesNothingBehind(t *testing.T) {
	files := sampleFiles()
	store := newMemStore()
	sum := store.publish(t, files)
	broken := store.clone()
	delete(broken.blocks, sum.Blocks[len(sum.Blocks)-1])
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	for name, run := range map[string]func(dest string) error{
		"missing": func(dest string) error { return Extract(t.Context(), sum.Root, broken, dest, ExtractOptions{}) },
		"cancelled": func(dest string) error {
			return Extract(cancelled, sum.Root, store, dest, ExtractOptions{})
		},
		"too big": func(dest string) error {
			return Extract(t.Context(), sum.Root, store, dest, ExtractOptions{MaxBytes: 1000})
		},
		"collision": func(dest string) error {
			m := newMemStore()
			s := m.publish(t, map[string][]byte{"a/Index.html": nil, "a/index.html": []byte("x")})
			return Extract(t.Context(), s.Root, m, dest, ExtractOptions{})
		},
	} {
		t.Run(name, func(t *testing.T) {
			parent := t.TempDir()
			if err := run(filepath.Join(parent, "out")); err == nil {
				t.Error("succeeded")
			}
			if left, _ := os.ReadDir(parent); len(left) != 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

func TestListAndDiff(t *testing.T) {
	files := sampleFiles()
	store := newMemStore()
	old := store.publish(t, files)
	var listed []string
	for e, err := range List(t.Context(), old.Root, store) {
		if err != nil {
			t.Fatal(err)
		}
		if !e.Dir {
			listed = append(listed, e.Path)
		}
	}
	slices.Sort(listed)
	if want := slices.Sorted(maps.Keys(files)); !slices.Equal(listed, want) {
		t.Fatalf("listed %d files, want %d", len(listed), len(want))
	}

	changed := maps.Clone(files)
	changed["index.html"] = []byte("new")
	changed["many/file-0500.txt"] = []byte("changed")
	changed["added/x"] = []byte("12")
	delete(changed, "a/b/c/deep.txt")
	delete(changed, "chunk.bin")
	changed["chunk.bin/now/a/folder"] = []byte("1")
	now := store.publish(t, changed)
	reader := store.clone()
	got, err := Diff(open(t, old.Root, reader), open(t, now.Root, reader))
	if err != nil {
		t.Fatal(err)
	}
	want := []Change{
		{"a/b/c/deep.txt", Removed, 4, 0},
		{"added/x", Added, 0, 2},
		{"chunk.bin/now/a/folder", Added, 0, 1},
		{"chunk.bin", Removed, ChunkSize, 0},
		{"index.html", Modified, 14, 3},
		{"many/file-0500.txt", Modified, 8, 7},
	}
	if !slices.Equal(got, want) {
		t.Fatalf("got %v\nwant %v", got, want)
	}
}

// TestUpdateMovesLittle holds the tree to its purpose: a change of one file
// among many touches one page and what is above it.
func TestUpdateMovesLittle(t *testing.T) {
	files := sampleFiles()
	store := newMemStore()
	dir := writeFiles(t, files)
	first := publish(t, dir, store)
	if first.NewBlocks != len(first.Blocks) {
		t.Fatalf("%d of %d blocks are new at first", first.NewBlocks, len(first.Blocks))
	}
	if again := publish(t, dir, store); again.NewBlocks != 0 || again.Root != first.Root {
		t.Fatalf("%d new blocks without a change", again.NewBlocks)
	}
	if err := os.WriteFile(filepath.Join(dir, "many/file-0500.txt"), []byte("changed"), 0o644); err != nil {
		t.Fatal(err)
	}
	next := publish(t, dir, store)
	// root, top page, at most two forks and one page of many/, one chunk
	if next.NewBlocks > 6 || next.NewBytes > 2*MaxNode {
		t.Fatalf("one changed file moves %d blocks of %d bytes", next.NewBlocks, next.NewBytes)
	}
}

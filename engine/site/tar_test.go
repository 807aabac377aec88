package site

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
)

func TestTar(t *testing.T) {
	files := map[string]string{"a.txt": "one", "d/b.txt": "two", "d/e/ü.txt": "", "z.bin": string(bytes.Repeat([]byte("z"), ChunkSize+1))}
	dir := t.TempDir()
	for name, body := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(body), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	plan, err := Scan(t.Context(), dir, ScanOptions{})
	if err != nil {
		t.Fatal(err)
	}
	store := newMemStore()
	sum, err := Build(t.Context(), plan, store, nil)
	if err != nil {
		t.Fatal(err)
	}
	var first, second bytes.Buffer
	if err := errors.Join(Tar(t.Context(), sum.Root, store, 1<<40, &first), Tar(t.Context(), sum.Root, store, 1<<40, &second)); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(first.Bytes(), second.Bytes()) {
		t.Error("the same site gives two archives")
	}
	r := tar.NewReader(&first)
	seen := 0
	for h, err := r.Next(); err != io.EOF; h, err = r.Next() {
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(r)
		if err != nil || string(body) != files[h.Name] {
			t.Errorf("%s: %d bytes, %v; want %d", h.Name, len(body), err, len(files[h.Name]))
		}
		seen++
	}
	if seen != len(files) {
		t.Errorf("%d files in the archive, want %d", seen, len(files))
	}
}

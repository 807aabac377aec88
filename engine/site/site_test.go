package site

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"
)

// writeFiles makes a folder of the files.
func writeFiles(t testing.TB, files map[string][]byte) string {
	t.Helper()
	dir := t.TempDir()
	for name, data := range files {
		full := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(full, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// noise returns n bytes that depend on the seed alone.
func noise(seed uint64, n int) []byte {
	var key [32]byte
	key[0], key[1], key[2] = byte(seed), byte(seed>>8), byte(seed>>16)
	b := make([]byte, n)
	rand.NewChaCha8(key).Read(b)
	return b
}

// sampleFiles has every shape of file: empty, small, one chunk exactly, one
// byte more, several lists; and directories of every shape.
func sampleFiles() map[string][]byte {
	files := map[string][]byte{
		"index.html":         []byte("<h1>hello</h1>"),
		"empty":              nil,
		"a/b/c/deep.txt":     []byte("deep"),
		"a.b/x":              []byte("sorts before a/"),
		"chunk.bin":          noise(1, ChunkSize),
		"chunk1.bin":         noise(2, ChunkSize+1),
		"copy of chunk1.bin": noise(2, ChunkSize+1),
		"big.bin":            noise(3, 5*ChunkSize+12345),
		"ünïcode/日本.html":    []byte("names"),
	}
	for i := range 1200 {
		files[fmt.Sprintf("many/file-%04d.txt", i)] = fmt.Appendf(nil, "file %d", i)
	}
	return files
}

func TestRoundTrip(t *testing.T) {
	files := sampleFiles()
	store := newMemStore()
	sum := publish(t, writeFiles(t, files), store)
	if again := newMemStore().publish(t, files); again.Root != sum.Root {
		t.Fatal("the root depends on more than names and bytes")
	}
	fsys := open(t, sum.Root, store)
	names := make([]string, 0, len(files))
	for name, want := range files {
		names = append(names, name)
		got, err := fs.ReadFile(fsys, name)
		if err != nil || !bytes.Equal(got, want) {
			t.Fatalf("%s: %d bytes, want %d (%v)", name, len(got), len(want), err)
		}
	}
	if err := fstest.TestFS(fsys, names...); err != nil {
		t.Fatal(err)
	}
	if sum.Files != len(files) || len(sum.Blocks) != len(store.blocks) {
		t.Fatalf("%d files, %d blocks; want %d, %d", sum.Files, len(sum.Blocks), len(files), len(store.blocks))
	}
	order, err := Preorder(t.Context(), sum.Root, store)
	if err != nil || fmt.Sprint(order) != fmt.Sprint(sum.Blocks) {
		t.Fatalf("preorder of the stored tree differs from the summary (%v)", err)
	}
}

func TestFileReads(t *testing.T) {
	want := noise(9, 3*ChunkSize+77)
	store := newMemStore()
	fsys := open(t, publish(t, writeFiles(t, map[string][]byte{"f": want}), store).Root, store)
	f, err := fsys.OpenFile("f")
	if err != nil {
		t.Fatal(err)
	}
	for _, off := range []int64{0, 1, ChunkSize - 1, ChunkSize, ChunkSize + 1, 3 * ChunkSize, int64(len(want)) - 1} {
		if _, err := f.Seek(off, io.SeekStart); err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		if _, err := f.WriteTo(&out); err != nil || !bytes.Equal(out.Bytes(), want[off:]) {
			t.Fatalf("WriteTo from %d: %d bytes (%v)", off, out.Len(), err)
		}
		p := make([]byte, 300)
		n, err := f.ReadAt(p, off)
		if end := min(len(want), int(off)+300); !bytes.Equal(p[:n], want[off:end]) || (err == io.EOF) != (n < 300) {
			t.Fatalf("ReadAt %d: %d bytes (%v)", off, n, err)
		}
		c, err := f.ChunkAt(off)
		if err != nil || c.Offset > off || c.Offset+c.Length <= off {
			t.Fatalf("ChunkAt %d = %+v (%v)", off, c, err)
		}
	}
	if _, err := f.ChunkAt(int64(len(want))); err != io.EOF {
		t.Fatalf("ChunkAt the end: %v", err)
	}
}

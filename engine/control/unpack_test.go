package control_test

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"altnet/engine/control"
)

// pack makes an archive of the given headers, each with its name as content.
func pack(t *testing.T, heads ...tar.Header) *bytes.Buffer {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, h := range heads {
		if h.Typeflag == tar.TypeReg {
			h.Size = int64(len(h.Name))
		}
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if h.Typeflag == tar.TypeReg {
			io.WriteString(w, h.Name)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return &out
}

func reg(name string) tar.Header { return tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o777} }

func TestUnpack(t *testing.T) {
	dest := filepath.Join(t.TempDir(), "new", "site")
	var last control.Unpacked
	n, err := control.Unpack(t.Context(), pack(t, reg("index.html"), reg("a/b/c.txt")), dest, func(u control.Unpacked) { last = u })
	if err != nil || n.Files != 2 || n.Bytes != int64(len("index.html"+"a/b/c.txt")) || last.Bytes != n.Bytes {
		t.Fatalf("%+v, %v, last progress %+v", n, err, last)
	}
	data, err := os.ReadFile(filepath.Join(dest, "a", "b", "c.txt"))
	if err != nil || string(data) != "a/b/c.txt" {
		t.Errorf("read %q, %v", data, err)
	}
	if left, _ := os.ReadDir(filepath.Dir(dest)); len(left) != 1 {
		t.Errorf("left beside the site: %v", left)
	}
	if _, err := control.Unpack(t.Context(), pack(t, reg("x")), dest, nil); !errors.Is(err, control.ErrInvalid) {
		t.Errorf("a folder with files was overwritten: %v", err)
	}
	empty := t.TempDir()
	if _, err := control.Unpack(t.Context(), pack(t, reg("x")), empty, nil); err != nil {
		t.Errorf("into an empty folder: %v", err)
	}
}

func TestUnpackRefuses(t *testing.T) {
	for name, heads := range map[string][]tar.Header{
		"parent":    {reg("../escaped")},
		"absolute":  {reg("/tmp/escaped")},
		"inner dot": {reg("a/../../escaped")},
		"backslash": {reg(`..\escaped`)},
		"drive":     {reg("c:escaped")},
		"symlink":   {{Typeflag: tar.TypeSymlink, Name: "link", Linkname: "/etc"}, reg("link/escaped")},
		"hard link": {{Typeflag: tar.TypeLink, Name: "link", Linkname: "/etc/passwd"}},
		"device":    {{Typeflag: tar.TypeChar, Name: "null"}},
		"twice":     {reg("same"), reg("same")},
		"file+dir":  {reg("a"), reg("a/b")},
	} {
		t.Run(name, func(t *testing.T) {
			parent := t.TempDir()
			dest := filepath.Join(parent, "in", "site")
			if _, err := control.Unpack(t.Context(), pack(t, heads...), dest, nil); err == nil {
				t.Fatal("no error")
			}
			filepath.WalkDir(parent, func(path string, d os.DirEntry, err error) error {
				if !d.IsDir() || strings.Contains(d.Name(), "altnet") {
					t.Errorf("left behind: %s", path)
				}
				return err
			})
		})
	}
}

func TestUnpackBreaksOff(t *testing.T) {
	whole := pack(t, reg("one"), reg("two"))
	dest := filepath.Join(t.TempDir(), "site")
	cut := io.MultiReader(bytes.NewReader(whole.Bytes()[:600]), errorReader{control.ErrMissing})
	if _, err := control.Unpack(t.Context(), cut, dest, nil); !errors.Is(err, control.ErrMissing) {
		t.Errorf("error %v", err)
	}
	if _, err := os.Stat(dest); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("half a site is there: %v", err)
	}
}

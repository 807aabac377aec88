package identity

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
)

func TestLoadOrCreate(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data", "keys")
	first, created, err := LoadOrCreate(dir)
	if err != nil || !created {
		t.Fatal(created, err)
	}
	second, created, err := LoadOrCreate(dir)
	if err != nil || created || second.Public() != first.Public() {
		t.Errorf("another key at the second start: %v", err)
	}
	if runtime.GOOS != "windows" {
		for path, want := range map[string]os.FileMode{dir: 0o700, filepath.Join(dir, KeyFile): 0o600} {
			info, err := os.Stat(path)
			if err != nil || info.Mode().Perm() != want {
				t.Errorf("%s has mode %v, want %v, %v", path, info.Mode().Perm(), want, err)
			}
		}
	}
	if left, _ := filepath.Glob(filepath.Join(dir, ".*")); len(left) != 0 {
		t.Errorf("temporary files are left: %v", left)
	}
}

// However many processes start at once on a new folder, one key is made.
func TestLoadOrCreateRace(t *testing.T) {
	dir := t.TempDir()
	var wg sync.WaitGroup
	keys := make([]Key, 16)
	for i := range keys {
		wg.Go(func() { keys[i], _, _ = LoadOrCreate(dir) })
	}
	wg.Wait()
	for _, k := range keys {
		if k.IsZero() || k.Public() != keys[0].Public() {
			t.Fatal("two processes have different keys")
		}
	}
}

func TestExposedKeyIsRefused(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("mode bits say nothing here")
	}
	dir := t.TempDir()
	if _, _, err := LoadOrCreate(dir); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, KeyFile)
	for _, mode := range []os.FileMode{0o640, 0o604, 0o660, 0o666} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		_, _, err := LoadOrCreate(dir)
		if !errors.Is(err, ErrExposed) || !strings.Contains(err.Error(), "chmod 600 "+path) {
			t.Errorf("mode %v: %v", mode, err)
		}
	}
}

func TestBrokenKeyIsNotReplaced(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, KeyFile)
	for _, content := range []string{"", "rubbish", strings.Repeat("0", 63)} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, _, err := LoadOrCreate(dir); !errors.Is(err, ErrBadKey) {
			t.Errorf("%q: %v", content, err)
		}
		if got, _ := os.ReadFile(path); string(got) != content {
			t.Errorf("%q was replaced", content)
		}
	}
}

func TestExportImport(t *testing.T) {
	k, err := Generate(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	seed := k.Seed()
	for _, text := range []string{string(Export(k)), hex.EncodeToString(seed[:]), " " + strings.ToUpper(hex.EncodeToString(seed[:])) + "\r\n"} {
		if got, err := Import([]byte(text)); err != nil || got.Public() != k.Public() {
			t.Errorf("%.30q: %v", text, err)
		}
	}
	ec, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	der, _ := x509.MarshalPKCS8PrivateKey(ec)
	for what, data := range map[string][]byte{
		"another algorithm": pem.EncodeToMemory(&pem.Block{Type: pemType, Bytes: der}),
		"another type":      pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}),
		"broken":            pem.EncodeToMemory(&pem.Block{Type: pemType, Bytes: []byte{1, 2, 3}}),
		"empty":             nil,
	} {
		if _, err := Import(data); !errors.Is(err, ErrBadKey) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestWriteSecretReplacesWhole(t *testing.T) {
	path := filepath.Join(t.TempDir(), "secret")
	for _, content := range []string{"first, and long", "second", ""} {
		if err := WriteSecret(path, []byte(content)); err != nil {
			t.Fatal(err)
		}
		if got, err := ReadSecret(path); err != nil || string(got) != content {
			t.Errorf("%q: read %q, %v", content, got, err)
		}
	}
	if err := createSecret(path, []byte("again")); !errors.Is(err, os.ErrExist) {
		t.Errorf("an existing file was created: %v", err)
	}
}

func FuzzImport(f *testing.F) {
	f.Add(Export(FromSeed([32]byte{1})))
	f.Add([]byte(strings.Repeat("ab", 32)))
	f.Fuzz(func(t *testing.T, data []byte) {
		k, err := Import(data)
		if err != nil {
			return
		}
		if again, err := Import(Export(k)); err != nil || again.Public() != k.Public() {
			t.Fatalf("%q does not survive an export: %v", data, err)
		}
	})
}

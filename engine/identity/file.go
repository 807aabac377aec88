package identity

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// KeyFile is the name of the node key in its folder.
const KeyFile = "node.key"

const (
	pemType   = "PRIVATE KEY"
	maxSecret = 4 << 20 // no file of secrets is larger
)

// ErrExposed reports a file of secrets that other accounts of this computer
// may read.
var ErrExposed = errors.New("others may read this file")

// LoadOrCreate returns the node key in dir, making folder and key at first
// use; created says that it did. Errors are ErrExposed, ErrBadKey, or from the
// file system; a key that cannot be read is never replaced.
func LoadOrCreate(dir string) (k Key, created bool, err error) {
	path := filepath.Join(dir, KeyFile)
	k, err = LoadKey(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return k, false, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return Key{}, false, fmt.Errorf("make the folder of keys: %w", err)
	}
	if k, err = Generate(rand.Reader); err != nil {
		return Key{}, false, err
	}
	err = createSecret(path, Export(k))
	if errors.Is(err, fs.ErrExist) { // another process was faster: its key counts
		k, err = LoadKey(path)
		return k, false, err
	}
	if err != nil {
		return Key{}, false, fmt.Errorf("keep the new node key: %w", err)
	}
	return k, true, nil
}

// LoadKey reads a key file.
func LoadKey(path string) (Key, error) {
	data, err := ReadSecret(path)
	if err != nil {
		return Key{}, fmt.Errorf("read key: %w", err)
	}
	k, err := Import(data)
	if err != nil {
		return Key{}, fmt.Errorf("read key %s: %w", path, err)
	}
	return k, nil
}

// SaveKey writes a key file anew, replacing what was there.
func SaveKey(path string, k Key) error { return WriteSecret(path, Export(k)) }

// Export returns the private key as PEM (PKCS #8, RFC 8410), the form in which
// it is kept and which other tools read.
func Export(k Key) []byte {
	der, err := x509.MarshalPKCS8PrivateKey(k.private)
	if err != nil {
		panic(err) // an Ed25519 key always has this form
	}
	return pem.EncodeToMemory(&pem.Block{Type: pemType, Bytes: der})
}

// Import reads a private key from PEM (PKCS #8) or from the 64 hex digits of
// its seed. Errors wrap ErrBadKey.
func Import(data []byte) (Key, error) {
	if block, _ := pem.Decode(data); block != nil {
		return importPEM(block)
	}
	seed, err := hex.DecodeString(strings.TrimSpace(string(data)))
	if err != nil || len(seed) != ed25519.SeedSize {
		return Key{}, fmt.Errorf("neither PEM nor the hex of a seed: %w", ErrBadKey)
	}
	return FromSeed([ed25519.SeedSize]byte(seed)), nil
}

func importPEM(block *pem.Block) (Key, error) {
	if block.Type != pemType {
		return Key{}, fmt.Errorf("PEM of %q, want %q: %w", block.Type, pemType, ErrBadKey)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return Key{}, fmt.Errorf("%w: %w", ErrBadKey, err)
	}
	private, ok := parsed.(ed25519.PrivateKey)
	if !ok {
		return Key{}, fmt.Errorf("key of type %T, want Ed25519: %w", parsed, ErrBadKey)
	}
	return FromSeed([ed25519.SeedSize]byte(private.Seed())), nil
}

// ReadSecret reads a file that only its owner may read; else the error is
// ErrExposed and says how to mend it.
func ReadSecret(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxSecret {
		return nil, fmt.Errorf("%s is not a file of keys: %w", path, ErrBadKey)
	}
	if err := checkPrivate(path, info); err != nil {
		return nil, err
	}
	data := make([]byte, info.Size())
	_, err = f.ReadAt(data, 0)
	if err != nil && info.Size() > 0 {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return data, nil
}

// WriteSecret replaces a file, readable by its owner only, so that after a
// crash either the old or the new content is there, whole.
func WriteSecret(path string, data []byte) error {
	return placeSecret(path, data, os.Rename)
}

// createSecret is WriteSecret for a file that must not be there yet; else the
// error wraps fs.ErrExist.
func createSecret(path string, data []byte) error {
	return placeSecret(path, data, func(from, to string) error {
		err := os.Link(from, to) // fails where to exists, unlike rename
		if err == nil || errors.Is(err, fs.ErrExist) {
			return errors.Join(err, os.Remove(from))
		}
		if _, statErr := os.Lstat(to); statErr == nil {
			return fs.ErrExist
		}
		return os.Rename(from, to) // a file system without links
	})
}

// placeSecret writes and syncs a temporary file beside path, then lets place
// give it its name.
func placeSecret(path string, data []byte, place func(from, to string) error) error {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, "."+filepath.Base(path)+"-*") // mode 0600
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = place(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name())
		return err
	}
	return syncDir(dir)
}

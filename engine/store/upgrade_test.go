package store

import (
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	bolt "go.etcd.io/bbolt"
)

// upgradeSteps turn format 1 into 3 by noting where they came by.
func upgradeSteps(fail error) map[uint32]migration {
	note := func(key string) migration {
		return func(tx *bolt.Tx) error { return tx.Bucket(bucketMeta).Put([]byte(key), []byte("x")) }
	}
	second := note("second")
	return map[uint32]migration{1: note("first"), 2: func(tx *bolt.Tx) error { return errors.Join(second(tx), fail) }}
}

func metaKeys(t *testing.T, db *bolt.DB) (keys string, format uint32) {
	t.Helper()
	if err := db.View(func(tx *bolt.Tx) error {
		format = binary.BigEndian.Uint32(tx.Bucket(bucketMeta).Get(keyFormat))
		return tx.Bucket(bucketMeta).ForEach(func(k, _ []byte) error {
			keys += string(k) + " "
			return nil
		})
	}); err != nil {
		t.Fatal(err)
	}
	return keys, format
}

func TestUpgradeCopiesFirst(t *testing.T) {
	s := open(t, Config{Dir: t.TempDir()})
	putBlocks(t, s, 0, 100)
	if err := os.WriteFile(s.copyName(1)+".new", []byte("a crash left this"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.upgrade(3, upgradeSteps(nil)); err != nil {
		t.Fatal(err)
	}
	if keys, format := metaKeys(t, s.db); format != 3 || keys != "first format second " {
		t.Errorf("format %d with %s", format, keys)
	}
	for format, want := range map[uint32]string{1: "format ", 2: "first format "} {
		old, err := bolt.Open(s.copyName(format), 0o600, &bolt.Options{ReadOnly: true})
		if err != nil {
			t.Fatal(err)
		}
		if keys, had := metaKeys(t, old); had != format || keys != want {
			t.Errorf("the copy has format %d with %s, want %d with %s", had, keys, format, want)
		}
		old.Close()
	}
	if left, _ := filepath.Glob(filepath.Join(s.cfg.Dir, "*.new")); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

func TestUpgradeFailsWhole(t *testing.T) {
	s := open(t, Config{Dir: t.TempDir()})
	broken := errors.New("broken")
	if err := s.upgrade(3, upgradeSteps(broken)); !errors.Is(err, broken) {
		t.Fatalf("got %v", err)
	}
	if keys, format := metaKeys(t, s.db); format != 2 || keys != "first format " {
		t.Errorf("half a step was taken: format %d with %s", format, keys)
	}
	if err := s.upgrade(3, upgradeSteps(nil)); err != nil {
		t.Errorf("the next attempt: %v", err)
	}
}

func TestNoUpgradeWithoutCopy(t *testing.T) {
	s := open(t, Config{Dir: t.TempDir()})
	if err := os.MkdirAll(filepath.Join(s.copyName(1), "in the way"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := s.upgrade(2, upgradeSteps(nil)); err == nil {
		t.Fatal("upgraded without a copy")
	}
	if _, format := metaKeys(t, s.db); format != 1 {
		t.Errorf("format %d", format)
	}
}

func TestDowngradeIsRefused(t *testing.T) {
	s := open(t, Config{Dir: t.TempDir()})
	if err := s.upgrade(2, upgradeSteps(nil)); err != nil {
		t.Fatal(err)
	}
	err := s.upgrade(1, nil)
	if !errors.Is(err, ErrNewer) || !strings.Contains(err.Error(), s.copyName(1)) {
		t.Errorf("got %v", err)
	}
	if err := s.upgrade(5, upgradeSteps(nil)); err == nil || errors.Is(err, ErrNewer) {
		t.Errorf("a way that does not exist: %v", err)
	}
}

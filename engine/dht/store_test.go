package dht

import (
	"errors"
	"fmt"
	"testing"

	"altnet/engine/store"
)

// stores are the Stores there are; each must pass testStore.
func stores(t *testing.T) map[string]Store {
	s, err := store.Open(store.Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return map[string]Store{"memory": &Memory{}, "bucket": Bucket{s, "dht"}}
}

func TestStores(t *testing.T) {
	for name, s := range stores(t) {
		t.Run(name, func(t *testing.T) { testStore(t, s) })
	}
}

func testStore(t *testing.T, s Store) {
	if v, err := s.Get([]byte("none")); v != nil || err != nil {
		t.Errorf("an empty store gives %q, %v", v, err)
	}
	value := []byte("1")
	err := s.Write([]Change{{[]byte("b2"), []byte("2")}, {[]byte("b1"), value}, {[]byte("a"), []byte("3")},
		{[]byte("gone"), []byte("4")}, {[]byte("gone"), nil}, {[]byte("never"), nil}})
	if err != nil {
		t.Fatal(err)
	}
	value[0] = 'x'
	list := func(prefix string, most int) (out string) {
		err := s.Range([]byte(prefix), func(k, v []byte) bool {
			out += fmt.Sprintf("%s=%s ", k, v)
			most--
			return most > 0
		})
		if err != nil {
			t.Error(err)
		}
		return out
	}
	for _, tt := range []struct {
		prefix string
		most   int
		want   string
	}{{"", 9, "a=3 b1=1 b2=2 "}, {"b", 9, "b1=1 b2=2 "}, {"b", 1, "b1=1 "}, {"c", 9, ""}} {
		if got := list(tt.prefix, tt.most); got != tt.want {
			t.Errorf("range %q: %q, want %q", tt.prefix, got, tt.want)
		}
	}
	if v, err := s.Get([]byte("b1")); string(v) != "1" || err != nil {
		t.Errorf("get: %q, %v", v, err)
	}
}

// failing is a Store on a full disk.
type failing struct{ Memory }

func (*failing) Write([]Change) error { return errors.New("disk full") }

func TestShelf(t *testing.T) {
	mem := &Memory{}
	s := newShelf(mem)
	s.set("a", []byte("1"))
	if v, _ := s.get("a"); string(v) != "1" {
		t.Errorf("a write is not seen before the flush: %q", v)
	}
	if v, _ := mem.Get([]byte("a")); v != nil {
		t.Error("written before the flush")
	}
	if err := s.flush(); err != nil {
		t.Fatal(err)
	}
	s.set("a", nil)
	if v, _ := s.get("a"); v != nil {
		t.Errorf("a deletion is not seen before the flush: %q", v)
	}
	if v, _ := mem.Get([]byte("a")); string(v) != "1" {
		t.Error("the flush wrote nothing")
	}
	full := newShelf(&failing{})
	for i := range 3 * maxDirty {
		full.set(fmt.Sprint(i), []byte("x"))
		if full.full() {
			if full.flush() == nil {
				t.Fatal("a write to a full disk succeeds")
			}
		}
	}
	if len(full.dirty) > maxDirty {
		t.Errorf("%d writes held back on a full disk", len(full.dirty))
	}
}

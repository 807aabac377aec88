package store

import (
	"bytes"
	"encoding/binary"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"

	"altnet/engine/wire"
)

// The decoders read the store's own files, which a broken disk or another
// program may have changed. What parses is written back as the same bytes.

func FuzzLoc(f *testing.F) {
	good := make([]byte, locSize)
	loc{pack: 1, off: packHeader + entryHeader, size: 10, sum: 3, born: 4}.put(good)
	f.Add(good)
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		l, ok := readLoc(b)
		if !ok {
			return
		}
		again := make([]byte, locSize)
		if l.put(again); !bytes.Equal(again, b) {
			t.Fatalf("%x read as %+v, written as %x", b, l, again)
		}
		if l.size > wire.MaxBlock {
			t.Fatal("a block larger than a block")
		}
	})
}

func FuzzRun(f *testing.F) {
	at := spotAt(3, packHeader)
	f.Add(at[:], appendRun(appendRun(nil, wire.Hash{1}, 10), wire.Hash{2}, 20))
	f.Fuzz(func(t *testing.T, key, run []byte) {
		var again []byte
		var end int64
		walkRun(key, run, func(h wire.Hash, off int64, size uint32) {
			again = appendRun(again, h, size)
			if end != 0 && off != end+entryHeader {
				t.Fatal("blocks of a run do not touch")
			}
			end = off + int64(size)
		})
		if len(key) == len(spot{}) && !bytes.Equal(again, run[:len(run)/runEntry*runEntry]) {
			t.Fatalf("%x written as %x", run, again)
		}
	})
}

func FuzzPackStat(f *testing.F) {
	f.Add(packStat{1, 2, 3}.bytes())
	f.Fuzz(func(t *testing.T, b []byte) {
		if st := readPackStat(b); st != (packStat{}) && !bytes.Equal(st.bytes(), b) {
			t.Fatalf("%x read as %+v", b, st)
		}
	})
}

func FuzzRecord(f *testing.F) {
	f.Add(writeRecord([]byte("value"), time.UnixMilli(1)))
	f.Add(writeRecord(nil, time.Time{}))
	f.Fuzz(func(t *testing.T, b []byte) {
		value, expires, ok := readRecord(b)
		if ok && !bytes.Equal(writeRecord(value, expires), b) {
			t.Fatalf("%x read as %x until %v", b, value, expires)
		}
	})
}

func FuzzPackName(f *testing.F) {
	f.Add("00000001.pack")
	f.Add("0000001.pack")
	f.Fuzz(func(t *testing.T, name string) {
		if id, ok := parsePackName(name); ok && packName(id) != name {
			t.Fatalf("%q read as %d", name, id)
		}
	})
}

func FuzzRootRecord(f *testing.F) {
	good, err := cbor.Marshal(rootRecord{Class: Own, Size: 5, Group: "g", Listed: 3})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Fuzz(func(t *testing.T, b []byte) {
		rec, err := readRoot(b)
		if err != nil {
			return
		}
		if rec.Class&^allClasses != 0 || rec.Listed < 0 || rec.Listed > MaxRootBlocks || rec.Size < 0 {
			t.Fatalf("%x read as %+v", b, rec)
		}
		again, err := cbor.Marshal(rec)
		if err != nil {
			t.Fatal(err)
		}
		if back, err := readRoot(again); err != nil || back != rec {
			t.Fatalf("%+v read back as %+v, %v", rec, back, err)
		}
	})
}

// TestPackFormat pins the bytes on disk.
func TestPackFormat(t *testing.T) {
	header := appendPackHeader(nil, 7)
	if len(header) != packHeader || !bytes.Equal(header, []byte("AltNet pack\x00\x00\x00\x00\x01\x00\x00\x00\x07")) {
		t.Errorf("pack header %x", header)
	}
	entry := appendEntryHeader(nil, wire.Hash{0xaa}, 9, checksum([]byte("123456789")))
	if len(entry) != entryHeader || string(entry[:4]) != "blok" || binary.BigEndian.Uint32(entry[4:]) != 9 ||
		binary.BigEndian.Uint32(entry[8:]) != 0xe3069283 || entry[16] != 0xaa { // the check value of CRC-32C
		t.Errorf("entry header %x", entry)
	}
}

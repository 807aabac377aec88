package dht

import (
	"cmp"
	"encoding/binary"
	"math/bits"

	"altnet/engine/wire"
)

// keyBits is the size of the key space.
const keyBits = 8 * len(wire.Hash{})

// compareDistance orders a and b by their XOR distance to target.
func compareDistance(target, a, b [32]byte) int {
	for i := 0; i < len(target); i += 8 {
		t := binary.BigEndian.Uint64(target[i:])
		da := binary.BigEndian.Uint64(a[i:]) ^ t
		db := binary.BigEndian.Uint64(b[i:]) ^ t
		if c := cmp.Compare(da, db); c != 0 {
			return c
		}
	}
	return 0
}

// prefixLen returns how many leading bits a and b share: the index of the
// bucket in which one keeps the other.
func prefixLen(a, b [32]byte) int {
	for i := 0; i < len(a); i += 8 {
		if x := binary.BigEndian.Uint64(a[i:]) ^ binary.BigEndian.Uint64(b[i:]); x != 0 {
			return 8*i + bits.LeadingZeros64(x)
		}
	}
	return keyBits
}

// inBucket turns random into a key that falls into bucket i of self.
func inBucket(self [32]byte, i int, random [32]byte) wire.Hash {
	k := wire.Hash(random)
	full := i / 8
	copy(k[:full], self[:full])
	mask := byte(0xff) >> (i % 8) // the bits after the shared prefix
	k[full] = self[full]&^mask | random[full]&mask
	bit := byte(0x80) >> (i % 8)
	k[full] = k[full]&^bit | ^self[full]&bit
	return k
}

// fraction returns the distance between a and b as a share of the key space.
func fraction(a, b [32]byte) float64 {
	x := binary.BigEndian.Uint64(a[:]) ^ binary.BigEndian.Uint64(b[:])
	return (float64(x) + 1) / (1 << 64)
}

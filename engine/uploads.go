package engine

import (
	"encoding/binary"
	"fmt"
	"slices"
	"sync"
	"time"

	"altnet/engine/control"
	"altnet/engine/store"
	"altnet/engine/wire"
)

const (
	// uploadSpan is how long uploads are remembered together, uploadLife how
	// long after that: as long as the store keeps what no site names.
	uploadSpan = time.Hour
	uploadLife = 24 * time.Hour
	// uploadOverhead is what a block counts beside its bytes, so that many
	// small ones cost what they take in memory and in the index.
	uploadOverhead = 1 << 10
)

// uploads remembers what each user of a service put here and has not published
// yet. What somebody publishes has to be theirs: a record may name any root,
// and to be told that its blocks are here is to be told what others read.
type uploads struct {
	mu    sync.Mutex
	users map[string][]*upload // oldest first
}

// upload is the blocks of about an hour: the first eight bytes of their hashes
// (see blockSet) and what each counts.
type upload struct {
	began time.Time
	costs map[uint64]uint32
	sum   int64
}

func newUploads() *uploads { return &uploads{users: map[string][]*upload{}} }

func uploadKey(h wire.Hash) uint64 { return binary.BigEndian.Uint64(h[:]) }

// add notes a block whose bytes a user has shown, unless that would be more
// than they may have here unpublished.
func (u *uploads) add(user string, h wire.Hash, size int, most int64) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	now := time.Now()
	u.expire(now)
	sum, count := u.drop(user, uploadKey(h))
	cost := int64(size) + uploadOverhead
	if sum+cost > most || count >= store.MaxRootBlocks {
		return control.Mark(control.ErrFull, fmt.Errorf("%d blocks of %d bytes wait to be published, and no more than %d bytes may", count, sum, most))
	}
	all := u.users[user]
	if len(all) == 0 || now.Sub(all[len(all)-1].began) >= uploadSpan {
		all = append(all, &upload{began: now, costs: map[uint64]uint32{}})
		u.users[user] = all
	}
	last := all[len(all)-1]
	last.costs[uploadKey(h)] = uint32(cost)
	last.sum += cost
	return nil
}

// drop forgets a block, and counts what is left of a user's.
func (u *uploads) drop(user string, key uint64) (sum int64, count int) {
	for _, up := range u.users[user] {
		if cost, ok := up.costs[key]; ok {
			delete(up.costs, key)
			up.sum -= int64(cost)
		}
		sum, count = sum+up.sum, count+len(up.costs)
	}
	return sum, count
}

// expire forgets what the store has by now let go.
func (u *uploads) expire(now time.Time) {
	for user, all := range u.users {
		all = slices.DeleteFunc(all, func(up *upload) bool { return now.Sub(up.began) >= uploadSpan+uploadLife })
		if u.users[user] = all; len(all) == 0 {
			delete(u.users, user)
		}
	}
}

// has reports whether a user put a block here.
func (u *uploads) has(user string, h wire.Hash) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return slices.ContainsFunc(u.users[user], func(up *upload) bool { _, ok := up.costs[uploadKey(h)]; return ok })
}

// published forgets what a site of the user's names from now on.
func (u *uploads) published(user string, blocks []wire.Hash) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, h := range blocks {
		u.drop(user, uploadKey(h))
	}
}

// byOthers is what all users but one have here unpublished, in bytes.
func (u *uploads) byOthers(user string) (sum int64) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.expire(time.Now())
	for other, all := range u.users {
		for _, up := range all {
			if other != user {
				sum += up.sum
			}
		}
	}
	return sum
}

// uploadRoom is how many bytes a user of a service may have here unpublished:
// half of what neither sites that stay nor other users take, so that nobody
// takes the room of all.
func (e *Engine) uploadRoom(user string) int64 {
	use := e.store.Usage()
	return max(0, use.Budget-use.Own-use.Pinned-use.Leased-e.uploads.byOthers(user)) / 2
}

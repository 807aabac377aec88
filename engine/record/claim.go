package record

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/argon2"

	"altnet/engine/identity"
)

// The work behind a claim: hashcash over Argon2id (RFC 9106). 8 MiB and one
// pass take some milliseconds to check; 2^ClaimBits tries take about a second
// or two to find on one core. Work admits a name, it never ranks owners.
const (
	ClaimBits   = 8
	claimMemory = 8 << 10 // KiB
	claimPasses = 1
	claimSalt   = "altnet claim v1\x00" // 16 bytes
	// ClaimEpoch is how long one piece of work serves, and one epoch more, so
	// that claims cannot be kept in stock for ever.
	ClaimEpoch = 90 * 24 * time.Hour
)

// ErrWork reports a claim whose work is missing.
var ErrWork = errors.New("claim without work")

// Claim is the work that admits a human name.
type Claim struct {
	_     struct{} `cbor:",toarray"`
	Epoch uint64
	Nonce uint64
}

// EpochAt returns the epoch of an instant.
func EpochAt(t time.Time) uint64 { return epochOf(Millis(t)) }

func epochOf(ms uint64) uint64 { return ms / uint64(ClaimEpoch.Milliseconds()) }

// fits reports whether the claim may stand in a record issued then: work of
// the same epoch or of the one before.
func (c *Claim) fits(issued uint64) bool {
	e := epochOf(issued)
	return c.Epoch == e || c.Epoch+1 == e
}

// Fits reports whether the claim may stand in a record issued at t.
func (c *Claim) Fits(t time.Time) bool { return c.fits(Millis(t)) }

// claimInput is what the work is bound to: network, name, owner and epoch, so
// that none of them can be exchanged afterwards.
func claimInput(network [32]byte, name string, root identity.PublicKey, c Claim) [32]byte {
	b := make([]byte, 0, 64+32+1+len(name)+32+16)
	b = append(b, claimSalt...)
	b = append(b, network[:]...)
	b = append(b, byte(len(name)))
	b = append(b, name...)
	b = append(b, root[:]...)
	b = binary.BigEndian.AppendUint64(b, c.Epoch)
	b = binary.BigEndian.AppendUint64(b, c.Nonce)
	return sha256.Sum256(b)
}

func worked(input [32]byte) bool {
	out := argon2.IDKey(input[:], []byte(claimSalt), claimPasses, claimMemory, 1, 8)
	return bits.LeadingZeros64(binary.BigEndian.Uint64(out)) >= ClaimBits
}

// Mint does the work of a claim on up to four cores. progress, if not nil, is
// told the number of tries so far, from several goroutines; about
// 2^ClaimBits are expected. It ends early with ctx.
func Mint(ctx context.Context, network [32]byte, name string, root identity.PublicKey, epoch uint64, progress func(tries uint64)) (Claim, error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var (
		next  atomic.Uint64
		tries atomic.Uint64
		found = make(chan Claim, 1)
		wg    sync.WaitGroup
	)
	work := func() {
		for ctx.Err() == nil {
			c := Claim{Epoch: epoch, Nonce: next.Add(1) - 1}
			if worked(claimInput(network, name, root, c)) {
				select {
				case found <- c:
				default: // another worker was first
				}
				stop()
			}
			if n := tries.Add(1); progress != nil {
				progress(n)
			}
		}
	}
	for range min(runtime.GOMAXPROCS(0), 4) {
		wg.Go(work)
	}
	wg.Wait()
	select {
	case c := <-found:
		return c, nil
	default:
		return Claim{}, fmt.Errorf("claim %q: %w", name, ctx.Err())
	}
}

// CheckWork verifies the work behind the record's name, which takes
// milliseconds and 8 MiB: call it last, through a Gate where the record comes
// from a peer. A record without a name needs none.
func (r *Record) CheckWork() error {
	if r.Name == "" {
		return nil
	}
	if r.Claim == nil || !worked(r.claimInput()) {
		return fmt.Errorf("name %q: %w", r.Name, ErrWork)
	}
	return nil
}

func (r *Record) claimInput() [32]byte {
	return claimInput(r.Network, r.Name, r.Root, *r.Claim)
}

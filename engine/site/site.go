// Package site turns a folder into a tree of content-addressed blocks and
// back: Scan decides what is published, Build makes the blocks, Open reads a
// tree as an fs.FS, Fetcher brings one here from the peers that hold it,
// Server hands it out, Tar archives it.
//
// The format is in section 7 of engine/wire/PROTOCOL.md. Everything read from
// a tree is hostile until it is checked: nodes are bounded and canonical, a
// link's size must be the sum of what lies below, names are checked where
// they enter, and walks are bounded by depth, by entries and by distinct
// blocks, so that a small graph cannot unfold into an endless tree.
package site

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"altnet/engine/wire"
)

// Limits of the format. A writer never exceeds them, a reader refuses what does.
const (
	ChunkSize  = wire.MaxBlock // bytes of every chunk of a file but its last
	MaxNode    = 32 << 10      // encoded bytes of a tree node
	ListFanout = 512           // links in a full list node
	MaxName    = 255           // bytes of one name
	MaxPath    = 1024          // bytes of a path, slashes included
	MaxDepth   = 64            // names in a path
	MaxEntries = 1 << 20       // files and directories of a site
	MaxBlocks  = 1 << 22       // distinct blocks of a site
	MaxSize    = 1 << 50       // bytes of a file or a site

	forkBits  = 4             // bits of the name's hash that a fork consumes
	forkWidth = 1 << forkBits // children of a fork
	maxForks  = 8             // forks above a leaf page
	maxLists  = 4             // lists above a chunk
)

// Sentinels. All are wrapped with what was being done.
var (
	// ErrMissing: a block is not held and cannot be had. Every *MissingError is
	// one. It never matches fs.ErrNotExist, which is for paths.
	ErrMissing = errors.New("block not available")
	// ErrRefused: a block that this node may not hold. Every *RefusedError is
	// one, and ErrMissing too.
	ErrRefused = errors.New("block refused here")
	// ErrCorrupt: bytes that hash as they should but are not a valid tree.
	ErrCorrupt = errors.New("malformed site tree")
	// ErrLimit: a site beyond the limits of the format or of the caller.
	ErrLimit = errors.New("site exceeds a limit")
	// ErrUnsupported: a kind of block that this version does not know.
	ErrUnsupported = errors.New("unknown kind of block; a newer version is needed")
	// ErrName: a name that cannot be published.
	ErrName = errors.New("name cannot be published")
)

// MissingError names the first block that is missing.
type MissingError struct {
	Hash  wire.Hash
	Count int // how many are known to be missing, at least 1
}

// Error implements error.
func (e *MissingError) Error() string {
	if e.Count > 1 {
		return fmt.Sprintf("%d blocks not available, %s among them", e.Count, e.Hash)
	}
	return fmt.Sprintf("block %s not available", e.Hash)
}

// Is makes every MissingError an ErrMissing.
func (e *MissingError) Is(target error) bool { return target == ErrMissing }

// RefusedError names a block that this node may not hold.
type RefusedError struct{ Hash wire.Hash }

// Error implements error.
func (e *RefusedError) Error() string { return fmt.Sprintf("block %s is refused here", e.Hash) }

// Is makes every RefusedError an ErrRefused and an ErrMissing.
func (e *RefusedError) Is(target error) bool { return target == ErrRefused || target == ErrMissing }

// Blocks is where blocks are read. Get returns the block's bytes, verified when
// they came in, in buf where that is big enough. A block that is not there is
// an error that matches fs.ErrNotExist or ErrMissing. Safe for concurrent use.
type Blocks interface {
	Get(ctx context.Context, h wire.Hash, buf []byte) ([]byte, error)
}

// Block is a block's hash and bytes.
type Block struct {
	Hash wire.Hash
	Data []byte
}

// Sink is where blocks go. HasMany answers in the order of the question.
// PutBatch takes blocks whose hashes are right, and is done with their memory
// when it returns. Blocks are durable once Flush has returned nil. Build and
// Fetcher call the methods of one Sink from one goroutine at a time.
type Sink interface {
	HasMany(ctx context.Context, hashes []wire.Hash) ([]bool, error)
	PutBatch(ctx context.Context, blocks []Block) error
	Flush(ctx context.Context) error
}

// Store is both sides: what a fetch writes to and reads back.
type Store interface {
	Blocks
	Sink
}

// get reads a block and tells an absent one apart from an absent path.
func get(ctx context.Context, b Blocks, h wire.Hash, buf []byte) ([]byte, error) {
	data, err := b.Get(ctx, h, buf)
	if err != nil && errors.Is(err, fs.ErrNotExist) {
		return nil, &MissingError{Hash: h, Count: 1}
	}
	return data, err
}

// Package journal remembers what AltNet changed on this computer, so that every
// change can be taken back.
//
// The journal is one small file. Before a change, an entry with what was there
// before and what will be there is written and synced; then the change is made;
// then the entry is marked done. Undo walks back from the newest entry:
//
//   - a file that is as we left it becomes what it was, byte for byte, with its
//     mode and owner, or vanishes with the folders that were made for it;
//   - a file that somebody edited since loses only our part, cut out by the
//     Surgeon that its entry names;
//   - a file that is gone stays gone;
//   - whatever is no file (a registry value, a certificate database) is put back
//     by the Undoer of its kind.
//
// A process may die at any write, or the power may fail: the next Undo finishes.
// Several processes may share a journal; each operation holds a lock.
package journal

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path/filepath"
	"slices"
	"time"
)

// Limits of a journal: it holds configuration, not data.
const (
	MaxFile    = 1 << 20 // bytes of a file that may be changed
	MaxEntries = 256
	maxJournal = 16 << 20
	version    = 1
)

var (
	// ErrNewer is returned for a journal that a newer version of AltNet wrote.
	ErrNewer = errors.New("the journal was written by a newer version of AltNet")
	// ErrDamaged is returned for a journal that cannot be read or cannot be
	// trusted; it is left as it is.
	ErrDamaged = errors.New("the journal is damaged")
	// ErrEdited is returned by File when somebody edited the file since we wrote
	// it and no surgeon can tell their part from ours.
	ErrEdited = errors.New("the file was edited by somebody else")
	// ErrLink is returned for a path that leads through a symbolic link that
	// must not be followed.
	ErrLink = errors.New("the path is a symbolic link")
	// ErrTooLarge is returned for files above MaxFile and for full journals.
	ErrTooLarge = errors.New("too large for the journal")
	// ErrNoUndo is returned by Undo for an entry whose surgeon or undoer this
	// program does not have.
	ErrNoUndo = errors.New("this version does not know how to undo the change")
)

// Surgeon removes our part from a file that somebody edited since: now is the
// file as it is, part what FileChange.Part said. It returns the file without
// our part, now itself when our part is not in it any more.
type Surgeon func(now []byte, part json.RawMessage) ([]byte, error)

// Undoer takes back an external change. It must look before it acts: only a
// present value that is one of change.Ours may be put back to change.Before.
// Undoing twice, or what was never done, is no error.
type Undoer func(ctx context.Context, change Change) (Result, error)

// Config says how a journal works.
type Config struct {
	FS       FS // nil: the file system of this computer
	Surgeons map[string]Surgeon
	Undoers  map[string]Undoer
	Log      *slog.Logger // nil: nothing is logged
}

func (c Config) withDefaults() Config {
	if c.FS == nil {
		c.FS = System()
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

// Journal is a record of changes. Its methods may be called concurrently.
type Journal struct {
	path string
	cfg  Config
}

// Open returns the journal at path, an absolute path whose folder exists and
// belongs to whoever makes the changes. It fails with ErrNewer or ErrDamaged
// when what lies there cannot be used. The file exists only while there is
// something to undo.
func Open(path string, cfg Config) (*Journal, error) {
	if !filepath.IsAbs(path) {
		return nil, fmt.Errorf("open the journal: %s is not an absolute path", path)
	}
	j := &Journal{path: path, cfg: cfg.withDefaults()}
	if _, err := j.load(); err != nil {
		return nil, err
	}
	return j, nil
}

// FileChange replaces, creates or edits one file.
type FileChange struct {
	Door string // whose change it is: what Undo is asked for
	Path string // absolute
	// Edit returns the file as it shall be, from the file as it is without our
	// part; nil where there is no file. Returning it unchanged changes nothing.
	Edit func(now []byte) ([]byte, error)
	// Mode is for a new file, whatever the umask says; 0 means 0644. A file that
	// exists keeps its mode and owner.
	Mode fs.FileMode
	// Surgeon and Part say how our part is removed from the file once somebody
	// else edited it. Without a surgeon an edited file stays as it is.
	Surgeon string
	Part    json.RawMessage
	// Leftover recognises a file that an earlier AltNet wrote and whose entry
	// was lost. It counts as ours, with nothing before it.
	Leftover func(now []byte) bool
}

// Whole is an Edit that replaces whatever is there.
func Whole(data []byte) func([]byte) ([]byte, error) {
	return func([]byte) ([]byte, error) { return data, nil }
}

// ExternalChange is a change to something that is no file.
type ExternalChange struct {
	Door   string
	Kind   string          // names the Undoer
	Key    string          // which thing: with Kind it identifies the change
	Before json.RawMessage // what is there now, for the Undoer to put back
	After  json.RawMessage // what will be there
}

// Change is an external change as its Undoer sees it.
type Change struct {
	Door, Kind, Key string
	Before          json.RawMessage
	// Ours are the values that we may have left there, the newest last.
	Ours []json.RawMessage
}

// Entry is one line of the journal, for people to read.
type Entry struct {
	Door string    `json:"door"`
	What string    `json:"what"` // a path, or kind and key
	Time time.Time `json:"time"`
	Done bool      `json:"done"` // false: it was interrupted
}

// Result is what Undo did about one entry.
type Result string

// What can become of an entry.
const (
	Restored Result = "restored" // as it was before
	Removed  Result = "removed"  // there was nothing before
	Cut      Result = "cut"      // edited since: only our part is gone
	Nothing  Result = "nothing"  // nothing of ours was there
	Kept     Result = "kept"     // edited since, and our part cannot be told apart: left as it is
	Failed   Result = "failed"
)

// Outcome is what became of one entry.
type Outcome struct {
	Entry
	Result Result
	Err    error // with Failed
}

// Entries lists what can be undone, the oldest first.
func (j *Journal) Entries(ctx context.Context) ([]Entry, error) {
	book, unlock, err := j.open(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	list := make([]Entry, 0, len(book.Entries))
	for _, e := range book.Entries {
		list = append(list, e.public())
	}
	return list, nil
}

// Undo takes back the changes of the named doors, of all doors where none is
// named, the newest first. It goes on past failures; what failed stays in the
// journal, and the error joins them.
func (j *Journal) Undo(ctx context.Context, doors ...string) ([]Outcome, error) {
	book, unlock, err := j.open(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	if err := j.tidy(len(book.Entries) == 0); err != nil {
		return nil, err
	}
	var outcomes []Outcome
	var failures []error
	for i := len(book.Entries) - 1; i >= 0; i-- {
		e := book.Entries[i]
		if len(doors) > 0 && !slices.Contains(doors, e.Door) {
			continue
		}
		result, err := j.undo(ctx, e)
		if err != nil {
			err = fmt.Errorf("undo %s: %w", e.what(), err)
			result, failures = Failed, append(failures, err)
			j.cfg.Log.Warn("a change could not be undone", "door", e.Door, "what", e.what(), "error", err)
		} else {
			book.Entries = slices.Delete(book.Entries, i, i+1)
			if err := j.save(book); err != nil {
				return outcomes, errors.Join(append(failures, err)...)
			}
		}
		outcomes = append(outcomes, Outcome{Entry: e.public(), Result: result, Err: err})
	}
	return outcomes, errors.Join(failures...)
}

func (j *Journal) undo(ctx context.Context, e *entry) (Result, error) {
	if e.File != nil {
		return j.undoFile(e)
	}
	return j.undoExternal(ctx, e)
}

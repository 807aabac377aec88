package site

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/text/unicode/norm"
)

// ErrRejected: a folder that cannot be published as it is. Every
// *RejectedError is one.
var ErrRejected = errors.New("folder cannot be published as it is")

// ErrEmpty: a folder with nothing to publish in it.
var ErrEmpty = errors.New("nothing to publish")

// ScanOptions changes what is left out. Patterns are those of path.Match and
// apply to the slash-separated path and to the last name alone.
type ScanOptions struct {
	Include []string // published although the default rules leave it out
	Exclude []string // left out in any case
	// DropProblems leaves out what would make Build refuse the folder.
	DropProblems bool
	MaxFiles     int   // default and most: MaxEntries
	MaxBytes     int64 // default and most: MaxSize
}

func (o ScanOptions) withDefaults() ScanOptions {
	o.MaxFiles = clampDefault(o.MaxFiles, MaxEntries)
	o.MaxBytes = clampDefault(o.MaxBytes, MaxSize)
	return o
}

func clampDefault[T int | int64](v, limit T) T {
	if v <= 0 {
		return limit
	}
	return min(v, limit)
}

// PlannedFile is a file that will be published.
type PlannedFile struct {
	Path    string // slash-separated, in Unicode NFC
	Size    int64  // bytes
	ModTime time.Time
	source  string // path below the folder, as the file system spells it
}

// Skip is something that is left out.
type Skip struct {
	Path    string
	Reason  string
	Default bool // by a default rule, which ScanOptions.Include overrides
}

// Problem is something that keeps the folder from being published.
type Problem struct {
	Path   string
	Reason string
}

// RejectedError lists every Problem.
type RejectedError struct{ Problems []Problem }

// Error implements error.
func (e *RejectedError) Error() string {
	first := e.Problems[0]
	if len(e.Problems) == 1 {
		return fmt.Sprintf("%s: %s", first.Path, first.Reason)
	}
	return fmt.Sprintf("%s: %s (and %d more)", first.Path, first.Reason, len(e.Problems)-1)
}

// Is makes every RejectedError an ErrRejected.
func (e *RejectedError) Is(target error) bool { return target == ErrRejected }

// Plan is what Build would publish, for the publisher to look at first.
type Plan struct {
	Dir      string        // absolute, links resolved
	Files    []PlannedFile // sorted by path
	Size     int64         // bytes of all files
	Skipped  []Skip
	Problems []Problem
}

// Err returns why the plan cannot be built: ErrEmpty, a *RejectedError or nil.
func (p *Plan) Err() error {
	if len(p.Problems) > 0 {
		return &RejectedError{p.Problems}
	}
	if len(p.Files) == 0 {
		return fmt.Errorf("%s: %w", p.Dir, ErrEmpty)
	}
	return nil
}

// Scan walks the folder and decides what is published. Links are followed
// where they stay inside the folder. Folders without a published file are left
// out. Scan fails where a folder cannot be read or a limit is exceeded; what
// else is wrong stands in the Plan.
func Scan(ctx context.Context, dir string, opts ScanOptions) (*Plan, error) {
	dir, err := resolveDir(dir)
	if err != nil {
		return nil, fmt.Errorf("scan folder: %w", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("scan folder: %w", err)
	}
	defer root.Close()
	s := scanner{ctx: ctx, root: root, opts: opts.withDefaults(), plan: &Plan{Dir: dir}}
	top, err := root.Stat(".")
	if err != nil {
		return nil, fmt.Errorf("scan folder: %w", err)
	}
	if err := s.dir(".", "", []fs.FileInfo{top}); err != nil {
		return nil, fmt.Errorf("scan %s: %w", dir, err)
	}
	slices.SortFunc(s.plan.Files, func(a, b PlannedFile) int { return cmp.Compare(a.Path, b.Path) })
	return s.plan, nil
}

func resolveDir(dir string) (string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	return filepath.EvalSymlinks(dir)
}

type scanner struct {
	ctx  context.Context
	root *os.Root
	opts ScanOptions
	plan *Plan
	seen int // names looked at, published or not
}

// dir scans the folder at source, published as published ("" is the site
// itself). above holds the folders on the way, to notice links that loop.
func (s *scanner) dir(source, published string, above []fs.FileInfo) error {
	entries, err := s.readDir(source)
	if err != nil {
		return err
	}
	folded := make(map[string]string, len(entries))
	for _, e := range entries {
		if s.seen++; s.seen > 4*MaxEntries {
			return fmt.Errorf("more than %d names: %w", 4*MaxEntries, ErrLimit)
		}
		if err := s.entry(e, source, published, above, folded); err != nil {
			return err
		}
	}
	return nil
}

// readDir lists a folder in the order of names, so that which of two colliding
// names is kept does not hang on the file system.
func (s *scanner) readDir(source string) ([]fs.DirEntry, error) {
	if err := s.ctx.Err(); err != nil {
		return nil, err
	}
	f, err := s.root.Open(source)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	entries, err := f.ReadDir(-1)
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return cmp.Compare(a.Name(), b.Name()) })
	return entries, err
}

func (s *scanner) entry(e fs.DirEntry, source, published string, above []fs.FileInfo, folded map[string]string) error {
	name := norm.NFC.String(e.Name())
	source, published = path.Join(source, e.Name()), path.Join(published, name)
	if reason, byDefault := s.leftOut(published, name); reason != "" {
		s.skip(published, reason, byDefault)
		return nil
	}
	info, reason := s.inspect(source, e, above)
	if reason != "" {
		s.skip(published, reason, false)
		return nil
	}
	if reason := checkPath(published, name, folded); reason != "" {
		s.problem(published, reason)
		return nil
	}
	folded[foldName(name)] = name
	if info.IsDir() {
		return s.dir(source, published, append(slices.Clip(above), info))
	}
	return s.file(source, published, info)
}

func (s *scanner) skip(path, reason string, byDefault bool) {
	s.plan.Skipped = append(s.plan.Skipped, Skip{Path: path, Reason: reason, Default: byDefault})
}

func (s *scanner) problem(path, reason string) {
	if s.opts.DropProblems {
		s.skip(path, reason, false)
		return
	}
	s.plan.Problems = append(s.plan.Problems, Problem{Path: path, Reason: reason})
}

// inspect follows links and says why an entry that is neither a file nor a
// folder is left out.
func (s *scanner) inspect(source string, e fs.DirEntry, above []fs.FileInfo) (fs.FileInfo, string) {
	info, err := s.root.Lstat(source)
	if err != nil {
		return nil, "cannot be read: " + plainError(err)
	}
	if info.Mode()&fs.ModeSymlink != 0 {
		if info, err = s.root.Stat(source); err != nil {
			return nil, "a link to nothing or out of the folder"
		}
		if slices.ContainsFunc(above, func(up fs.FileInfo) bool { return os.SameFile(up, info) }) {
			return nil, "a link to a folder that it is in"
		}
	}
	if !info.IsDir() && !info.Mode().IsRegular() {
		return nil, "neither a file nor a folder"
	}
	return info, ""
}

// plainError drops the operation and path that the caller names anyway.
func plainError(err error) string {
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		return pe.Err.Error()
	}
	return err.Error()
}

func checkPath(published, name string, folded map[string]string) string {
	if err := CheckName(name); err != nil {
		return err.Error()
	}
	if len(published) > MaxPath {
		return fmt.Sprintf("path longer than %d bytes", MaxPath)
	}
	if strings.Count(published, "/") >= MaxDepth {
		return fmt.Sprintf("more than %d folders deep", MaxDepth)
	}
	if other, ok := folded[foldName(name)]; ok {
		return fmt.Sprintf("is the same name as %q on systems that ignore case", other)
	}
	return ""
}

func (s *scanner) file(source, published string, info fs.FileInfo) error {
	p := s.plan
	if len(p.Files) >= s.opts.MaxFiles {
		return fmt.Errorf("more than %d files: %w", s.opts.MaxFiles, ErrLimit)
	}
	if info.Size() > s.opts.MaxBytes-p.Size {
		return fmt.Errorf("more than %d bytes: %w", s.opts.MaxBytes, ErrLimit)
	}
	p.Size += info.Size()
	p.Files = append(p.Files, PlannedFile{Path: published, Size: info.Size(), ModTime: info.ModTime(), source: source})
	return nil
}

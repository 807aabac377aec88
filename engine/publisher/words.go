package publisher

import (
	"altnet/engine/record"
	"altnet/engine/site"
)

// What a window or command meets in Options and in errors, under the author's
// name: they need no other package of the engine.
type (
	// ScanOptions changes what is left out of a folder.
	ScanOptions = site.ScanOptions
	// Skip is something that is left out.
	Skip = site.Skip
	// Problem is something that keeps a folder from being published.
	Problem = site.Problem
	// Progress says how far a folder is read.
	Progress = site.Progress
	// RejectedError lists the Problems of a folder.
	RejectedError = site.RejectedError
)

// The errors of Publish and Look that come from names and folders.
var (
	ErrBadName  = record.ErrBadName // a name that breaks the rules
	ErrRejected = site.ErrRejected  // the folder holds what cannot be published
	ErrEmpty    = site.ErrEmpty     // nothing to publish in it
	ErrChanged  = site.ErrChanged   // a file changed meanwhile
	ErrTooBig   = site.ErrLimit     // more than a site may hold
)

// Change is one file that differs between a folder and what is published.
type Change = site.Change

// What can happen to a file.
const (
	Added    = site.Added
	Removed  = site.Removed
	Modified = site.Modified
)

package main

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/fsnotify/fsnotify"

	"altnet/platform/instance"
)

// settleFor is how long a new program file must lie still: packages are
// written in pieces.
const settleFor = 10 * time.Second

// watchProgram ends the agent when the program on the disk was replaced and
// nothing is being published, so that the new one takes over.
func (a *agent) watchProgram(ctx context.Context) {
	was, err := os.Stat(a.program)
	if err != nil {
		return
	}
	w, err := fsnotify.NewWatcher()
	if err != nil {
		return
	}
	defer w.Close()
	if err := w.Add(filepath.Dir(a.program)); err != nil {
		a.log.Debug("an upgrade will not be noticed", "err", err)
		return
	}
	look := time.NewTimer(time.Hour)
	look.Stop()
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case e, ok := <-w.Events:
			if !ok {
				return
			}
			if e.Name == a.program {
				look.Reset(settleFor)
			}
		case <-look.C:
			if !replaced(a.program, was) {
				continue
			}
			if !a.idle(ctx) {
				look.Reset(settleFor)
				continue
			}
			a.log.Info("the program was replaced; the new one takes over")
			a.stop(errReplaced)
			return
		}
	}
}

// replaced reports whether another program lies where this one did.
func replaced(program string, was fs.FileInfo) bool {
	now, err := os.Stat(program)
	if err != nil || !now.Mode().IsRegular() || now.Size() == 0 {
		return false // it was removed, or is being written
	}
	return !os.SameFile(was, now) || !now.ModTime().Equal(was.ModTime()) || now.Size() != was.Size()
}

// idle reports whether nobody would notice a new start.
func (a *agent) idle(ctx context.Context) bool { return a.host.busy.Load() == 0 && !a.window.open(ctx) }

// moveData moves the node's data where the window asks.
func (a *agent) moveData(ctx context.Context, r instance.Request, report func(instance.Reply)) error {
	if len(r.Args) != 1 {
		return &instance.RequestError{Code: "usage", Text: "where to?"}
	}
	return a.host.move(ctx, r.Args[0], report)
}

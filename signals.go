package main

import (
	"context"
	"os"
	"os/signal"
	"sync"
	"syscall"
)

// signals turns signals into the end of a context: of the command that the
// prompt runs, where it runs one and the signal is Ctrl-C, else of the whole
// program. A second signal to the program ends it at once.
type signals struct {
	program context.CancelFunc

	mu      sync.Mutex
	command context.CancelFunc // of the prompt; nil: none runs
}

// watchSignals returns a context that a signal ends.
func watchSignals(ctx context.Context) (context.Context, *signals) {
	ctx, cancel := context.WithCancel(ctx)
	s := &signals{program: cancel}
	got := make(chan os.Signal, 1)
	signal.Notify(got, os.Interrupt, syscall.SIGTERM)
	go func() {
		for sig := range got {
			if sig == os.Interrupt && s.endCommand() {
				continue
			}
			cancel()
			signal.Stop(got)
			return
		}
	}()
	return ctx, s
}

// endCommand reports whether there was a command to end.
func (s *signals) endCommand() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.command == nil {
		return false
	}
	s.command()
	return true
}

// during returns a context for a command that Ctrl-C ends, and what to call
// when the command has ended.
func (s *signals) during(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancel(ctx)
	s.set(cancel)
	return ctx, func() {
		s.set(nil)
		cancel()
	}
}

func (s *signals) set(cancel context.CancelFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.command = cancel
}

// outlivePipe has a write to standard output or error fail once their reader
// has gone, instead of ending the program: a window outlives its agent. Programs
// that this one starts are not affected.
func outlivePipe() { signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE) }

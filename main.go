// Command altnet is a node of AltNet and the commands that talk to one.
//
// Without a command word it runs a node until it is stopped; with one it
// reaches the node that runs on the same data folder over its control socket.
// Everything here is choosing, building and showing: what a node does lives in
// engine.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
)

func main() {
	ctx, signals := watchSignals(context.Background())
	os.Exit(run(ctx, os.Args[1:], stdTerminal(signals)))
}

// Exit codes.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2
)

// usageError is a wrong use of the command line, of one command where that is
// named.
type usageError struct{ text, command string }

func (e *usageError) Error() string { return e.text }

func usagef(format string, args ...any) error { return &usageError{text: fmt.Sprintf(format, args...)} }

// run picks the role and returns the exit code.
func run(ctx context.Context, args []string, term *terminal) int {
	opts, words, err := parse(args)
	if err != nil {
		return fail(term, opts, err)
	}
	switch {
	case opts.version:
		words = []string{"version"}
	case opts.help:
		words = append([]string{"help"}, words...)
	}
	return fail(term, opts, runRole(ctx, opts, words, term))
}

// fail says what went wrong and returns the exit code for it.
func fail(term *terminal, opts *options, err error) int {
	if err == nil {
		return exitDone
	}
	if errors.Is(err, context.Canceled) {
		err = errors.New("interrupted")
	}
	fmt.Fprintln(term.err, "altnet:", err)
	if text := advice(err); text != "" {
		fmt.Fprintln(term.err, text)
	}
	if usage, ok := errors.AsType[*usageError](err); ok {
		term.jsonError(opts, "usage", usage)
		return exitUsage
	}
	term.jsonError(opts, codeOf(err), err)
	return exitFailed
}

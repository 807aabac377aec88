package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/peterh/liner"

	"altnet/engine/control"
	"altnet/platform/ipc"
)

// runPrompt reads commands until quit, the end of the input or ctx ends it.
// Where nobody types and nothing is piped in, it waits for ctx: a service
// manager's node must not stop because it has no terminal.
func runPrompt(ctx context.Context, s *session, profile string) {
	lines, done := s.lines(ctx, profile)
	defer done()
	for n := 0; ; n++ {
		line, err := lines()
		switch {
		case ctx.Err() != nil:
			return
		case errors.Is(err, liner.ErrPromptAborted):
			continue
		case errors.Is(err, io.EOF) && n == 0 && !s.inTTY:
			<-ctx.Done()
			return
		case err != nil:
			return
		}
		words, err := split(line)
		if err == nil && len(words) > 0 {
			if words[0] == "quit" || words[0] == "exit" {
				return
			}
			err = s.promptCommand(ctx, words)
		}
		if err != nil {
			fmt.Fprintln(s.err, err)
			s.advise(err)
		}
	}
}

// advise says what may be done about an error, in the words of the prompt. A
// wrong use has said it.
func (s *session) advise(err error) {
	if _, usage := errors.AsType[*usageError](err); usage {
		return
	}
	if text := advice(err); text != "" {
		fmt.Fprintln(s.err, strings.ReplaceAll(text, "altnet ", ""))
	}
}

// promptCommand runs one line as the user who sits there. Ctrl-C ends the
// command, not the node.
func (s *session) promptCommand(ctx context.Context, words []string) error {
	typed := printable(strings.Join(words, " "))
	o, words, err := parse(words)
	if err != nil || len(words) == 0 {
		return err
	}
	if words[0] == "key" || o.given != nil && (o.data != "" || o.profile != "") {
		return errors.New("that is for the command line, not for the prompt of a node: altnet " + typed)
	}
	me, err := ipc.Me()
	if err != nil {
		return err
	}
	ctx, end := s.signals.during(ctx)
	defer end()
	ctx = control.WithCaller(ctx, control.Caller{User: me.User, Admin: me.Admin, Operator: true})
	one := *s
	one.opts = o
	if err := one.do(ctx, words); err == nil || !errors.Is(err, context.Canceled) {
		return err
	}
	return errors.New("interrupted")
}

// lines returns the reader of lines and what ends it.
func (s *session) lines(ctx context.Context, profile string) (func() (string, error), func()) {
	if !s.inTTY {
		return pipeLines(ctx, s.in), func() {}
	}
	edit := liner.NewLiner()
	edit.SetCtrlCAborts(true)
	edit.SetCompleter(complete)
	history := filepath.Join(profile, "history")
	if f, err := os.Open(history); err == nil {
		edit.ReadHistory(f)
		f.Close()
	}
	fmt.Fprintln(s.out, "help lists the commands, quit ends the node.")
	read := func() (string, error) {
		line, err := edit.Prompt("altnet> ")
		if err == nil && strings.TrimSpace(line) != "" {
			edit.AppendHistory(line)
		}
		return line, err
	}
	return interruptible(ctx, read), func() {
		saveHistory(edit, history)
		edit.Close()
	}
}

// saveHistory keeps the lines for the next time, for this user alone. Losing
// them is no reason to complain.
func saveHistory(edit *liner.State, path string) {
	if os.MkdirAll(filepath.Dir(path), 0o700) != nil {
		return
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return
	}
	edit.WriteHistory(f)
	f.Close()
}

func pipeLines(ctx context.Context, in io.Reader) func() (string, error) {
	scan := bufio.NewScanner(in)
	return interruptible(ctx, func() (string, error) {
		if !scan.Scan() {
			return "", errors.Join(io.EOF, scan.Err())
		}
		return scan.Text(), nil
	})
}

// interruptible makes read return when ctx ends. The read itself cannot be
// stopped: its goroutine ends with the process or the next line.
func interruptible(ctx context.Context, read func() (string, error)) func() (string, error) {
	type result struct {
		line string
		err  error
	}
	return func() (string, error) {
		got := make(chan result, 1)
		go func() {
			line, err := read()
			got <- result{line, err}
		}()
		select {
		case r := <-got:
			return r.line, r.err
		case <-ctx.Done():
			return "", ctx.Err()
		}
	}
}

// complete offers the commands that begin as the line does.
func complete(line string) (names []string) {
	for _, c := range commands() {
		if (c.name == "quit" || !c.outside()) && strings.HasPrefix(c.name, line) {
			names = append(names, c.name+" ")
		}
	}
	return names
}

// split cuts a line into words; quotes keep spaces.
func split(line string) (words []string, err error) {
	var word strings.Builder
	var quote rune
	started := false
	for _, r := range line {
		switch {
		case quote != 0 && r == quote:
			quote = 0
		case quote == 0 && (r == '"' || r == '\''):
			quote, started = r, true
		case quote == 0 && (r == ' ' || r == '\t'):
			if started {
				words = append(words, word.String())
			}
			word.Reset()
			started = false
		default:
			word.WriteRune(r)
			started = true
		}
	}
	if quote != 0 {
		return nil, usagef("a quote is not closed")
	}
	if started {
		words = append(words, word.String())
	}
	return words, nil
}

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"altnet/engine/control"
)

// command is a word of the command line and of the prompt.
type command struct {
	name  string
	args  string // as the help shows them
	min   int    // number of arguments
	max   int    // -1: any number
	brief string
	flags []string // its own, besides those that go with everything
	run   func(ctx context.Context, s *session, args []string) error
}

// session is what a command works with. The command line makes one for one
// command, the prompt keeps one.
type session struct {
	*terminal
	opts    *options
	control control.Control // nil: needs none
	author  func() (author, error)
	prompt  bool // of a node, in its own process
}

// result prints v as JSON where that is asked for, else what text prints.
func (s *session) result(v any, text func(w io.Writer)) error {
	if s.opts.json {
		return writeJSON(s.out, v)
	}
	text(s.out)
	return nil
}

// commands lists all of them in the order of the help.
func commands() []command {
	building := []string{"note", "include", "exclude"}
	return []command{
		{"publish", "DIR [NAME]", 1, 2, "publish a folder, under a name if you like", building, publish},
		{"update", "NAME [DIR]", 1, 2, "publish a site again; DIR where the folder has moved", building, update},
		{"rollback", "NAME [VERSION]", 1, 2, "serve an earlier version again, by default the one before", []string{"note"}, rollback},
		{"withdraw", "NAME", 1, 1, "take a site out of the network", nil, withdraw},
		{"register", "NAME ROOT", 2, 2, "give a name to a content root that is here", nil, register},
		{"sites", "", 0, 0, "what you published and pinned", nil, sites},
		{"versions", "NAME", 1, 1, "the kept versions of a site of yours", nil, versions},
		{"drop", "NAME VERSION", 2, 2, "forget one version", nil, drop},
		{"receipt", "NAME", 1, 1, "how many copies of a site of yours exist", nil, receipt},
		{"resolve", "NAME", 1, 1, "what a name stands for", nil, resolve},
		{"accept", "NAME", 1, 1, "trust the new owner of a name", nil, accept},
		{"fetch", "NAME|ROOT DEST", 2, 2, "copy a site to a folder", nil, fetch},
		{"pin", "NAME", 1, 1, "keep a site here and share it", nil, pin},
		{"unpin", "NAME", 1, 1, "keep it no longer", nil, unpin},
		{"visits", "NAME", 1, 1, "visits to a site of yours on this node, and its copies, over time", nil, showVisits},
		{"preview", "NAME [VERSION]", 1, 2, "open a kept version where only this computer sees it, for an hour", nil, showPreview},
		{"visited", "", 0, 0, "the sites opened through this node", []string{"clear"}, showVisited},
		{"block", "NAME|KEY|ROOT", 1, 1, "keep a site out of this computer", nil, blockTarget},
		{"unblock", "NAME|KEY|ROOT", 1, 1, "let it in again", nil, unblockTarget},
		{"blocked", "", 0, 0, "what you keep out", nil, showBlocked},
		{"status", "", 0, 0, "how the node is doing", nil, status},
		{"stats", "", 0, 0, "the same", nil, status},
		{"peers", "", 0, 0, "the peers it knows", nil, peers},
		{"dht", "", 0, 0, "its part in the distributed hash table", nil, showDHT},
		{"online", "", 0, 0, "join the network", nil, online},
		{"offline", "", 0, 0, "leave the network; local copies stay readable", nil, offline},
		{"settings", "[KEY VALUE]", 0, 2, "limits, sharing and consent: show or change them", nil, settings},
		{"pause", "[DURATION]", 0, 1, "leave the network for a while, by default an hour", nil, pause},
		{"resume", "", 0, 0, "end the pause", nil, resume},
		{"forget", "", 0, 0, "erase what is kept for others and what was only read", nil, forget},
		{"logs", "", 0, 0, "the newest lines of the node's log, fit to be shown around", nil, logs},
		{"bootstrap", "ADDR", 1, 1, "join through host:port or nodeid@host:port", nil, bootstrap},
		{"ping", "PEER", 1, 1, "measure a round trip to a NodeID or host:port", nil, ping},
		{"find", "NAME|ROOT|KEY", 1, 1, "who is responsible for a key and who holds it", nil, find},
		{"put", "TEXT", 1, -1, "store a small text as a block (@FILE: a file)", nil, put},
		{"get", "HASH", 1, 1, "print a block", nil, get},
		{"key", "show|test|backup|restore|devices|shutout [FILE|NAME]", 1, 2, "your keys: recovery phrase, backup, other devices", nil, key},
		{"agent", "", 0, 0, "be AltNet's icon on the desktop, with a node where no service is installed", (&options{}).nodeFlags(), agentCommand},
		{"quit", "", 0, 0, "end the agent, and the node in it", nil, quitAgent},
		{"service", "install|uninstall|purge|start|stop|status", 1, -1, "AltNet for every user of this computer, started with it", (&options{}).nodeFlags(), serviceCommand},
		{"setup", "", 0, 0, "make .alt open in your browsers: says what it changes, asks, does it", []string{"yes", "trust", "no-trust"}, setUp},
		{"doctor", "", 0, 0, "find what keeps .alt from opening, and mend it", []string{"fix"}, doctor},
		{"undo", "", 0, 0, "take back everything that setup changed", []string{"yes"}, undo},
		{"version", "", 0, 0, "print the version", nil, showVersion},
		{"help", "[COMMAND]", 0, 1, "this text", nil, nil},
	}
}

// outside reports whether a command is for the command line alone: it asks for
// secrets, or is about other processes than the prompt's node.
func (c command) outside() bool { return slices.Contains([]string{"key", "agent", "quit"}, c.name) }

func lookup(word string) (command, bool) {
	switch word { // not for people
	case helperWord:
		return command{helperWord, "REQUEST", 1, 1, "", nil, helper}, true
	case guardWord:
		return command{guardWord, "NODE FOLDER", 2, 2, "", nil, guardDoors}, true
	}
	for _, c := range commands() {
		if c.name == word {
			return c, true
		}
	}
	return command{}, false
}

// needsNode reports whether a command has anything to do with a node.
func needsNode(word string) bool { return word != "version" && word != "help" && word != "service" }

// runCommand runs one command of the command line.
func runCommand(ctx context.Context, o *options, words []string, term *terminal) error {
	s, closeSession, err := openSession(o, words[0], term)
	if err != nil {
		return err
	}
	defer closeSession()
	return s.do(ctx, words)
}

// do checks and runs a command.
func (s *session) do(ctx context.Context, words []string) error {
	c, ok := lookup(words[0])
	if !ok {
		return usagef("there is no command %q", printable(words[0]))
	}
	if c.name == "help" || s.opts.help {
		return s.help(words)
	}
	if err := s.opts.checkGiven(c.name, c.flags); err != nil {
		return inCommand(c, err)
	}
	args := words[1:]
	if len(args) < c.min || c.max >= 0 && len(args) > c.max {
		return inCommand(c, usagef("use: altnet %s", strings.TrimSpace(c.name+" "+c.args)))
	}
	return inCommand(c, c.run(ctx, s, args))
}

// inCommand notes in a wrong use which command it was of.
func inCommand(c command, err error) error {
	if usage, ok := errors.AsType[*usageError](err); ok {
		usage.command = c.name
	}
	return err
}

// help explains everything or one command.
func (s *session) help(words []string) error {
	if len(words) > 1 {
		c, ok := lookup(words[1])
		if !ok {
			return usagef("there is no command %q", printable(words[1]))
		}
		fmt.Fprintf(s.out, "altnet %s\n\n%s\n", strings.TrimSpace(c.name+" "+c.args), c.brief)
		if len(c.flags) > 0 {
			fmt.Fprintln(s.out)
			s.opts.printSome(s.out, c.flags)
		}
		return nil
	}
	if s.prompt {
		s.listCommands()
		fmt.Fprintf(s.out, "  %-35s %s\n", "quit", "end the node")
		return nil
	}
	fmt.Fprint(s.out, "AltNet: a web without servers. Sites live under .alt and are served by the peers that hold them.\n\n"+
		"  altnet [flags]            run a node\n"+
		"  altnet [flags] COMMAND    ask or tell the node that runs on the same data folder\n\nCommands:\n")
	s.listCommands()
	s.opts.printFlags(s.out)
	return nil
}

func (s *session) listCommands() {
	for _, c := range commands() {
		if s.prompt && c.outside() {
			continue
		}
		fmt.Fprintf(s.out, "  %-35s %s\n", strings.TrimSpace(c.name+" "+c.args), c.brief)
	}
}

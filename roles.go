package main

import (
	"context"
	"os"
	"slices"

	"altnet/platform/desktop"
)

// role is what the one program is started as.
type role int

const (
	asNode role = iota
	asCommand
	asWindow  // the window process of an agent
	asDesktop // the agent where none runs, else a request to the one that does
)

// surroundings are what the choice of a role depends on.
type surroundings struct {
	window  bool              // this build has one
	display bool              // there is a display to show it on
	folder  func(string) bool // the word is the path of a folder
}

func around() surroundings {
	isFolder := func(path string) bool {
		info, err := os.Stat(path)
		return err == nil && info.IsDir()
	}
	return surroundings{window: hasWindow, display: desktop.Present(), folder: isFolder}
}

// choose picks the role. Without words a person's double click means the
// desktop, and flags of a node mean a node.
func choose(o *options, words []string, s surroundings) role {
	onDesktop := s.window && s.display && !slices.ContainsFunc(o.given, func(f string) bool { return f != "data" && f != "profile" })
	switch {
	case len(words) == 0 && onDesktop:
		return asDesktop
	case len(words) == 0:
		return asNode
	case words[0] == windowWord:
		return asWindow
	}
	if _, known := lookup(words[0]); !known && onDesktop && !slices.ContainsFunc(words, func(w string) bool { return !s.folder(w) }) {
		return asDesktop
	}
	return asCommand
}

// windowWord starts the window process. It is the agent's to use.
const windowWord = "window"

// runRole runs the program as what it was started for.
func runRole(ctx context.Context, o *options, words []string, term *terminal) error {
	switch choose(o, words, around()) {
	case asNode:
		return runNode(ctx, o, term)
	case asWindow:
		outlivePipe()
		return runWindow(ctx, o, words[1:], term)
	case asDesktop:
		outlivePipe()
		return runAgent(ctx, o, term, show{window: true, folders: words})
	}
	return runCommand(ctx, o, words, term)
}

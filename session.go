package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"

	"altnet/engine/control"
	"altnet/platform"
	"altnet/platform/ipc"
)

// author is the side that owns the site keys: it signs in this process and
// hands the signed bytes to a Control.
type author interface {
	Publish(ctx context.Context, dir, name string, b build) (control.Receipt, error)
	Update(ctx context.Context, dir, name string, b build) (control.Receipt, error)
	Rollback(ctx context.Context, name string, version uint64, b build) (control.Receipt, error)
	Withdraw(ctx context.Context, name string) (control.Receipt, error)
	// Restore looks for the sites of the profile's keys and returns their names.
	Restore(ctx context.Context) ([]string, error)
	Register(ctx context.Context, name, root string, b build) (control.Receipt, error)
}

// build is how a folder is published.
type build struct {
	note             string
	include, exclude []string
	progress         func(stage string, done, total int64)
	skipped          func(path, why string, byDefault bool)
}

// folders resolves the data and profile folders: flag, variable, default.
func (o *options) folders() (data, profile string, err error) {
	data, profile = first(o.data, os.Getenv("ALTNET_DATA")), first(o.profile, os.Getenv("ALTNET_PROFILE"))
	if data != "" && profile != "" {
		return data, profile, nil
	}
	home, _ := os.UserHomeDir()
	dirs, err := platform.DefaultDirs(platform.Env{GOOS: runtime.GOOS, Getenv: os.Getenv, Home: home})
	if err != nil {
		return "", "", err
	}
	return first(data, dirs.Data), first(profile, dirs.Profile), nil
}

func first(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}

// openSession prepares for one command and returns what ends it. Nothing is
// dialled before the command needs it.
func openSession(o *options, word string, term *terminal) (*session, func(), error) {
	s := &session{terminal: term, opts: o}
	if !needsNode(word) {
		return s, func() {}, nil
	}
	data, profile, err := o.folders()
	if err != nil {
		return nil, nil, err
	}
	client := control.NewClient(dialNode(data))
	s.control = client
	s.author = func() (author, error) { return openAuthor(profile, client) }
	return s, func() { client.Close() }, nil
}

// dialNode reaches the node of a data folder.
func dialNode(data string) func(context.Context) (net.Conn, error) {
	return func(ctx context.Context) (net.Conn, error) {
		conn, err := ipc.Dial(ctx, data)
		if errors.Is(err, ipc.ErrNobody) {
			return nil, control.Mark(err, fmt.Errorf("no node runs on %s; start one with: altnet -data %s", data, data))
		}
		return conn, err
	}
}

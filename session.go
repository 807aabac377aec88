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
	"altnet/platform/relocate"
	"altnet/platform/service"
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
	signed           func(root string) // nothing is left but handing over
}

// folders resolves the data and profile folders: flag, variable, where the
// data was moved, default.
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
	profile = first(profile, dirs.Profile)
	if data != "" {
		return data, profile, nil
	}
	data, err = relocate.Where(pointerFile(profile), dirs.Data)
	return data, profile, err
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
	_, profile, err := o.folders()
	if err != nil {
		return nil, nil, err
	}
	client := control.NewClient(o.dialer())
	s.control = client
	s.author = func() (author, error) { return openAuthor(profile, client) }
	return s, func() { client.Close() }, nil
}

// fixedData reports whether somebody said which data folder to use.
func (o *options) fixedData() bool { return first(o.data, os.Getenv("ALTNET_DATA")) != "" }

// usesService reports whether the node is the installed service: it is, where
// there is one and nobody chose another data folder.
func (o *options) usesService() bool {
	if o.fixedData() {
		return false
	}
	if o.installed != nil {
		return o.installed()
	}
	return service.Installed()
}

// dialService reaches the service's control socket.
func (o *options) dialService(ctx context.Context) (net.Conn, error) {
	return ipc.Dial(ctx, first(o.service, machineLayout().Control))
}

// dialer reaches the node that a person means: the service where one is
// installed, else the node of the data folder, wherever that is by then.
func (o *options) dialer() func(context.Context) (net.Conn, error) {
	return func(ctx context.Context) (net.Conn, error) {
		if o.usesService() {
			conn, err := o.dialService(ctx)
			if errors.Is(err, ipc.ErrNobody) {
				return nil, control.Mark(err, errors.New("the service is stopped; start it with: altnet service start"))
			}
			return conn, err
		}
		data, _, err := o.folders()
		if err != nil {
			return nil, err
		}
		conn, err := ipc.Dial(ctx, data)
		if errors.Is(err, ipc.ErrNobody) {
			return nil, control.Mark(err, fmt.Errorf("no node runs on %s; start one with: altnet -data %s", data, data))
		}
		return conn, err
	}
}

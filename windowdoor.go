package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"path/filepath"
	"time"

	"altnet/platform/instance"
)

// windowRequest is what the agent asks of a window: in a line on its input, or
// at its door.
type windowRequest struct {
	Do      string   `json:"do"` // "raise", "publish", "pick", "site", "quit"
	Folders []string `json:"folders,omitempty"`
	Site    string   `json:"site,omitempty"`
}

// windowDir is where the window of a profile can be asked, whoever started it:
// a window outlives an agent that is killed.
func windowDir(profile string) string { return filepath.Join(agentDir(profile), "window") }

// windowPatience bounds how long a window may take to accept a request. It
// does so before it has done anything about it.
const windowPatience = 3 * time.Second

// askWindow asks the window that is open. It returns instance.ErrNobody where
// there is none.
func askWindow(ctx context.Context, dir string, r windowRequest) error {
	ctx, cancel := context.WithTimeout(ctx, windowPatience)
	defer cancel()
	return instance.Send(ctx, dir, instance.Request{Do: r.Do, Args: r.Folders, Env: map[string]string{"site": r.Site}}, nil)
}

// shownWindow is what requests are about: the window itself.
type shownWindow interface {
	Raise()
	Publish(folders []string)
	AddFolder()
	OpenSite(name string)
}

// windowDoor takes what a window is asked, from the start of its process on:
// it is done as soon as there is a window.
type windowDoor struct {
	asked chan windowRequest
	claim *instance.Instance // nil: nobody but the pipe can ask
}

// openWindowDoor makes this process the window of a profile. Requests come in
// lines from pipe, too, nil where there is none. Where another process is the
// window it gets what this one was started for, and there is no door.
func openWindowDoor(ctx context.Context, profile string, pipe io.Reader, folders []string, log *slog.Logger) (*windowDoor, error) {
	d := &windowDoor{asked: make(chan windowRequest, 16)}
	var err error
	d.claim, err = instance.Claim(windowDir(profile), d.answer, log)
	lines := newRequests(pipe)
	if errors.Is(err, instance.ErrRunning) {
		r := windowRequest{Do: "raise"}
		if len(folders) > 0 {
			r = windowRequest{Do: "publish", Folders: folders}
		} else if of, more := lines.next(); more {
			r = of
		}
		return nil, askWindow(ctx, windowDir(profile), r)
	}
	if err != nil {
		log.Warn("another agent will not find this window", "err", err)
	}
	go d.read(lines) // ends with the process
	return d, nil
}

// answer takes a request of an agent that did not start this window.
func (d *windowDoor) answer(ctx context.Context, r instance.Request, _ func(instance.Reply)) error {
	select {
	case d.asked <- windowRequest{Do: r.Do, Folders: r.Args, Site: r.Env["site"]}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// read takes the requests of the agent that started this window. One that went
// away leaves the window: it shows that there is no node.
func (d *windowDoor) read(lines *requests) {
	for r, more := lines.next(); more; r, more = lines.next() {
		d.asked <- r
	}
}

// serve does what is asked, until ctx ends.
func (d *windowDoor) serve(ctx context.Context, window shownWindow, quit func()) {
	for {
		select {
		case r := <-d.asked:
			r.do(window, quit)
		case <-ctx.Done():
			return
		}
	}
}

// close gives the place up to another window.
func (d *windowDoor) close() {
	if d.claim != nil {
		d.claim.Close()
	}
}

// do is what a request asks for.
func (r windowRequest) do(window shownWindow, quit func()) {
	if r.Do == "quit" {
		quit()
		return
	}
	window.Raise()
	switch r.Do {
	case "publish":
		window.Publish(r.Folders)
	case "pick":
		window.AddFolder()
	case "site":
		window.OpenSite(r.Site)
	}
}

// requests are lines with one request each.
type requests struct{ lines *bufio.Scanner }

func newRequests(in io.Reader) *requests {
	if in == nil {
		return &requests{}
	}
	r := &requests{bufio.NewScanner(in)}
	r.lines.Buffer(nil, 1<<20)
	return r
}

// next waits for a request. There are no more once the agent is gone.
func (r *requests) next() (windowRequest, bool) {
	for r.lines != nil && r.lines.Scan() {
		var of windowRequest
		if json.Unmarshal(r.lines.Bytes(), &of) == nil {
			return of, true
		}
	}
	return windowRequest{}, false
}

package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"slices"
	"time"

	"github.com/gofrs/flock"

	"altnet/engine/control"
	"altnet/platform/instance"
	"altnet/platform/ipc"
)

// guardWord starts the guard of an agent or of a node that was started by hand.
// It is theirs to use.
const guardWord = "guard"

// farewell is what a process tells its guard before it ends by itself.
const farewell = "farewell\n"

// guard is a process that waits for the end of the one whose node the doors
// lead to. Where that came without a farewell, it takes the person's doors back:
// else whoever takes the gateway's port next on this computer would answer
// their browsers.
type guard struct {
	in    io.WriteCloser // closed by the system when the process dies
	ended chan struct{}
}

// startGuard starts the guard of this process, for the doors to a node; dir is
// where the process that comes after this one will answer.
func startGuard(program string, flags []string, node, dir string, log *slog.Logger) (*guard, error) {
	cmd := guardCommand(program, append(slices.Clone(flags), guardWord, node, dir)...)
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("start the guard: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the guard: %w", err)
	}
	g := &guard{in: in, ended: make(chan struct{})}
	go func() {
		defer close(g.ended)
		if err := cmd.Wait(); err != nil {
			log.Warn("the guard ended: a kill leaves the doors to the next start", "err", err)
		}
	}()
	return g, nil
}

// dismiss ends the guard of a process that has closed its doors itself.
func (g *guard) dismiss() {
	if g == nil {
		return
	}
	io.WriteString(g.in, farewell) // one that is gone needs none
	g.in.Close()
	<-g.ended
}

// guardDoors is the guard itself, for the doors to the node of an ID. It gives
// way to whoever answers in a folder: the next agent, or the next node.
func guardDoors(ctx context.Context, s *session, args []string) error {
	said, err := io.ReadAll(io.LimitReader(s.in, int64(len(farewell))))
	if err == nil && string(said) == farewell {
		return nil
	}
	log, err := s.opts.logger(s.err)
	if err != nil {
		return err
	}
	_, profile, err := s.opts.folders()
	if err != nil {
		return err
	}
	alive := nodeAlive
	if args[1] == agentDir(profile) {
		alive = agentAlive
	}
	// Whoever ends the session ends the guard, too: this comes first.
	return takeBackDoors(context.WithoutCancel(ctx), args[1], args[0], func(ctx context.Context) bool {
		ctx, cancel := context.WithTimeout(ctx, takeBackTime/3)
		defer cancel()
		return alive(ctx, args[1])
	}, log)
}

// agentAlive reports whether an agent answers. That it can be reached is not
// enough: the sockets of one that was killed are closed after the pipe to its
// guard.
func agentAlive(ctx context.Context, dir string) bool {
	return instance.Send(ctx, dir, instance.Request{Do: doHere}, nil) == nil
}

// nodeAlive reports whether a node answers, in the same sense.
func nodeAlive(ctx context.Context, dir string) bool {
	c := control.NewClient(func(ctx context.Context) (net.Conn, error) { return ipc.Dial(ctx, dir) })
	defer c.Close()
	_, err := c.Status(ctx)
	return err == nil
}

// takeBackTime bounds how long taking the doors back may take.
const takeBackTime = 10 * time.Second

// takeBackDoors takes back the doors to a node that a process which died has
// left. Guard and next process take turns, by a lock in the folder where that
// answers: the guard never touches doors that a new process has opened, and a
// new process opens none before the guard is through. superseded, which may be
// nil, reports that a new process is there, which does it itself. Doors to
// another node stay.
func takeBackDoors(ctx context.Context, dir, node string, superseded func(context.Context) bool, log *slog.Logger) error {
	ctx, cancel := context.WithTimeout(ctx, takeBackTime)
	defer cancel()
	turn := flock.New(filepath.Join(dir, "doors.lock"), flock.SetPermissions(0o600))
	if _, err := turn.TryLockContext(ctx, 20*time.Millisecond); err != nil {
		return fmt.Errorf("wait for the guard's turn: %w", err)
	}
	defer turn.Close()
	if superseded != nil && superseded(ctx) {
		return nil
	}
	return stopDoors(ctx, node, log)
}

// stopDoors takes back the doors to a node.
func stopDoors(ctx context.Context, node string, log *slog.Logger) error {
	su, err := newSetup(ctx, setupOf{status: control.Status{NodeID: node}, log: log})
	if err != nil {
		return err
	}
	return su.Stop(ctx)
}

package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"slices"
	"time"

	"github.com/gofrs/flock"

	"altnet/platform/instance"
)

// guardWord starts the guard of an agent. It is the agent's to use.
const guardWord = "guard"

// farewell is what an agent tells its guard before it ends by itself.
const farewell = "farewell\n"

// guard is a process that waits for the agent's end. Where that came without a
// farewell, it takes the person's doors back: else whoever takes the gateway's
// port next on this computer would answer their browsers.
type guard struct {
	in    io.WriteCloser // closed by the system when the agent dies
	ended chan struct{}
}

// startGuard starts the guard of this process.
func startGuard(program string, flags []string, log *slog.Logger) (*guard, error) {
	cmd := guardCommand(program, append(slices.Clone(flags), guardWord)...)
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
			log.Warn("the guard ended: a kill of the agent leaves its doors to the next start", "err", err)
		}
	}()
	return g, nil
}

// dismiss ends the guard of an agent that has closed its doors itself.
func (g *guard) dismiss() {
	if g == nil {
		return
	}
	io.WriteString(g.in, farewell) // one that is gone needs none
	g.in.Close()
	<-g.ended
}

// guardDoors is the guard itself.
func guardDoors(ctx context.Context, s *session, _ []string) error {
	said, err := io.ReadAll(io.LimitReader(s.in, int64(len(farewell))))
	if err == nil && string(said) == farewell {
		return nil
	}
	_, profile, err := s.opts.folders()
	if err != nil {
		return err
	}
	log, err := s.opts.logger(s.err)
	if err != nil {
		return err
	}
	// Whoever ends the session ends the guard, too: this comes first.
	return takeBackDoors(context.WithoutCancel(ctx), profile, func(ctx context.Context) bool {
		return instance.Answers(ctx, agentDir(profile))
	}, log)
}

// takeBackTime bounds how long taking the doors back may take.
const takeBackTime = 10 * time.Second

// takeBackDoors takes back the doors that an agent which died has left. Guard
// and next agent take turns: the guard never touches doors that a new agent
// has opened, and a new agent opens none before the guard is through. superseded,
// which may be nil, reports that a new agent is there, which does it itself.
func takeBackDoors(ctx context.Context, profile string, superseded func(context.Context) bool, log *slog.Logger) error {
	ctx, cancel := context.WithTimeout(ctx, takeBackTime)
	defer cancel()
	turn := flock.New(filepath.Join(agentDir(profile), "doors.lock"), flock.SetPermissions(0o600))
	if _, err := turn.TryLockContext(ctx, 20*time.Millisecond); err != nil {
		return fmt.Errorf("wait for the guard's turn: %w", err)
	}
	defer turn.Close()
	if superseded != nil && superseded(ctx) {
		return nil
	}
	su, err := newSetup(ctx, setupOf{log: log})
	if err != nil {
		return err
	}
	return su.Stop(ctx)
}

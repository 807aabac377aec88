package service

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"

	"github.com/kardianos/service"
)

// run answers the service control manager. Where a person started the program
// it just runs.
func run(ctx context.Context, main func(context.Context) error) error {
	if service.Interactive() {
		return main(ctx)
	}
	p := &program{main: main}
	p.ctx, p.cancel = context.WithCancel(ctx)
	s, err := service.New(p, &service.Config{Name: NodeName})
	if err != nil {
		return fmt.Errorf("reach the service manager: %w", err)
	}
	return s.Run()
}

// program is what the service manager starts and stops.
type program struct {
	main   func(context.Context) error
	ctx    context.Context
	cancel context.CancelFunc
	ended  chan struct{}
}

// Start implements service.Interface.
func (p *program) Start(service.Service) error {
	p.ended = make(chan struct{})
	go func() {
		err := p.main(p.ctx)
		close(p.ended)
		if err != nil && p.ctx.Err() == nil {
			// Only the end of the process without word to the service
			// manager counts as a failure that it mends.
			os.Exit(1)
		}
	}()
	return nil
}

// Stop implements service.Interface.
func (p *program) Stop(service.Service) error {
	p.cancel()
	<-p.ended
	return nil
}

// Ready is for systemd.
func Ready() error { return nil }

// openLog writes warnings and errors to the Event Log and everything to w.
func openLog(w io.Writer, level slog.Level) (*slog.Logger, error) {
	if service.Interactive() {
		return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: level})), nil
	}
	s, err := service.New(idle{}, &service.Config{Name: NodeName})
	if err != nil {
		return nil, fmt.Errorf("open the event log: %w", err)
	}
	system, err := s.SystemLogger(nil)
	if err != nil {
		return nil, fmt.Errorf("open the event log: %w", err)
	}
	out := &eventLog{system: system}
	out.text = slog.NewTextHandler(&out.line, &slog.HandlerOptions{Level: level, ReplaceAttr: withoutTime})
	return slog.New(&eventHandler{out, out.text}), nil
}

// eventLog turns records into entries of the Event Log.
type eventLog struct {
	system service.Logger
	text   slog.Handler

	mu   sync.Mutex
	line bytes.Buffer // guarded by mu
}

// eventHandler formats as a text handler and sends by level.
type eventHandler struct {
	log  *eventLog
	text slog.Handler // writes to log.line
}

// Enabled implements slog.Handler.
func (h *eventHandler) Enabled(ctx context.Context, level slog.Level) bool {
	return h.text.Enabled(ctx, level)
}

// Handle implements slog.Handler.
func (h *eventHandler) Handle(ctx context.Context, r slog.Record) error {
	h.log.mu.Lock()
	defer h.log.mu.Unlock()
	h.log.line.Reset()
	if err := h.text.Handle(ctx, r); err != nil {
		return err
	}
	switch text := h.log.line.String(); {
	case r.Level >= slog.LevelError:
		return h.log.system.Error(text)
	case r.Level >= slog.LevelWarn:
		return h.log.system.Warning(text)
	default:
		return h.log.system.Info(text)
	}
}

// WithAttrs implements slog.Handler.
func (h *eventHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &eventHandler{h.log, h.text.WithAttrs(attrs)}
}

// WithGroup implements slog.Handler.
func (h *eventHandler) WithGroup(name string) slog.Handler {
	return &eventHandler{h.log, h.text.WithGroup(name)}
}

func withoutTime(groups []string, a slog.Attr) slog.Attr {
	if len(groups) == 0 && a.Key == slog.TimeKey {
		return slog.Attr{}
	}
	return a
}

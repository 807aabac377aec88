//go:build !windows

package service

import (
	"context"
	"io"
	"log/slog"
	"net"
	"os"
)

// run needs nothing of the system: it ends programs by a signal, which ends
// ctx.
func run(ctx context.Context, program func(context.Context) error) error { return program(ctx) }

// openLog writes for journald, which adds the time, or for a log file.
func openLog(w io.Writer, level slog.Level) (*slog.Logger, error) {
	opts := &slog.HandlerOptions{Level: level}
	if os.Getenv("JOURNAL_STREAM") != "" {
		opts.ReplaceAttr = func(groups []string, a slog.Attr) slog.Attr {
			if len(groups) == 0 && a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		}
	}
	return slog.New(slog.NewTextHandler(w, opts)), nil
}

// Ready tells systemd, where it waits for that, that the service is up.
func Ready() error {
	path := os.Getenv("NOTIFY_SOCKET")
	if path == "" {
		return nil
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		return err
	}
	_, err = conn.Write([]byte("READY=1"))
	conn.Close()
	return err
}

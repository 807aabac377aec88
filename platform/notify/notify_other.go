//go:build !linux && !windows && !darwin

package notify

import "log/slog"

func open([]byte, func(string), *slog.Logger) (*Notifier, error) { return nil, ErrUnavailable }

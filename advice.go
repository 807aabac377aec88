package main

import (
	"errors"
	"strings"

	"altnet/engine/control"
	"altnet/engine/publisher"
	"altnet/engine/record"
)

// advice says what a person may do about an error, "" where that is plain.
func advice(err error) string {
	if usage, ok := errors.AsType[*usageError](err); ok {
		return "Try: " + strings.TrimSpace("altnet help "+usage.command)
	}
	switch {
	case errors.Is(err, control.ErrOffline):
		return "Try: altnet online, or where the node knows no peer yet: altnet bootstrap HOST:PORT"
	case errors.Is(err, publisher.ErrHasKeys):
		return "Try: a profile folder of its own, with -profile DIR"
	case errors.Is(err, record.ErrBadName):
		return "A name has letters, digits and hyphens, and .alt at its end."
	}
	return serviceAdvice(err)
}

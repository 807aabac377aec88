//go:build !darwin

package service

import (
	"errors"
	"fmt"
	"strings"

	"github.com/kardianos/service"
)

func stateOf(u unit) (State, error) {
	status, err := u.Service.Status()
	switch {
	case errors.Is(err, service.ErrNotInstalled):
		return Absent, nil
	case err != nil && strings.Contains(err.Error(), "failed state"):
		return Failed, nil // kardianos/service has no status for it
	case err != nil:
		return "", fmt.Errorf("ask for the service: %w", err)
	case status == service.StatusRunning:
		return Running, nil
	}
	return Stopped, nil
}

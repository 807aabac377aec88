//go:build !linux && !darwin

package main

import (
	"context"
	"errors"
)

// runDoors: this system's doors are set per user.
func runDoors(context.Context, *session, []string) error {
	return errors.New("there are no doors for the whole computer on this system yet")
}

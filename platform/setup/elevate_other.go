//go:build !windows

package setup

import "context"

// runAs is for Windows alone: elsewhere Elevation has a command.
func runAs(context.Context, string, []string) error { return ErrNoAdministrator }

//go:build !linux

package setup

import "context"

// clock cannot be asked here without an administrator's rights.
func clock(context.Context) (bool, error) { return false, errNotAsked }

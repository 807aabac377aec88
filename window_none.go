//go:build nogui

package main

import (
	"context"
	"errors"
)

// hasWindow says whether this build has the window.
const hasWindow = false

func runWindow(context.Context, *options, []string, *terminal) error {
	return errors.New("this build of AltNet has no window; the command line does the same: altnet help")
}

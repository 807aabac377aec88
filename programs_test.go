//go:build !tour

package main

// programs are what the test binary can be started as.
func programs() map[string]func() { return map[string]func(){"altnet": main} }

//go:build !linux && !darwin && !windows

package service

import (
	"fmt"
	"os"
	"runtime"
)

func thisMachine() Layout { return Machine(runtime.GOOS, os.Getenv) }

func supported() error {
	return fmt.Errorf("AltNet makes no service on %s: run altnet -headless from what starts programs here", runtime.GOOS)
}

func hasDoors() bool                   { return false }
func systemName(name string) string    { return name }
func account(part) string              { return "" }
func dependencies(part) []string       { return nil }
func packaged(unit) bool               { return false }
func enabled(unit) bool                { return false }
func (u unit) exists() bool            { return false }
func (u unit) upToDate() (bool, error) { return false, supported() }
func (u unit) write() error            { return supported() }
func enable(unit) error                { return supported() }
func remove(unit) error                { return supported() }
func start(unit) error                 { return supported() }
func stop(unit) error                  { return supported() }
func mayChange() error                 { return supported() }
func prepare(Layout) error             { return supported() }
func purge(Layout) error               { return supported() }

package autostart

import (
	"errors"
	"fmt"

	"golang.org/x/sys/windows/registry"
)

const (
	runKey   = `Software\Microsoft\Windows\CurrentVersion\Run`
	runValue = "AltNet"
	// approvedKey is where the task manager notes what a person switched off:
	// an odd first byte.
	approvedKey = `Software\Microsoft\Windows\CurrentVersion\Explorer\StartupApproved\Run`
)

// Enabled reports whether the agent starts at login.
func (e Entry) Enabled() (bool, error) {
	run, err := registry.OpenKey(registry.CURRENT_USER, runKey, registry.QUERY_VALUE)
	if errors.Is(err, registry.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("read what starts at login: %w", err)
	}
	defer run.Close()
	if _, _, err := run.GetStringValue(runValue); err != nil {
		return false, ignoreMissing(err)
	}
	return !switchedOffByPerson(), nil
}

func switchedOffByPerson() bool {
	approved, err := registry.OpenKey(registry.CURRENT_USER, approvedKey, registry.QUERY_VALUE)
	if err != nil {
		return false
	}
	defer approved.Close()
	note, _, err := approved.GetBinaryValue(runValue)
	return err == nil && len(note) > 0 && note[0]&1 == 1
}

// Set switches that on or off.
func (e Entry) Set(on bool) error {
	run, _, err := registry.CreateKey(registry.CURRENT_USER, runKey, registry.SET_VALUE)
	if err != nil {
		return fmt.Errorf("set what starts at login: %w", err)
	}
	defer run.Close()
	if !on {
		return ignoreMissing(run.DeleteValue(runValue))
	}
	if approved, err := registry.OpenKey(registry.CURRENT_USER, approvedKey, registry.SET_VALUE); err == nil {
		defer approved.Close()
		if err := ignoreMissing(approved.DeleteValue(runValue)); err != nil {
			return err
		}
	}
	if err := run.SetStringValue(runValue, `"`+e.Program+`" `+word); err != nil {
		return fmt.Errorf("set what starts at login: %w", err)
	}
	return nil
}

func ignoreMissing(err error) error {
	if err == nil || errors.Is(err, registry.ErrNotExist) {
		return nil
	}
	return fmt.Errorf("set what starts at login: %w", err)
}

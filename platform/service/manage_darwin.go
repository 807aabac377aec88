package service

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"time"
)

func thisMachine() Layout { return Machine(runtime.GOOS, os.Getenv) }

func supported() error              { return nil }
func hasDoors() bool                { return true }
func systemName(name string) string { return launchdLabel(name) }
func account(part) string           { return "" } // the property list says it
func dependencies(part) []string    { return nil }
func packaged(unit) bool            { return false } // the installer calls altnet service install
func enabled(unit) bool             { return false }

// The user of the node, by the custom of the system with an underscore.
const (
	darwinUser = "_altnet"
	darwinLogs = "/Library/Logs/AltNet"
)

func (u unit) path() string {
	return filepath.Join("/Library/LaunchDaemons", launchdLabel(u.name)+".plist")
}

// upToDate reports whether there is nothing to write.
func (u unit) upToDate() (bool, error) {
	text, found, err := u.written()
	return found && text == u.text(), err
}

// text is what belongs in the property list.
func (u unit) text() string { return u.config().Option["LaunchdConfig"].(string) }

// write makes the property list. launchd refuses one that others may write to,
// whatever the mask of whoever installs.
func (u unit) write() error {
	if err := os.WriteFile(u.path(), []byte(u.text()), 0o644); err != nil {
		return err
	}
	return errors.Join(os.Chmod(u.path(), 0o644), os.Chown(u.path(), 0, 0))
}

// stateOf asks launchd for the system's daemon, which everybody may: launchctl
// list, which kardianos/service uses, shows others only what they run.
func stateOf(u unit) (State, error) {
	out, err := exec.Command("launchctl", "print", target(u)).Output()
	switch {
	case err == nil:
		return launchdState(string(out)), nil
	case u.exists():
		return Stopped, nil
	}
	return Absent, nil
}

func enable(u unit) error { return tool("launchctl", "enable", target(u)) }

func target(u unit) string { return "system/" + launchdLabel(u.name) }

// start uses bootstrap: launchctl's own manual calls load and unload, which
// kardianos/service uses, outdated, and they hide errors.
func start(u unit) error {
	if err := enable(u); err != nil {
		return err
	}
	if loaded(u) {
		return tool("launchctl", "kickstart", target(u))
	}
	return tool("launchctl", "bootstrap", "system", u.path())
}

// stop waits until launchd has let go of the daemon, which may take longer than
// its answer: one that is still ending cannot be started again.
func stop(u unit) error {
	err := tool("launchctl", "bootout", target(u))
	again := time.NewTicker(200 * time.Millisecond)
	defer again.Stop()
	for ends := time.Now().Add(stopTime); loaded(u); <-again.C {
		if time.Now().After(ends) {
			return errors.Join(err, fmt.Errorf("%s still runs", u.name))
		}
	}
	return nil
}

// stopTime is longer than launchd waits before it kills (ExitTimeOut).
const stopTime = 40 * time.Second

// loaded reports whether launchd knows the daemon, running or not.
func loaded(u unit) bool { return exec.Command("launchctl", "print", target(u)).Run() == nil }

func remove(u unit) error {
	if _, found, err := u.written(); err != nil || !found {
		return err
	}
	if loaded(u) {
		if err := stop(u); err != nil {
			return err
		}
	}
	return os.Remove(u.path())
}

// prepare makes the node's user and its folders. launchd opens the node's log
// as the node's user and starts nothing where that may not write: the file has
// to be there.
func prepare(l Layout) error {
	for _, dir := range []string{l.State, darwinLogs} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	uid, err := ensureUser()
	if err != nil {
		return err
	}
	for dir, mode := range map[string]fs.FileMode{l.Data: 0o700, l.Control: 0o755} {
		if err := os.MkdirAll(dir, mode); err != nil {
			return err
		}
		if err := errors.Join(os.Chown(dir, uid, uid), os.Chmod(dir, mode)); err != nil {
			return err
		}
	}
	log, err := os.OpenFile(filepath.Join(darwinLogs, NodeName+".log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return err
	}
	return errors.Join(log.Chown(uid, uid), log.Close())
}

// ensureUser makes the user and the group of the node and returns the number
// of both. Numbers below 500 are the system's, and do not show at the log-in.
func ensureUser() (int, error) {
	if u, err := user.Lookup(darwinUser); err == nil {
		return strconv.Atoi(u.Uid)
	}
	for id := 330; id < 400; id++ {
		number := strconv.Itoa(id)
		_, userErr := user.LookupId(number)
		_, groupErr := user.LookupGroupId(number)
		if userErr == nil || groupErr == nil {
			continue
		}
		return id, makeUser(number)
	}
	return 0, errors.New("no free number for a system user")
}

func makeUser(number string) error {
	for _, words := range [][]string{
		{"/Groups/" + darwinUser},
		{"/Groups/" + darwinUser, "PrimaryGroupID", number},
		{"/Users/" + darwinUser},
		{"/Users/" + darwinUser, "UniqueID", number},
		{"/Users/" + darwinUser, "PrimaryGroupID", number},
		{"/Users/" + darwinUser, "UserShell", "/usr/bin/false"},
		{"/Users/" + darwinUser, "NFSHomeDirectory", "/var/empty"},
		{"/Users/" + darwinUser, "RealName", "AltNet"},
		{"/Users/" + darwinUser, "IsHidden", "1"},
	} {
		if err := tool("dscl", append([]string{".", "-create"}, words...)...); err != nil {
			return err
		}
	}
	return nil
}

// purge removes the machine's data and the node's user.
func purge(l Layout) error {
	errs := []error{os.RemoveAll(l.State), os.RemoveAll(darwinLogs)}
	if _, err := user.Lookup(darwinUser); err == nil {
		errs = append(errs, tool("dscl", ".", "-delete", "/Users/"+darwinUser), tool("dscl", ".", "-delete", "/Groups/"+darwinUser))
	}
	return errors.Join(errs...)
}

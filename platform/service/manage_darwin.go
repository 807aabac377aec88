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
	"strings"
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

func (u unit) exists() bool {
	_, err := os.Lstat(u.path())
	return err == nil
}

// upToDate reports whether there is nothing to write. It refuses a file that
// somebody else made.
func (u unit) upToDate() (bool, error) {
	data, err := os.ReadFile(u.path())
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("read the property list: %w", err)
	}
	if !strings.Contains(string(data), mark) {
		return false, fmt.Errorf("%s: %w", u.path(), ErrForeign)
	}
	return string(data) == u.config().Option["LaunchdConfig"].(string), nil
}

func (u unit) write() error { return u.Service.Install() }

func enable(u unit) error { return tool("launchctl", "enable", target(u)) }

func target(u unit) string { return "system/" + launchdLabel(u.name) }

// start uses bootstrap: launchctl's own manual calls load and unload, which
// kardianos/service uses, outdated, and they hide errors.
func start(u unit) error {
	if err := enable(u); err != nil {
		return err
	}
	if tool("launchctl", "print", target(u)) == nil {
		return tool("launchctl", "kickstart", target(u))
	}
	return tool("launchctl", "bootstrap", "system", u.path())
}

func stop(u unit) error { return tool("launchctl", "bootout", target(u)) }

func remove(u unit) error {
	data, err := os.ReadFile(u.path())
	if err != nil || !strings.Contains(string(data), mark) {
		return errors.Join(err, fmt.Errorf("%s: %w", u.path(), ErrForeign))
	}
	if tool("launchctl", "print", target(u)) == nil {
		if err := stop(u); err != nil {
			return err
		}
	}
	return os.Remove(u.path())
}

func tool(name string, args ...string) error {
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}

func mayChange() error {
	if os.Geteuid() != 0 {
		return ErrRights
	}
	return nil
}

// prepare makes the node's user and its folders.
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
	return nil
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

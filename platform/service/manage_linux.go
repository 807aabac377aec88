package service

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"

	"github.com/kardianos/service"
)

// The service managers that kardianos/service may find and AltNet knows.
const (
	platformSystemd = "linux-systemd"
	platformOpenRC  = "linux-openrc"
	platformSysv    = "unix-systemv"
)

func thisMachine() Layout { return Machine(runtime.GOOS, os.Getenv) }

// supported refuses service managers for which kardianos/service would run
// the node as root.
func supported() error {
	switch name := service.Platform(); name {
	case platformSystemd, platformOpenRC, platformSysv:
		return nil
	default:
		return fmt.Errorf("AltNet makes no service for %q: run altnet -headless from what starts programs here, as a user of its own", name)
	}
}

// hasDoors: only systemd's resolver can be told about .alt alone.
func hasDoors() bool { return service.Platform() == platformSystemd }

func systemName(name string) string { return name }
func account(part) string           { return "" } // the unit says it
func dependencies(part) []string    { return nil }

// path is the file that Install writes for a part.
func (u unit) path() string {
	if service.Platform() == platformSystemd {
		return filepath.Join("/etc/systemd/system", u.name+".service")
	}
	return filepath.Join("/etc/init.d", u.name)
}

// text is what belongs in that file.
func (u unit) text() string {
	option := u.config().Option
	script := map[string]string{platformSystemd: "SystemdScript", platformOpenRC: "OpenRCScript"}[service.Platform()]
	if script == "" {
		script = "SysvScript"
	}
	return option[script].(string)
}

// packagedUnits is where a distribution's packages put units.
var packagedUnits = [...]string{"/usr/lib/systemd/system", "/lib/systemd/system"}

// packaged reports whether a package brought the unit.
func packaged(u unit) bool {
	if service.Platform() != platformSystemd {
		return false
	}
	for _, dir := range packagedUnits {
		if _, err := os.Stat(filepath.Join(dir, u.name+".service")); err == nil {
			return true
		}
	}
	return false
}

// upToDate reports whether there is nothing to write.
func (u unit) upToDate() (bool, error) {
	text, found, err := u.written()
	if err != nil || !found {
		return err == nil && packaged(u), err
	}
	return text == u.text() && !packaged(u), nil
}

// write makes the unit and has it started with the computer.
func (u unit) write() error {
	if packaged(u) {
		return errors.Join(systemctl("daemon-reload"), enable(u))
	}
	return u.Service.Install()
}

// enable has an existing unit started with the computer.
func enable(u unit) error {
	if service.Platform() == platformSystemd {
		return systemctl("enable", u.name+".service")
	}
	return nil
}

// enabled reports whether systemd starts the unit with the computer.
func enabled(u unit) bool {
	_, err := os.Lstat(filepath.Join("/etc/systemd/system/multi-user.target.wants", u.name+".service"))
	return err == nil
}

// remove takes a unit away; one of a package is only switched off.
func remove(u unit) error {
	if _, found, err := u.written(); err != nil {
		return err
	} else if found {
		if err := u.Service.Uninstall(); err != nil {
			return err
		}
	}
	if packaged(u) {
		return systemctl("disable", u.name+".service")
	}
	return nil
}

func start(u unit) error { return u.Service.Start() }
func stop(u unit) error  { return u.Service.Stop() }

func systemctl(args ...string) error { return tool("systemctl", args...) }

// prepare makes the node's user. systemd makes the folders; elsewhere the
// script does, and the folder of the machine's state is made here.
func prepare(l Layout) error {
	if err := os.MkdirAll(l.State, 0o755); err != nil {
		return err
	}
	if _, err := user.Lookup(NodeName); err == nil {
		return nil
	}
	shell := "/usr/sbin/nologin"
	if _, err := os.Stat(shell); err != nil {
		shell = "/sbin/nologin"
	}
	if _, err := exec.LookPath("useradd"); err == nil {
		return tool("useradd", "--system", "--user-group", "--home-dir", l.Data, "--no-create-home", "--shell", shell, NodeName)
	}
	// BusyBox.
	if err := tool("addgroup", "-S", NodeName); err != nil {
		return err
	}
	return tool("adduser", "-S", "-D", "-H", "-h", l.Data, "-s", shell, "-G", NodeName, NodeName)
}

// purge removes the machine's data and the node's user.
func purge(l Layout) error {
	errs := []error{os.RemoveAll(l.State), os.RemoveAll(l.Control)}
	if service.Platform() != platformSystemd {
		errs = append(errs, os.RemoveAll("/var/log/altnet.log"))
	}
	if _, err := user.Lookup(NodeName); err != nil {
		return errors.Join(errs...)
	}
	if _, err := exec.LookPath("userdel"); err == nil {
		return errors.Join(append(errs, tool("userdel", NodeName))...)
	}
	return errors.Join(append(errs, tool("deluser", NodeName))...)
}

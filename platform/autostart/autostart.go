// Package autostart starts the agent when its user logs in, in the way each
// system's own settings show and switch off: an XDG autostart file, the Run
// key of the user's registry, a LaunchAgent.
package autostart

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Entry is the agent's entry among the things that start at login.
type Entry struct {
	Program string              // absolute path of the program
	Home    string              // the user's home folder
	Getenv  func(string) string // for the XDG folders
}

// word is what makes the program an agent without a window.
const word = "agent"

// xdgName is the name of the desktop file, the user's and the system's.
const xdgName = "altnet.desktop"

// xdgPath is where the user's own entry lies.
func (e Entry) xdgPath() string {
	config := e.Getenv("XDG_CONFIG_HOME")
	if !filepath.IsAbs(config) {
		config = filepath.Join(e.Home, ".config")
	}
	return filepath.Join(config, "autostart", xdgName)
}

// xdgSystem finds the entry that a package put there for all users, "" where
// there is none.
func (e Entry) xdgSystem() string {
	dirs := e.Getenv("XDG_CONFIG_DIRS")
	if dirs == "" {
		dirs = "/etc/xdg"
	}
	for dir := range strings.SplitSeq(dirs, ":") {
		path := filepath.Join(dir, "autostart", xdgName)
		if _, err := os.Stat(path); filepath.IsAbs(dir) && err == nil {
			return path
		}
	}
	return ""
}

// xdgEnabled reads the user's entry, which hides the system's.
func (e Entry) xdgEnabled() (bool, error) {
	for _, path := range []string{e.xdgPath(), e.xdgSystem()} {
		data, err := os.ReadFile(path)
		if path == "" || errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return false, fmt.Errorf("read what starts at login: %w", err)
		}
		return !switchedOff(data), nil
	}
	return false, nil
}

// switchedOff reads the two ways in which desktops switch an entry off.
func switchedOff(desktopFile []byte) bool {
	for line := range bytes.Lines(desktopFile) {
		key, value, _ := strings.Cut(strings.TrimSpace(string(line)), "=")
		key, value = strings.TrimSpace(key), strings.TrimSpace(value)
		if key == "Hidden" && value == "true" || key == "X-GNOME-Autostart-enabled" && value == "false" {
			return true
		}
	}
	return false
}

func (e Entry) xdgSet(on bool) error {
	path := e.xdgPath()
	if !on && e.xdgSystem() == "" {
		return remove(path)
	}
	text := e.desktopFile()
	if !on {
		text += "Hidden=true\n"
	}
	return write(path, text)
}

func (e Entry) desktopFile() string {
	return "[Desktop Entry]\nType=Application\nName=AltNet\nComment=Part of AltNet while you are logged in\n" +
		"Exec=" + quoteExec(e.Program) + " " + word + "\nIcon=altnet\nTerminal=false\nX-GNOME-Autostart-enabled=true\n"
}

// quoteExec writes a path as the desktop entry specification wants arguments:
// quoted, the quote's own escapes, then % doubled and the string escaped.
func quoteExec(path string) string {
	path = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "`", "\\`", `$`, `\$`).Replace(path)
	return strings.NewReplacer(`\`, `\\`, "%", "%%").Replace(`"` + path + `"`)
}

// launchLabel names the LaunchAgent.
const launchLabel = "alt.altnet.agent"

func (e Entry) launchPath() string {
	return filepath.Join(e.Home, "Library", "LaunchAgents", launchLabel+".plist")
}

func (e Entry) launchEnabled() (bool, error) {
	_, err := os.Stat(e.launchPath())
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// launchSet writes or removes the file; launchd reads it at the next login.
func (e Entry) launchSet(on bool) error {
	if !on {
		return remove(e.launchPath())
	}
	return write(e.launchPath(), e.plist())
}

func (e Entry) plist() string {
	var program bytes.Buffer
	xml.EscapeText(&program, []byte(e.Program))
	return `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
	<key>Label</key><string>` + launchLabel + `</string>
	<key>ProgramArguments</key><array><string>` + program.String() + `</string><string>` + word + `</string></array>
	<key>RunAtLoad</key><true/>
	<key>LimitLoadToSessionType</key><string>Aqua</string>
	<key>ProcessType</key><string>Interactive</string>
</dict>
</plist>
`
}

func write(path, text string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("set what starts at login: %w", err)
	}
	tmp := path + ".new"
	if err := os.WriteFile(tmp, []byte(text), 0o644); err != nil {
		return fmt.Errorf("set what starts at login: %w", err)
	}
	if err := os.Rename(tmp, path); err != nil {
		os.Remove(tmp)
		return fmt.Errorf("set what starts at login: %w", err)
	}
	return nil
}

func remove(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("set what starts at login: %w", err)
	}
	return nil
}

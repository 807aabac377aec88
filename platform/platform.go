// Package platform knows where things belong on each operating system.
//
// Nothing here talks to the network or to the engine: package main asks, and
// hands on what the engine is told.
package platform

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
)

// Env is what the directories depend on, so that they can be computed for
// any system in a test.
type Env struct {
	GOOS   string
	Getenv func(string) string
	Home   string // the user's home folder
}

// Dirs are the default folders of one user.
type Dirs struct {
	Data    string // the node's: store, node key, trust files, control socket
	Profile string // the author's: recovery phrase, site keys, versions
	Runtime string // short-lived sockets; empty where the system has no such place
}

// DefaultDirs returns the folders for env. It fails where the home folder is
// needed and not known.
func DefaultDirs(env Env) (Dirs, error) {
	d := dirsOf(env)
	for _, dir := range []string{d.Data, d.Profile} {
		if !filepath.IsAbs(dir) && env.GOOS != "windows" || dir == "" {
			return Dirs{}, fmt.Errorf("the home folder is not known: set ALTNET_DATA and ALTNET_PROFILE")
		}
	}
	return d, nil
}

func dirsOf(env Env) Dirs {
	switch env.GOOS {
	case "windows":
		local := env.Getenv("LocalAppData")
		roaming := env.Getenv("AppData")
		if local == "" || roaming == "" {
			return Dirs{}
		}
		return Dirs{Data: local + `\AltNet\node`, Profile: roaming + `\AltNet\profile`}
	case "darwin":
		if env.Home == "" {
			return Dirs{}
		}
		base := filepath.Join(env.Home, "Library", "Application Support", "AltNet")
		return Dirs{Data: filepath.Join(base, "node"), Profile: filepath.Join(base, "profile")}
	default:
		return Dirs{
			Data:    filepath.Join(xdg(env, "XDG_DATA_HOME", ".local/share"), "altnet", "node"),
			Profile: filepath.Join(xdg(env, "XDG_CONFIG_HOME", ".config"), "altnet", "profile"),
			Runtime: env.Getenv("XDG_RUNTIME_DIR"),
		}
	}
}

// xdg resolves one of the XDG base directories: a relative value is invalid
// and ignored, says the specification.
func xdg(env Env, variable, fallback string) string {
	if dir := env.Getenv(variable); filepath.IsAbs(dir) {
		return dir
	}
	if env.Home == "" {
		return ""
	}
	return filepath.Join(env.Home, fallback)
}

// Private makes dir, readable by this user alone, with its parents. It leaves
// the mode of a folder that exists, and refuses one that everybody may write
// to: whoever puts files there decides what the node trusts.
func Private(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make a private folder: %w", err)
	}
	info, err := os.Stat(dir)
	if err != nil {
		return fmt.Errorf("make a private folder: %w", err)
	}
	if runtime.GOOS != "windows" && info.Mode().Perm()&0o002 != 0 { // no mode bits there
		return fmt.Errorf("every user of this computer may write to the folder %s: choose another, or run: chmod o-w %s", dir, dir)
	}
	return nil
}

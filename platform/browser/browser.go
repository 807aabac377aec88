// Package browser finds the browsers of one user and reads from their
// profiles what decides whether .alt names open: the databases they trust
// certificates by, encrypted DNS of their own, and proxies.
//
// It only reads. Files of a browser are foreign bytes: what cannot be
// understood counts as not set.
package browser

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Family is the engine a browser is made of, which decides what its files
// look like.
type Family string

// The families.
const (
	Chromium Family = "chromium"
	Firefox  Family = "firefox"
)

// Env is what the search depends on, so that any machine can be searched in a
// test.
type Env struct {
	GOOS     string
	Root     string // stands before system paths; empty but in a test or a chroot
	Home     string // the user's home folder
	Getenv   func(string) string
	LookPath func(string) (string, error)
}

// Browser is one browser of the user.
type Browser struct {
	Name      string // for people
	Family    Family
	Installed bool      // its program was found
	Data      string    // folder of its profiles; empty where it never ran
	Version   int       // major version that ran last; 0: not known
	NSS       []string  // where a Chromium on Linux looks for its database: the one that always wins first
	Profiles  []Profile // of Firefox, and those of Chromium that exist
}

// Profile is one profile of a browser.
type Profile struct {
	Name string
	Dir  string
}

// known is one way a browser is installed.
type known struct {
	name     string
	family   Family
	programs []string
	data     []string // below the base of the system, the first that exists counts
	nss      []string // below Home, Linux only
}

// Find lists the browsers that are installed or have been used.
func Find(env Env) []Browser {
	var found []Browser
	for _, k := range table(env) {
		if b, ok := k.look(env); ok {
			found = append(found, b)
		}
	}
	return found
}

func (k known) look(env Env) (Browser, bool) {
	b := Browser{Name: k.name, Family: k.family, Installed: k.installed(env)}
	for _, dir := range k.data {
		if isDir(dir) {
			b.Data = dir
			break
		}
	}
	if !b.Installed && b.Data == "" {
		return Browser{}, false
	}
	for _, dir := range k.nss {
		b.NSS = append(b.NSS, filepath.Join(env.Home, dir))
	}
	if b.Data == "" {
		return b, true
	}
	switch k.family {
	case Firefox:
		b.Profiles = firefoxProfiles(b.Data)
	case Chromium:
		b.Version = lastVersion(b.Data)
		b.Profiles = chromiumProfiles(b.Data)
	}
	return b, true
}

func (k known) installed(env Env) bool {
	for _, p := range k.programs {
		if filepath.IsAbs(p) || env.GOOS == "windows" {
			if _, err := os.Stat(p); err == nil {
				return true
			}
		} else if _, err := env.LookPath(p); err == nil {
			return true
		}
	}
	return false
}

// lastVersion reads which major version used a Chromium's folder last.
func lastVersion(data string) int {
	text, err := readSmall(filepath.Join(data, "Last Version"))
	if err != nil {
		return 0
	}
	major, _, _ := strings.Cut(strings.TrimSpace(string(text)), ".")
	n, err := strconv.Atoi(major)
	if err != nil || n < 0 {
		return 0
	}
	return n
}

func chromiumProfiles(data string) []Profile {
	entries, err := os.ReadDir(data)
	if err != nil {
		return nil
	}
	var list []Profile
	for _, e := range entries {
		dir := filepath.Join(data, e.Name())
		if _, err := os.Stat(filepath.Join(dir, "Preferences")); err == nil {
			list = append(list, Profile{Name: e.Name(), Dir: dir})
		}
	}
	return list
}

// firefoxProfiles lists the folders that hold a profile: those profiles.ini
// names, and those it forgot but which have been used.
func firefoxProfiles(data string) []Profile {
	var list []Profile
	seen := map[string]bool{}
	add := func(name, dir string) {
		if dir = filepath.Clean(dir); !seen[dir] && isDir(dir) {
			seen[dir] = true
			list = append(list, Profile{Name: name, Dir: dir})
		}
	}
	if text, err := readSmall(filepath.Join(data, "profiles.ini")); err == nil {
		for _, p := range parseProfiles(string(text)) {
			dir := filepath.FromSlash(p.Dir)
			if !filepath.IsAbs(dir) {
				dir = filepath.Join(data, dir)
			}
			add(p.Name, dir)
		}
	}
	used, _ := filepath.Glob(filepath.Join(escapeGlob(data), "*", "cert9.db"))
	for _, file := range used {
		add(filepath.Base(filepath.Dir(file)), filepath.Dir(file))
	}
	return list
}

// parseProfiles reads a profiles.ini: name and path of each profile, the path
// as it is written there.
func parseProfiles(text string) []Profile {
	var list []Profile
	inProfile := false
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "[") {
			if inProfile = strings.HasPrefix(line, "[Profile"); inProfile {
				list = append(list, Profile{})
			}
			continue
		}
		key, value, ok := strings.Cut(line, "=")
		if !ok || !inProfile {
			continue
		}
		switch p := &list[len(list)-1]; key {
		case "Name":
			p.Name = value
		case "Path":
			p.Dir = value
		}
	}
	kept := list[:0]
	for _, p := range list {
		if p.Dir != "" {
			kept = append(kept, p)
		}
	}
	return kept
}

// escapeGlob keeps the signs of a pattern in a folder's name from meaning
// anything. On Windows there is no way to, and such names are not matched.
func escapeGlob(dir string) string {
	if filepath.Separator == '\\' {
		return dir
	}
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(dir)
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

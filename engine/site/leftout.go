package site

import (
	"path"
	"strings"
)

// leftOutNames are names, in lower case, that people rarely mean to publish.
var leftOutNames = map[string]string{
	"thumbs.db":                 "Windows keeps thumbnails in it",
	"ehthumbs.db":               "Windows keeps thumbnails in it",
	"desktop.ini":               "Windows keeps folder settings in it",
	"$recycle.bin":              "the recycle bin",
	"system volume information": "Windows keeps it for itself",
	"__macosx":                  "macOS keeps metadata in it",
	"node_modules":              "packages a build needs, not a site",
	"__pycache__":               "compiled Python",
	"id_rsa":                    "looks like a private key",
	"id_dsa":                    "looks like a private key",
	"id_ecdsa":                  "looks like a private key",
	"id_ed25519":                "looks like a private key",
	"npm-debug.log":             "a log",
}

// leftOutSuffixes are endings, in lower case, of the same sort.
var leftOutSuffixes = map[string]string{
	"~":     "an editor's backup",
	".swp":  "an editor's working file",
	".swo":  "an editor's working file",
	".key":  "looks like a private key",
	".pfx":  "looks like a private key",
	".p12":  "looks like a private key",
	".kdbx": "looks like a password store",
}

// leftOut says why a path is not published, or "". Names that begin with a dot
// hold settings, history and secrets (.git, .env, .ssh, .DS_Store); only
// .well-known is meant for the public (RFC 8615).
func (s *scanner) leftOut(published, name string) (reason string, byDefault bool) {
	switch {
	case matches(s.opts.Exclude, published, name):
		return "excluded", false
	case matches(s.opts.Include, published, name):
		return "", false
	case name == ".well-known":
		return "", false
	case strings.HasPrefix(name, "."):
		return "hidden", true
	}
	lower := strings.ToLower(name)
	if reason, ok := leftOutNames[lower]; ok {
		return reason, true
	}
	for suffix, reason := range leftOutSuffixes {
		if strings.HasSuffix(lower, suffix) {
			return reason, true
		}
	}
	return "", false
}

func matches(patterns []string, published, name string) bool {
	for _, p := range patterns {
		if ok, _ := path.Match(p, published); ok {
			return true
		}
		if ok, _ := path.Match(p, name); ok {
			return true
		}
	}
	return false
}

// LeftOut reports whether a file or folder of this name is not published
// unless somebody asks for it.
func LeftOut(name string) bool {
	_, byDefault := (&scanner{}).leftOut(name, name)
	return byDefault
}

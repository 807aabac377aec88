package browser

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// DoH is how a browser asks for names by an encrypted DNS of its own.
type DoH string

// The ways. Only a forced one passes by the system's resolver for .alt.
const (
	DoHDefault DoH = "default" // nothing was chosen
	DoHOff     DoH = "off"
	DoHFirst   DoH = "first"  // tried first, the system's resolver after it
	DoHForced  DoH = "forced" // and no other
)

// Proxy is where a browser's own settings send it.
type Proxy string

// The ways.
const (
	ProxySystem Proxy = "system" // the system's settings, which carry our proxy configuration
	ProxyNone   Proxy = "none"
	ProxyOwn    Proxy = "own" // set by hand, by an extension or by a policy
)

// Settings is what a profile says about DNS and proxy.
type Settings struct {
	DoH   DoH
	Proxy Proxy
	PAC   string // URL of the browser's own proxy configuration
}

// maxFile bounds what is read of a browser's file: Local State and
// Preferences reach a few megabytes.
const maxFile = 32 << 20

var errTooLarge = errors.New("larger than a browser's settings are")

func readSmall(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(data) > maxFile {
		err = errTooLarge
	}
	return data, err
}

// ReadSettings reads what profile p of b says. A profile that says nothing
// has the defaults.
func (b Browser) ReadSettings(p Profile) Settings {
	if b.Family == Firefox {
		prefs := map[string]string{}
		for _, file := range []string{"prefs.js", "user.js"} { // user.js wins
			if text, err := readSmall(filepath.Join(p.Dir, file)); err == nil {
				ParsePrefs(string(text), prefs)
			}
		}
		return firefoxSettings(prefs)
	}
	state, _ := readSmall(filepath.Join(b.Data, "Local State"))
	prefs, _ := readSmall(filepath.Join(p.Dir, "Preferences"))
	return chromiumSettings(state, prefs)
}

// ParsePrefs reads the lines user_pref("name", value); of a prefs.js into
// prefs: strings without their quotes, other values as they stand.
func ParsePrefs(text string, prefs map[string]string) {
	for line := range strings.Lines(text) {
		rest, ok := strings.CutPrefix(strings.TrimSpace(line), "user_pref(")
		if !ok {
			continue
		}
		end := strings.LastIndex(rest, ")")
		if end < 0 {
			continue
		}
		name, value, ok := strings.Cut(rest[:end], ",")
		if !ok {
			continue
		}
		name, value = unquote(strings.TrimSpace(name)), unquote(strings.TrimSpace(value))
		prefs[name] = value
	}
}

func unquote(s string) string {
	if text, err := strconv.Unquote(s); err == nil {
		return text
	}
	return strings.Trim(s, `"'`)
}

func firefoxSettings(prefs map[string]string) Settings {
	s := Settings{DoH: DoHDefault, Proxy: ProxySystem}
	switch prefs["network.trr.mode"] {
	case "5":
		s.DoH = DoHOff
	case "2":
		s.DoH = DoHFirst
	case "3":
		s.DoH = DoHForced
		if excludes(prefs["network.trr.excluded-domains"], "alt") || excludes(prefs["network.trr.builtin-excluded-domains"], "alt") {
			s.DoH = DoHFirst // forced, but not for .alt
		}
	}
	switch prefs["network.proxy.type"] {
	case "0":
		s.Proxy = ProxyNone
	case "1", "4":
		s.Proxy = ProxyOwn
	case "2":
		s.Proxy, s.PAC = ProxyOwn, prefs["network.proxy.autoconfig_url"]
	}
	return s
}

func excludes(list, suffix string) bool {
	for part := range strings.SplitSeq(list, ",") {
		if strings.Trim(strings.TrimSpace(part), ".") == suffix {
			return true
		}
	}
	return false
}

func chromiumSettings(state, prefs []byte) Settings {
	s := Settings{DoH: DoHDefault, Proxy: ProxySystem}
	var local struct {
		DoH struct {
			Mode string `json:"mode"`
		} `json:"dns_over_https"`
	}
	if json.Unmarshal(state, &local) == nil {
		s.DoH = chromiumDoH(local.DoH.Mode)
	}
	var own struct {
		Proxy struct {
			Mode   string `json:"mode"`
			PACURL string `json:"pac_url"`
		} `json:"proxy"`
	}
	if json.Unmarshal(prefs, &own) == nil {
		s.Proxy, s.PAC = chromiumProxy(own.Proxy.Mode), own.Proxy.PACURL
	}
	return s
}

func chromiumDoH(mode string) DoH {
	switch mode {
	case "off":
		return DoHOff
	case "secure":
		return DoHForced
	default: // "automatic" upgrades only what the system's own server offers
		return DoHDefault
	}
}

func chromiumProxy(mode string) Proxy {
	switch mode {
	case "", "system":
		return ProxySystem
	case "direct":
		return ProxyNone
	default:
		return ProxyOwn
	}
}

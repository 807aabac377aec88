package browser

import (
	"encoding/json"
	"maps"
	"path/filepath"
	"slices"
)

// Policies reads what an administrator has set for b on Linux: DNS and proxy,
// where they are set. On other systems policies lie in the registry or in a
// profile and are not read here.
func (b Browser) Policies(env Env) Settings {
	if env.GOOS != "linux" {
		return Settings{}
	}
	if b.Family == Firefox {
		text, err := readSmall(filepath.Join(env.Root, "/etc/firefox/policies/policies.json"))
		if err != nil {
			return Settings{}
		}
		return firefoxPolicy(text)
	}
	merged := map[string]json.RawMessage{}
	for _, dir := range policyDirs(b.Name) {
		files, _ := filepath.Glob(filepath.Join(env.Root, dir, "managed", "*.json"))
		for _, file := range files {
			var one map[string]json.RawMessage
			if text, err := readSmall(file); err == nil && json.Unmarshal(text, &one) == nil {
				maps.Copy(merged, one)
			}
		}
	}
	return chromiumPolicy(merged)
}

// policyDirs are the folders of a Chromium's policies.
func policyDirs(name string) []string {
	dirs := map[string][]string{
		"Chromium": {"/etc/chromium/policies", "/etc/chromium-browser/policies"},
		"Chrome":   {"/etc/opt/chrome/policies"},
		"Edge":     {"/etc/opt/edge/policies"},
		"Brave":    {"/etc/brave/policies"},
		"Vivaldi":  {"/etc/opt/vivaldi/policies"},
	}
	for _, known := range slices.Sorted(maps.Keys(dirs)) {
		if len(name) >= len(known) && name[:len(known)] == known && (len(name) == len(known) || name[len(known)] == ' ') {
			return dirs[known]
		}
	}
	return nil
}

func chromiumPolicy(values map[string]json.RawMessage) Settings {
	text := func(key string) string {
		var s string
		if json.Unmarshal(values[key], &s) != nil {
			return ""
		}
		return s
	}
	var s Settings
	if mode := text("DnsOverHttpsMode"); mode != "" {
		s.DoH = chromiumDoH(mode)
	}
	if mode := text("ProxyMode"); mode != "" {
		s.Proxy, s.PAC = chromiumProxy(mode), text("ProxyPacUrl")
	}
	return s
}

func firefoxPolicy(text []byte) Settings {
	var file struct {
		Policies struct {
			DNSOverHTTPS *struct {
				Enabled  bool
				Fallback *bool
				Excluded []string `json:"ExcludedDomains"`
			}
			Proxy *struct {
				Mode          string
				AutoConfigURL string
			}
		} `json:"policies"`
	}
	if json.Unmarshal(text, &file) != nil {
		return Settings{}
	}
	var s Settings
	if d := file.Policies.DNSOverHTTPS; d != nil {
		switch {
		case !d.Enabled:
			s.DoH = DoHOff
		case d.Fallback == nil || *d.Fallback || slices.Contains(d.Excluded, "alt"):
			s.DoH = DoHFirst
		default:
			s.DoH = DoHForced
		}
	}
	if p := file.Policies.Proxy; p != nil {
		switch p.Mode {
		case "", "system":
			s.Proxy = ProxySystem
		case "none":
			s.Proxy = ProxyNone
		default:
			s.Proxy, s.PAC = ProxyOwn, p.AutoConfigURL
		}
	}
	return s
}

// Effective returns what holds where an administrator's settings stand above
// the user's.
func (b Browser) Effective(env Env, p Profile) Settings {
	s, policy := b.ReadSettings(p), b.Policies(env)
	if policy.DoH != "" {
		s.DoH = policy.DoH
	}
	if policy.Proxy != "" {
		s.Proxy, s.PAC = policy.Proxy, policy.PAC
	}
	return s
}

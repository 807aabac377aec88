package browser

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// machine makes a home with files in it and an Env that sees nothing else.
func machine(t *testing.T, programs []string, files map[string]string) Env {
	t.Helper()
	root := t.TempDir()
	home := filepath.Join(root, "home", "a b")
	if err := os.MkdirAll(home, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, text := range files {
		path := filepath.Join(home, name)
		if rest, ok := strings.CutPrefix(name, "/"); ok {
			path = filepath.Join(root, rest)
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return Env{GOOS: "linux", Root: root, Home: home, Getenv: func(string) string { return "" }, LookPath: func(name string) (string, error) {
		for _, p := range programs {
			if p == name {
				return "/usr/bin/" + p, nil
			}
		}
		return "", errors.New("not found")
	}}
}

func find(t *testing.T, env Env, name string) Browser {
	t.Helper()
	for _, b := range Find(env) {
		if b.Name == name {
			return b
		}
	}
	t.Fatalf("no %s in %+v", name, Find(env))
	return Browser{}
}

func TestFindNothing(t *testing.T) {
	if found := Find(machine(t, nil, nil)); len(found) != 0 {
		t.Errorf("found %+v", found)
	}
}

func TestFindChromium(t *testing.T) {
	env := machine(t, []string{"chromium"}, map[string]string{
		".config/chromium/Last Version":               "150.0.7000.1\n",
		".config/chromium/Default/Preferences":        `{}`,
		"snap/chromium/common/chromium/Local State":   `{}`,
		".var/app/com.google.Chrome/config/x":         "",
		".config/BraveSoftware/Brave-Browser/ignored": "",
	})
	b := find(t, env, "Chromium")
	if !b.Installed || b.Version != 150 || len(b.Profiles) != 1 || b.NSS[0] != filepath.Join(env.Home, ".pki/nssdb") {
		t.Errorf("%+v", b)
	}
	if s := find(t, env, "Chromium (snap)"); s.Installed || s.Version != 0 || !strings.Contains(s.NSS[0], "snap/chromium/current") {
		t.Errorf("%+v", s)
	}
	find(t, env, "Brave")
	if len(Find(env)) != 3 {
		t.Errorf("%+v", Find(env))
	}
}

func TestFindFirefox(t *testing.T) {
	env := machine(t, []string{"firefox-esr"}, map[string]string{
		".mozilla/firefox/profiles.ini":         "[General]\nVersion=2\nName=trap\n\n[Profile0]\nName=default\nIsRelative=1\nPath=abc.default\n[Install1]\nPath=no\n[Profile1]\nName=gone\nPath=gone\n",
		".mozilla/firefox/abc.default/prefs.js": "",
		".mozilla/firefox/old.one/cert9.db":     "",
		".config/mozilla/firefox/x.y/cert9.db":  "",
	})
	var dirs []string
	for _, b := range Find(env) {
		for _, p := range b.Profiles {
			rel, _ := filepath.Rel(env.Home, p.Dir)
			dirs = append(dirs, rel)
		}
	}
	if want := []string{".mozilla/firefox/abc.default", ".mozilla/firefox/old.one", ".config/mozilla/firefox/x.y"}; !reflect.DeepEqual(dirs, want) {
		t.Errorf("%v, want %v", dirs, want)
	}
}

func TestFindElsewhere(t *testing.T) {
	home := t.TempDir()
	get := func(k string) string {
		return map[string]string{"LocalAppData": filepath.Join(home, "l"), "AppData": filepath.Join(home, "r")}[k]
	}
	for _, dir := range []string{"l/Google/Chrome/User Data", "r/Mozilla/Firefox/Profiles/x", "Library/Application Support/Google/Chrome", "Library/Application Support/Firefox"} {
		if err := os.MkdirAll(filepath.Join(home, dir), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for _, goos := range []string{"windows", "darwin"} {
		env := Env{GOOS: goos, Root: home, Home: home, Getenv: get, LookPath: func(string) (string, error) { return "", os.ErrNotExist }}
		if b := find(t, env, "Chrome"); b.Data == "" || b.NSS != nil {
			t.Errorf("%s: %+v", goos, b)
		}
		find(t, env, "Firefox")
	}
}

func TestSettings(t *testing.T) {
	for _, tt := range []struct {
		name  string
		files map[string]string
		want  Settings
	}{
		{"firefox says nothing", map[string]string{".mozilla/firefox/p/cert9.db": ""}, Settings{DoHDefault, ProxySystem, ""}},
		{"firefox forces", map[string]string{".mozilla/firefox/p/cert9.db": "", ".mozilla/firefox/p/prefs.js": `// x
user_pref("network.trr.mode", 3);
user_pref("network.proxy.type", 1);`}, Settings{DoHForced, ProxyOwn, ""}},
		{"user.js wins", map[string]string{".mozilla/firefox/p/cert9.db": "", ".mozilla/firefox/p/prefs.js": `user_pref("network.trr.mode", 3);`,
			".mozilla/firefox/p/user.js": `user_pref("network.trr.mode", 5);`}, Settings{DoHOff, ProxySystem, ""}},
		{"forced but not for alt", map[string]string{".mozilla/firefox/p/cert9.db": "", ".mozilla/firefox/p/prefs.js": `user_pref("network.trr.mode", 3);
user_pref("network.trr.excluded-domains", "a.b, alt");`}, Settings{DoHFirst, ProxySystem, ""}},
		{"own PAC", map[string]string{".mozilla/firefox/p/cert9.db": "", ".mozilla/firefox/p/prefs.js": `user_pref("network.proxy.type", 2);
user_pref("network.proxy.autoconfig_url", "http://w\"pad/x,y)");`}, Settings{DoHDefault, ProxyOwn, `http://w"pad/x,y)`}},
		{"policy stands above", map[string]string{".mozilla/firefox/p/cert9.db": "", ".mozilla/firefox/p/prefs.js": `user_pref("network.trr.mode", 5);`,
			"/etc/firefox/policies/policies.json": `{"policies":{"DNSOverHTTPS":{"Enabled":true,"Fallback":false},"Proxy":{"Mode":"none"}}}`}, Settings{DoHForced, ProxyNone, ""}},
		{"chromium forces", map[string]string{".config/chromium/Default/Preferences": `{"proxy":{"mode":"pac_script","pac_url":"http://corp/"}}`,
			".config/chromium/Local State": `{"dns_over_https":{"mode":"secure","templates":"https://dns.example/"}}`}, Settings{DoHForced, ProxyOwn, "http://corp/"}},
		{"chromium automatic", map[string]string{".config/chromium/Default/Preferences": `[broken`,
			".config/chromium/Local State": `{"dns_over_https":{"mode":"automatic"}}`}, Settings{DoHDefault, ProxySystem, ""}},
		{"chromium policy", map[string]string{".config/chromium/Default/Preferences": `{}`,
			"/etc/chromium/policies/managed/a.json": `{"DnsOverHttpsMode":"off"}`,
			"/etc/chromium/policies/managed/b.json": `{"ProxyMode":"direct"}`}, Settings{DoHOff, ProxyNone, ""}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			env := machine(t, nil, tt.files)
			found := Find(env)
			if len(found) != 1 || len(found[0].Profiles) != 1 {
				t.Fatalf("%+v", found)
			}
			if got := found[0].Effective(env, found[0].Profiles[0]); got != tt.want {
				t.Errorf("%+v, want %+v", got, tt.want)
			}
		})
	}
}

func TestReadSmallIsBounded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "big")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(f.Truncate(maxFile+1), f.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := readSmall(path); !errors.Is(err, errTooLarge) {
		t.Errorf("%v", err)
	}
}

func FuzzForeignFiles(f *testing.F) {
	f.Add(`user_pref("a", "b");`)
	f.Add("[Profile0]\nPath=x\nName=")
	f.Add(`{"policies":{"Proxy":{}}}`)
	f.Fuzz(func(t *testing.T, text string) {
		prefs := map[string]string{}
		ParsePrefs(text, prefs)
		firefoxSettings(prefs)
		for _, p := range parseProfiles(text) {
			if p.Dir == "" {
				t.Error("a profile without a folder")
			}
		}
		firefoxPolicy([]byte(text))
		chromiumSettings([]byte(text), []byte(text))
	})
}

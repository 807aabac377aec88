package splitdns

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// fakeMac is networksetup, scutil and the flushing programs over maps.
type fakeMac struct {
	auto    map[string]autoProxy
	manual  map[string]bool
	primary string // the service in use
	calls   []string
}

func newFakeMac() *fakeMac {
	return &fakeMac{auto: map[string]autoProxy{"Wi-Fi": {}, "USB LAN": {}, "Thunderbolt Bridge": {URL: "http://old.example/"}}, manual: map[string]bool{}, primary: "Wi-Fi"}
}

func (f *fakeMac) run(_ context.Context, program string, args ...string) ([]byte, error) {
	f.calls = append(f.calls, program+" "+strings.Join(args, " "))
	switch program {
	case "scutil":
		p := f.auto[f.primary]
		out := "<dictionary> {\n"
		if p.On {
			out += "  ProxyAutoConfigEnable : 1\n  ProxyAutoConfigURLString : " + p.URL + "\n"
		}
		if f.manual[f.primary] {
			out += "  HTTPEnable : 1\n  HTTPPort : 3128\n  HTTPProxy : proxy.example\n"
		}
		return []byte(out + "}\n"), nil
	case "networksetup":
		return f.networksetup(args)
	case "dscacheutil", "killall":
		return nil, nil
	}
	return nil, errors.New("no such program: " + program)
}

func (f *fakeMac) networksetup(args []string) ([]byte, error) {
	if args[0] == "-listallnetworkservices" {
		out := "An asterisk (*) denotes that a network service is disabled.\n"
		for _, name := range slices.Sorted(maps.Keys(f.auto)) {
			out += name + "\n"
		}
		return []byte(out), nil
	}
	p, found := f.auto[args[1]]
	if !found {
		return nil, errors.New(args[1] + " is not a recognized network service.")
	}
	switch args[0] {
	case "-getautoproxyurl":
		url, on := p.URL, "No"
		if url == "" {
			url = "(null)"
		}
		if p.On {
			on = "Yes"
		}
		return fmt.Appendf(nil, "URL: %s\nEnabled: %s\n", url, on), nil
	case "-setautoproxyurl":
		f.auto[args[1]] = autoProxy{URL: args[2], On: true}
	case "-setautoproxystate":
		p.On = args[2] == "on"
		f.auto[args[1]] = p
	case "-getwebproxy", "-getsecurewebproxy", "-getsocksfirewallproxy":
		on := "No"
		if f.manual[args[1]] {
			on = "Yes"
		}
		return fmt.Appendf(nil, "Enabled: %s\nServer: \nPort: 0\nAuthenticated Proxy Enabled: 0\n", on), nil
	default:
		return nil, errors.New("networksetup: " + args[0])
	}
	return nil, nil
}

func TestMacProxy(t *testing.T) {
	f := newFakeMac()
	f.auto["VPN of the company"] = autoProxy{URL: "http://pac.corp.example/", On: true}
	f.manual["USB LAN"] = true
	before := maps.Clone(f.auto)
	door := &macProxy{testConfig(t, f.run)}
	for range 2 {
		if err := door.Set(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := door.Verify(t.Context()); err != nil {
			t.Error(err)
		}
	}
	ours := autoProxy{URL: ServedPACURL(door.cfg.Want), On: true}
	want := maps.Clone(before)
	want["Wi-Fi"], want["Thunderbolt Bridge"] = ours, ours
	if !maps.Equal(f.auto, want) {
		t.Errorf("the services have %v, want %v", f.auto, want)
	}
	delete(f.auto, "Thunderbolt Bridge") // unplugged for good
	delete(before, "Thunderbolt Bridge")
	if err := door.Undo(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !maps.Equal(f.auto, before) {
		t.Errorf("undo left %v, want %v", f.auto, before)
	}
}

func TestMacProxyOfThePerson(t *testing.T) {
	for name, change := range map[string]func(*fakeMac){
		"a script": func(f *fakeMac) { f.auto["Wi-Fi"] = autoProxy{URL: "http://pac.corp.example/", On: true} },
		"a proxy":  func(f *fakeMac) { f.manual["Wi-Fi"] = true },
	} {
		t.Run(name, func(t *testing.T) {
			f := newFakeMac()
			change(f)
			before := maps.Clone(f.auto)
			if err := (&macProxy{testConfig(t, f.run)}).Set(t.Context()); !errors.Is(err, ErrTaken) {
				t.Errorf("set: %v", err)
			}
			if !maps.Equal(f.auto, before) {
				t.Errorf("the services have now %v", f.auto)
			}
		})
	}
}

func TestResolverFile(t *testing.T) {
	f := newFakeMac()
	dir := t.TempDir()
	door := &resolverDoor{cfg: testConfig(t, f.run), folder: filepath.Join(dir, "resolver")}
	if err := door.Set(t.Context()); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(door.folder, "alt")
	if now, err := os.ReadFile(path); err != nil || string(now) != ownerLine+"\nnameserver 127.83.65.76\nport 53\n" {
		t.Errorf("the file is %q, %v", now, err)
	}
	f.calls = nil
	if err := door.Undo(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(door.folder); !os.IsNotExist(err) {
		t.Errorf("the folder was left: %v", err)
	}
	if want := []string{"dscacheutil -flushcache", "killall -HUP mDNSResponder"}; !slices.Equal(f.calls, want) {
		t.Errorf("after undo: %v, want %v", f.calls, want)
	}
}

func TestResolverFileOfOthers(t *testing.T) {
	door := &resolverDoor{cfg: testConfig(t, newFakeMac().run), folder: t.TempDir()}
	path := filepath.Join(door.folder, "alt")
	if err := os.WriteFile(path, []byte("nameserver 192.0.2.1\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := door.Set(t.Context()); !errors.Is(err, ErrTaken) {
		t.Errorf("set: %v", err)
	}
	if err := door.Undo(t.Context()); err != nil {
		t.Fatal(err)
	}
	if now, err := os.ReadFile(path); err != nil || string(now) != "nameserver 192.0.2.1\n" {
		t.Errorf("their file is %q, %v", now, err)
	}
}

package platform

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

func TestDefaultDirs(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("paths of the other systems are not absolute here")
	}
	tests := []struct {
		name string
		goos string
		home string
		env  map[string]string
		want Dirs
		fail bool
	}{
		{name: "linux", goos: "linux", home: "/home/a",
			want: Dirs{Data: "/home/a/.local/share/altnet/node", Profile: "/home/a/.config/altnet/profile"}},
		{name: "linux with xdg", goos: "linux", home: "/home/a",
			env:  map[string]string{"XDG_DATA_HOME": "/d", "XDG_CONFIG_HOME": "/c", "XDG_RUNTIME_DIR": "/run/user/1"},
			want: Dirs{Data: "/d/altnet/node", Profile: "/c/altnet/profile", Runtime: "/run/user/1"}},
		{name: "a relative xdg is ignored", goos: "linux", home: "/home/a",
			env:  map[string]string{"XDG_DATA_HOME": "d"},
			want: Dirs{Data: "/home/a/.local/share/altnet/node", Profile: "/home/a/.config/altnet/profile"}},
		{name: "linux without home", goos: "linux", fail: true},
		{name: "darwin", goos: "darwin", home: "/Users/a", want: Dirs{
			Data:    "/Users/a/Library/Application Support/AltNet/node",
			Profile: "/Users/a/Library/Application Support/AltNet/profile"}},
		{name: "darwin without home", goos: "darwin", fail: true},
		{name: "windows", goos: "windows",
			env:  map[string]string{"LocalAppData": `C:\L`, "AppData": `C:\R`},
			want: Dirs{Data: `C:\L\AltNet\node`, Profile: `C:\R\AltNet\profile`}},
		{name: "windows without variables", goos: "windows", fail: true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := DefaultDirs(Env{GOOS: test.goos, Home: test.home, Getenv: func(k string) string { return test.env[k] }})
			if (err != nil) != test.fail {
				t.Fatalf("error %v", err)
			}
			if got != test.want {
				t.Errorf("got  %+v\nwant %+v", got, test.want)
			}
		})
	}
}

func TestPrivate(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	if err := Private(dir); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(dir)
	if err != nil {
		t.Fatal(err)
	}
	if runtime.GOOS != "windows" && info.Mode().Perm() != 0o700 {
		t.Errorf("mode %v", info.Mode())
	}
	if err := Private(dir); err != nil {
		t.Errorf("again: %v", err)
	}
	for mode, ok := range map[os.FileMode]bool{0o755: true, 0o775: true, 0o777: false, 0o777 | os.ModeSticky: false} {
		if runtime.GOOS == "windows" {
			break
		}
		if err := os.Chmod(dir, mode); err != nil {
			t.Fatal(err)
		}
		if err := Private(dir); (err == nil) != ok {
			t.Errorf("a folder of mode %v: %v", mode, err)
		}
	}
}

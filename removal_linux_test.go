package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// Package managers run without a home, which undo wants to be root's own: else
// the machine would go on trusting a certificate of a program that is gone.
func TestRemovalWithoutAHome(t *testing.T) {
	for _, c := range []struct{ script, arg string }{{"prerm", "remove"}, {"rpm-preun", "0"}} {
		tools := t.TempDir()
		said := filepath.Join(tools, "said")
		stub := "#!/bin/sh\necho \"$HOME $*\" >>" + said + "\n"
		must(t, os.WriteFile(filepath.Join(tools, "altnet"), []byte(stub), 0o755))
		must(t, os.WriteFile(filepath.Join(tools, "systemctl"), []byte("#!/bin/sh\nexit 1\n"), 0o755))
		cmd := exec.Command("/bin/sh", filepath.Join("packaging", "linux", c.script), c.arg)
		cmd.Env = []string{"PATH=" + tools + ":/usr/bin:/bin"}
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s: %v: %s", c.script, err, out)
		}
		if text, err := os.ReadFile(said); err != nil || string(text) != " service doors cleanup\n/root undo -yes\n" {
			t.Errorf("%s: %q, %v", c.script, text, err)
		}
	}
}

//go:build linux

package e2e

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"altnet/platform/setup"
)

// machineFolders are what the helper may change.
func machineFolders() []string {
	return []string{"/usr/local/share/ca-certificates", "/etc/ssl/certs", "/etc/firefox", "/var/lib/altnet"}
}

// TestHelper is the elevated helper on a machine of its own: folders that a
// mount namespace hides from the real one.
func TestHelper(t *testing.T) {
	needE2E(t)
	if _, err := exec.LookPath("update-ca-certificates"); err != nil {
		t.Skip("update-ca-certificates is not installed")
	}
	if os.Getenv(inside) == "" {
		again(t, "TestHelper", "unshare", "-m", "--propagation", "private")
		return
	}
	hideMachine(t)
	if out, err := exec.Command("update-ca-certificates").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out) // what the machine's own command makes of its state
	}
	before := listing(t)
	a := start(t, "A", nil)
	ca := filepath.Join(a.dir, "store", "ca", "ca.pem")
	root, err := os.ReadFile(ca)
	check(t, err)
	serve := func(r setup.Request) error {
		word, err := r.Encode()
		check(t, err)
		out, err := exec.Command(*binary, "helper", word).CombinedOutput()
		t.Logf("%s", out)
		return err
	}
	verify := func() bool {
		out, _ := exec.Command("openssl", "verify", "-CAfile", "/etc/ssl/certs/ca-certificates.crt", ca).CombinedOutput()
		return bytes.Contains(out, []byte(": OK"))
	}
	check(t, serve(setup.Request{Root: root, Stores: []string{"anchors"}}))
	if !verify() {
		t.Error("the system does not trust the root")
	}
	if err := serve(setup.Request{Root: root, Stores: []string{"nss:/root/.pki/nssdb"}}); err == nil {
		t.Error("the helper wrote to a home")
	}
	for range 2 {
		check(t, serve(setup.Request{Undo: true}))
	}
	if verify() {
		t.Error("the system still trusts the root")
	}
	after := listing(t)
	for line := range strings.Lines(after) {
		if !strings.Contains(before, line) {
			t.Errorf("left behind: %s", line)
		}
	}
	if len(after) != len(before) {
		t.Errorf("the listing had %d bytes and has %d", len(before), len(after))
	}
}

// TestSetupOfAnotherUser: with sudo the home folder may stay the user's, where
// root must not write.
func TestSetupOfAnotherUser(t *testing.T) {
	needE2E(t)
	if os.Geteuid() != 0 {
		t.Skip("only root can give a folder away")
	}
	a := start(t, "A", nil)
	check(t, os.Chown(a.dir, 1234, 1234))
	for _, word := range []string{"setup", "undo", "doctor"} {
		if out, err := a.try(word, "-yes", "-trust"); err == nil || !strings.Contains(err.Error(), "another user's") && word == "setup" {
			t.Errorf("%s: %v\n%s", word, err, out)
		}
	}
	if found, _ := filepath.Glob(filepath.Join(a.dir, ".config", "*")); len(found) > 0 {
		t.Errorf("root made %v", found)
	}
}

// hideMachine puts copies over the folders that are changed.
func hideMachine(t *testing.T) {
	t.Helper()
	for _, dir := range machineFolders() {
		if _, err := os.Stat(dir); err != nil {
			if _, err := os.Stat(filepath.Dir(dir)); err != nil || dir != "/var/lib/altnet" {
				continue
			}
			dir = filepath.Dir(dir) // so that making it is hidden too
		}
		copied := filepath.Join(t.TempDir(), "copy")
		source := dir
		if dir == "/var/lib" {
			check(t, os.Mkdir(copied, 0o755))
		} else if out, err := exec.Command("cp", "-a", source, copied).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		if out, err := exec.Command("mount", "--bind", copied, dir).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
}

// listing is every file of the machine's folders with its content.
func listing(t *testing.T) string {
	t.Helper()
	out, err := exec.Command("sh", "-c", "find "+strings.Join(machineFolders(), " ")+" 2>/dev/null | sort | while read f; do ls -ld --time-style=+ \"$f\"; test -f \"$f\" && sha256sum \"$f\"; done; true").Output()
	check(t, err)
	return string(out)
}

// again runs a test of this binary in namespaces of its own.
func again(t *testing.T, name string, prefix ...string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("namespaces take root")
	}
	if prefix[0] == "unshare" {
		prefix = separable(t, prefix)
	}
	args := append(prefix, os.Args[0], "-test.run", "^"+name+"$", "-test.v", "-e2e", "-altnet", *binary, "-window", *windowed, "-shots", *shots)
	cmd := exec.CommandContext(t.Context(), args[0], args[1:]...)
	cmd.Env = append(os.Environ(), inside+"=1")
	out, err := cmd.CombinedOutput()
	if strings.Contains(string(out), "--- SKIP") {
		t.Skipf("%s", out)
	}
	if err != nil || !strings.Contains(string(out), "--- PASS") {
		t.Errorf("%v\n%s", err, out)
	}
}

// separable is the command unshare as it works here. The root of a chroot need
// not be a mount whose propagation could be changed; where nothing is shared it
// need not be, either.
func separable(t *testing.T, unshare []string) []string {
	t.Helper()
	if exec.Command("unshare", "-m", "--propagation", "private", "true").Run() == nil {
		return unshare
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil || strings.Contains(string(mounts), " shared:") || exec.Command("unshare", "-m", "--propagation", "unchanged", "true").Run() != nil {
		t.Skip("there are no mounts of a test's own to be had here")
	}
	i := slices.Index(unshare, "private")
	return slices.Replace(slices.Clone(unshare), i, i+1, "unchanged")
}

//go:build linux

package e2e

import (
	"bufio"
	"bytes"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	bin "encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/tyler-smith/go-bip39"

	"altnet/engine/identity"
)

// needles are the ways in which something secret may lie about.
type needles map[string][]byte

// bytes adds a secret of bytes: as it is, in hex, and in base64, at every
// place that it may begin at in a longer text.
func (n needles) bytes(what string, secret []byte) {
	n[what], n[what+" in hex"] = secret, []byte(hex.EncodeToString(secret))
	n[what+" in HEX"] = []byte(strings.ToUpper(hex.EncodeToString(secret)))
	for name, enc := range map[string]*base64.Encoding{"base64": base64.RawStdEncoding, "base64url": base64.RawURLEncoding} {
		for off := range 3 {
			text := enc.EncodeToString(append(make([]byte, off), secret...))
			n[fmt.Sprintf("%s in %s at %d", what, name, off)] = []byte(text[(off*8+5)/6 : len(text)-1]) // the ends mix with neighbours
		}
	}
}

// words adds a phrase: any three words of it in a row.
func (n needles) words(what, phrase string) {
	words := strings.Fields(phrase)
	for i := range len(words) - 2 {
		for _, between := range []string{" ", "\n", ",", "\x00"} {
			n[fmt.Sprintf("words %d to %d of %s with %q between", i+1, i+3, what, between)] = []byte(strings.Join(words[i:i+3], between))
		}
	}
}

// in reports which needles lie in data.
func (n needles) in(data []byte, where string, found map[string]string) {
	for what, needle := range n {
		if bytes.Contains(data, needle) {
			found[what] = where
		}
	}
}

// files looks through every file below a folder.
func (n needles) files(t *testing.T, dir string) map[string]string {
	t.Helper()
	found := map[string]string{}
	check(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		data, err := os.ReadFile(path)
		n.in(data, path, found)
		return err
	}))
	return found
}

// memory looks through all that a process can read of its own, while it
// stands still.
func (n needles) memory(t *testing.T, pid int) (found map[string]string, size int64) {
	t.Helper()
	check(t, syscall.Kill(pid, syscall.SIGSTOP))
	defer syscall.Kill(pid, syscall.SIGCONT)
	maps, err := os.Open(fmt.Sprintf("/proc/%d/maps", pid))
	check(t, err)
	defer maps.Close()
	mem, err := os.Open(fmt.Sprintf("/proc/%d/mem", pid))
	check(t, err)
	defer mem.Close()
	found = map[string]string{}
	for lines := bufio.NewScanner(maps); lines.Scan(); {
		var from, to uint64
		var rights string
		if _, err := fmt.Sscanf(lines.Text(), "%x-%x %s", &from, &to, &rights); err != nil || rights[0] != 'r' {
			continue
		}
		size += n.region(mem, from, to, lines.Text(), found)
	}
	return found, size
}

// region looks through a part of a memory, in pieces that overlap.
func (n needles) region(mem *os.File, from, to uint64, where string, found map[string]string) (size int64) {
	const piece, overlap = 8 << 20, 1 << 10
	buf := make([]byte, piece+overlap)
	for ; from < to; from += piece {
		want := min(to-from, piece+overlap)
		got, _ := mem.ReadAt(buf[:want], int64(from)) // what the kernel keeps for itself cannot be read
		n.in(buf[:got], where, found)
		size += int64(min(got, piece))
	}
	return size
}

// secretsOf are the keys of a profile: the phrase, what it is made of and
// makes, and the device keys.
func secretsOf(t *testing.T, profile string) needles {
	t.Helper()
	var state struct {
		Phrase string
		Sites  []struct {
			Index  uint32
			Device []byte
		}
	}
	files, err := filepath.Glob(filepath.Join(profile, "*"))
	check(t, err)
	for _, file := range files {
		if data, err := os.ReadFile(file); err == nil && bytes.Contains(data, []byte(`"phrase"`)) {
			check(t, json.Unmarshal(data, &state))
		}
	}
	if state.Phrase == "" || len(state.Sites) == 0 {
		t.Fatalf("no keys among %v", files)
	}
	n := needles{}
	n.words("the phrase", state.Phrase)
	entropy, err := bip39.EntropyFromMnemonic(state.Phrase)
	check(t, err)
	n.bytes("the phrase's entropy", entropy)
	seed := bip39.NewSeed(state.Phrase, "")
	n.bytes("the phrase's seed", seed)
	for _, s := range state.Sites {
		info := bin.BigEndian.AppendUint32([]byte("altnet site root v1\x00"), s.Index)
		root, err := hkdf.Key(sha256.New, seed, nil, string(info), 32)
		check(t, err)
		n.bytes(fmt.Sprintf("root key %d", s.Index), root)
		n.bytes(fmt.Sprintf("device key %d", s.Index), s.Device)
	}
	return n
}

// noSecrets looks for Anna's keys in memory and on the disk of the service,
// and for what must be there, to see that looking finds something.
func noSecrets(t *testing.T, c *computer, s annasSite) {
	const data = "/var/lib/altnet/node"
	secrets := secretsOf(t, filepath.Join(s.anna.home, ".config", "altnet", "profile"))
	there := needles{"a remark of Anna's": []byte(remark)}
	key, err := identity.LoadKey(filepath.Join(data, "keys", identity.KeyFile))
	check(t, err)
	node := needles{}
	seed := key.Seed()
	node.bytes("the node's key", seed[:])
	planted := make([]byte, 32)
	rand.Read(planted)
	file := filepath.Join(data, "planted")
	check(t, os.WriteFile(file, fmt.Appendf(nil, "xx%sxx", base64.StdEncoding.EncodeToString(append([]byte("ab"), planted...))), 0o600))
	mark := needles{}
	mark.bytes("what was planted", planted)
	if found := mark.files(t, data); found["what was planted in base64 at 2"] != file {
		t.Errorf("what was planted on the disk was found as %v", found)
	}
	check(t, os.Remove(file))
	if found := node.files(t, data); len(found) == 0 {
		t.Error("the node's key was not found on the disk")
	}
	if found := there.files(t, data); len(found) == 0 {
		t.Error("Anna's remark was not found on the disk")
	}
	if found := secrets.files(t, s.anna.home); len(found) < 10 {
		t.Errorf("in Anna's own folder the search finds only %v", found)
	}
	for name, n := range map[string]needles{"node's key": node, "remark": there} {
		if found, _ := n.memory(t, c.cmd.Process.Pid); len(found) == 0 {
			t.Errorf("the %s was not found in memory", name)
		}
	}
	if found := secrets.files(t, data); len(found) > 0 {
		t.Errorf("on the service's disk lie %v", found)
	}
	found, size := secrets.memory(t, c.cmd.Process.Pid)
	if len(found) > 0 {
		t.Errorf("in the service's memory lie %v", found)
	}
	if size < 16<<20 {
		t.Errorf("only %d bytes of memory could be read", size)
	}
	t.Logf("looked for %d things in %d MiB of memory", len(secrets), size>>20)
}

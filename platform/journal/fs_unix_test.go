//go:build unix

package journal

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

func TestRealFiles(t *testing.T) {
	j, dir := real(t)
	edited, made := filepath.Join(dir, "conf"), filepath.Join(dir, "a", "b", "alt")
	must(t, os.WriteFile(edited, []byte("theirs\n"), 0o600))
	must(t, os.Chmod(edited, 0o440)) // the journal can do what its user may
	change := line("alt\n")
	change.Path = edited
	must(t, j.File(t.Context(), change))
	must(t, j.File(t.Context(), FileChange{Door: "x", Path: made, Edit: Whole([]byte("x")), Mode: 0o604}))
	expect(t, edited, "theirs\nalt\n", 0o440)
	expect(t, made, "x", 0o604)
	info, err := os.Stat(filepath.Join(dir, "journal"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the journal is %v, %v", info, err)
	}
	_, err = j.Undo(t.Context())
	must(t, err)
	expect(t, edited, "theirs\n", 0o440)
	for _, gone := range []string{"a", "journal", "journal.new"} {
		if _, err := os.Lstat(filepath.Join(dir, gone)); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s was left: %v", gone, err)
		}
	}
}

func expect(t *testing.T, path, data string, mode fs.FileMode) {
	t.Helper()
	got, err := os.ReadFile(path)
	must(t, err)
	info, err := os.Lstat(path)
	must(t, err)
	if string(got) != data || info.Mode() != mode {
		t.Errorf("%s is %q with mode %v, want %q with %v", path, got, info.Mode(), data, mode)
	}
}

func TestLinks(t *testing.T) {
	j, dir := real(t)
	target := filepath.Join(dir, "target")
	must(t, os.WriteFile(target, []byte("theirs\n"), 0o644))
	link := filepath.Join(dir, "link")
	must(t, os.Symlink(target, link))
	change := line("alt\n")
	change.Path = link
	err := j.File(t.Context(), change)
	if os.Geteuid() == 0 {
		if !errors.Is(err, ErrLink) {
			t.Errorf("root followed a link: %v", err)
		}
		expect(t, target, "theirs\n", 0o644)
		return
	}
	must(t, err)
	expect(t, target, "theirs\nalt\n", 0o644)
	_, err = j.Undo(t.Context())
	must(t, err)
	expect(t, target, "theirs\n", 0o644)
}

func TestDanglingLinkAndPipe(t *testing.T) {
	j, dir := real(t)
	dangling, pipe := filepath.Join(dir, "dangling"), filepath.Join(dir, "pipe")
	must(t, os.Symlink(filepath.Join(dir, "nowhere"), dangling))
	must(t, syscall.Mkfifo(pipe, 0o600))
	for _, path := range []string{dangling, pipe, dir} {
		if err := j.File(t.Context(), FileChange{Path: path, Edit: Whole([]byte("x"))}); err == nil {
			t.Errorf("%s was written to", path)
		}
	}
}

// TestUsersLinksAsRoot puts links of a user into the way of root.
func TestUsersLinksAsRoot(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root, who is the one to be tricked")
	}
	const user = 12345
	j, dir := real(t)
	home, secret := filepath.Join(dir, "home"), filepath.Join(dir, "secret")
	for _, d := range []string{home, secret} {
		must(t, os.Mkdir(d, 0o755))
	}
	must(t, os.WriteFile(filepath.Join(secret, "conf"), []byte("root's\n"), 0o600))
	must(t, os.Symlink(secret, filepath.Join(home, "config")))
	must(t, os.Lchown(filepath.Join(home, "config"), user, user))
	must(t, os.Chown(home, user, user))
	err := j.File(t.Context(), FileChange{Path: filepath.Join(home, "config", "conf"), Edit: Whole([]byte("x"))})
	if !errors.Is(err, ErrLink) {
		t.Errorf("a user's link led root elsewhere: %v", err)
	}
	expect(t, filepath.Join(secret, "conf"), "root's\n", 0o600)

	must(t, os.Symlink("secret", filepath.Join(dir, "ours"))) // like /etc of macOS
	must(t, j.File(t.Context(), FileChange{Path: filepath.Join(dir, "ours", "conf"), Edit: Whole([]byte("x"))}))
	expect(t, filepath.Join(secret, "conf"), "x", 0o600)
	must(t, os.Chown(filepath.Join(secret, "conf"), user, user))
	_, err = j.Undo(t.Context())
	must(t, err)
	info, err := os.Stat(filepath.Join(secret, "conf"))
	must(t, err)
	if uid, gid := owner(info); uid != user || gid != user {
		t.Errorf("the owner is now %d:%d", uid, gid)
	}
}

// TestLinkInPlaceOfTheLock: no link has a process make a file elsewhere.
func TestLinkInPlaceOfTheLock(t *testing.T) {
	j, dir := real(t)
	elsewhere := filepath.Join(t.TempDir(), "made")
	must(t, os.Symlink(elsewhere, filepath.Join(dir, "journal.lock")))
	if _, err := j.Undo(t.Context()); err == nil {
		t.Error("the lock was taken through a link")
	}
	if _, err := os.Lstat(elsewhere); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file was made elsewhere: %v", err)
	}
}

func TestLinkPutInPlaceOfOurFile(t *testing.T) {
	j, dir := real(t)
	path, other := filepath.Join(dir, "alt"), filepath.Join(dir, "other")
	must(t, j.File(t.Context(), FileChange{Path: path, Edit: Whole([]byte("x"))}))
	must(t, os.WriteFile(other, []byte("x"), 0o644))
	must(t, os.Remove(path))
	must(t, os.Symlink(other, path))
	if _, err := j.Undo(t.Context()); !errors.Is(err, ErrLink) {
		t.Errorf("undo went through a link: %v", err)
	}
	expect(t, other, "x", 0o644)
}

func TestAttributesStay(t *testing.T) {
	j, dir := real(t)
	path := filepath.Join(dir, "conf")
	must(t, os.WriteFile(path, []byte("theirs\n"), 0o644))
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	must(t, err)
	setAttrs(f, map[string][]byte{"user.altnet": []byte("label")})
	had := attrs(f)
	must(t, f.Close())
	if len(had) == 0 {
		t.Skip("this file system has no extended attributes")
	}
	change := line("alt\n")
	change.Path = path
	must(t, j.File(t.Context(), change))
	f, err = os.Open(path)
	must(t, err)
	defer f.Close()
	if got := attrs(f)["user.altnet"]; string(got) != "label" {
		t.Errorf("the attribute is %q", got)
	}
}

func TestOneProcessAtATime(t *testing.T) {
	j, _ := real(t)
	unlock, err := System().Lock(t.Context(), j.path)
	must(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := j.Undo(ctx); !errors.Is(err, ctx.Err()) || ctx.Err() == nil {
		t.Errorf("undo did not wait for the lock: %v", err)
	}
	unlock()
	if _, err := j.Undo(t.Context()); err != nil {
		t.Error(err)
	}
}

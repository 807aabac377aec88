package publisher

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

func safety(t *testing.T, p *Profile) Safety {
	t.Helper()
	s, err := p.Safety()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// publishOne signs a first record, as publishing does.
func publishOne(t *testing.T, p *Profile) Site {
	t.Helper()
	site := newSite(t, p)
	signed(t)(p.SignRecord(t.Context(), site.Root, Fields{Content: content(1)}))
	return site
}

func backupOf(t *testing.T, p *Profile) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := p.backup(&out, "correct horse", 10); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestPublishingAsksForABackup(t *testing.T) {
	p := open(t)
	if s := safety(t, p); s.Keys || s.Needed || s.Risky() {
		t.Errorf("before anything: %+v", s)
	}
	publishOne(t, p)
	if s := safety(t, p); !s.Keys || !s.Phrase || !s.Risky() {
		t.Errorf("after the first publish: %+v", s)
	}
	backupOf(t, p)
	if s := safety(t, p); s.Saved.IsZero() || !s.Risky() {
		t.Errorf("a file that nobody tried counts: %+v", s)
	}
}

func TestPhraseTestEndsTheRisk(t *testing.T) {
	p := open(t)
	publishOne(t, p)
	phrase, _ := p.Phrase()
	if err := p.TestPhrase(words); !errors.Is(err, ErrBadPhrase) || !errors.Is(err, ErrOtherKeys) {
		t.Errorf("another phrase: %v", err)
	}
	if !safety(t, p).Risky() {
		t.Error("a failed test counts")
	}
	if err := p.TestPhrase(strings.ToUpper(phrase)); err != nil {
		t.Fatal(err)
	}
	again, err := Open(p.dir)
	if err != nil {
		t.Fatal(err)
	}
	if s := safety(t, again); s.Risky() || s.How != ByPhrase || s.Tested.IsZero() {
		t.Errorf("after the test: %+v", s)
	}
}

func TestBackupTestEndsTheRisk(t *testing.T) {
	p := open(t)
	publishOne(t, p)
	file := backupOf(t, p)
	publishOne(t, p) // a later site derives from the same phrase
	for name, c := range map[string]struct {
		file []byte
		pass string
		want error
	}{
		"wrong passphrase": {file, "wrong horse", ErrPassphrase},
		"no passphrase":    {file, "", ErrPassphrase},
		"half a file":      {file[:len(file)/2], "correct horse", ErrBadBackup},
		"another file":     {[]byte("hello"), "correct horse", ErrBadBackup},
		"other keys":       {backupOf(t, open(t)), "correct horse", ErrOtherKeys},
	} {
		if err := p.TestBackup(bytes.NewReader(c.file), c.pass); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	if !safety(t, p).Risky() {
		t.Error("a failed test counts")
	}
	if err := p.TestBackup(bytes.NewReader(file), "correct horse"); err != nil {
		t.Fatal(err)
	}
	if s := safety(t, p); s.Risky() || s.How != ByFile {
		t.Errorf("after the test: %+v", s)
	}
}

func TestBackupWithoutPhraseProvesNothing(t *testing.T) {
	p := open(t)
	publishOne(t, p)
	phrase, _ := p.Phrase()
	if err := p.ForgetPhrase(phrase); err != nil {
		t.Fatal(err)
	}
	if err := p.TestBackup(bytes.NewReader(backupOf(t, p)), "correct horse"); !errors.Is(err, ErrNoPhrase) {
		t.Errorf("%v, want ErrNoPhrase", err)
	}
	if s := safety(t, p); s.Phrase {
		t.Errorf("the phrase is said to be here: %+v", s)
	}
}

func TestHavingRestoredIsATest(t *testing.T) {
	old := open(t)
	publishOne(t, old)
	phrase, _ := old.Phrase()
	byFile, byPhrase := open(t), open(t)
	if err := byFile.RestoreBackup(bytes.NewReader(backupOf(t, old)), "correct horse"); err != nil {
		t.Fatal(err)
	}
	if err := byPhrase.RestorePhrase(phrase); err != nil {
		t.Fatal(err)
	}
	publishOne(t, byPhrase)
	if s := safety(t, byFile); s.Risky() || s.How != ByFile {
		t.Errorf("by file: %+v", s)
	}
	if s := safety(t, byPhrase); s.Risky() || s.How != ByPhrase {
		t.Errorf("by phrase: %+v", s)
	}
}

func TestBackupFile(t *testing.T) {
	p := open(t)
	path := filepath.Join(t.TempDir(), "keys.age")
	if err := p.BackupFile(path, "short"); !errors.Is(err, ErrShortPassphrase) {
		t.Errorf("a short passphrase: %v", err)
	}
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a failed backup leaves a file: %v", err)
	}
	if err := p.BackupFile(path, "correct horse"); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if err := p.BackupFile(path, "correct horse"); !errors.Is(err, fs.ErrExist) {
		t.Errorf("over another file: %v", err)
	}
}

func TestTypedWords(t *testing.T) {
	count, unknown := TypedWords("Abandon  abandn\nart zzz")
	if count != 4 || len(unknown) != 2 || unknown[0] != 2 || unknown[1] != 4 {
		t.Errorf("%d, %v", count, unknown)
	}
}

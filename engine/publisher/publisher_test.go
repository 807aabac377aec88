package publisher

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"altnet/engine/identity"
	"altnet/engine/record"
	"altnet/engine/wire"
)

// words is a valid phrase, the one of entropy zero; keyOf is a golden vector.
var words = strings.Repeat("abandon ", 23) + "art"

func open(t *testing.T) *Profile {
	t.Helper()
	p, err := Open(filepath.Join(t.TempDir(), "profile"))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func content(n int) wire.Hash { return sha256.Sum256(fmt.Append(nil, n)) }

// newSite makes a nameless site, which needs no work.
func newSite(t *testing.T, p *Profile) Site {
	t.Helper()
	s, err := p.NewSite("")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func signed(t *testing.T) func(raw []byte, err error) record.Record {
	return func(raw []byte, err error) record.Record {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		r, err := record.Parse(raw)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
}

// The vector that other implementations of the recovery check against.
func TestDerivation(t *testing.T) {
	for i, want := range []string{"ee954f8399f6e867d85c37ba3026068e77447949676ca15ce65bb76aa9204445", "9799b13f36c16ed69c9efba479d32c863999f740ce5e109ecd801b4bb8b71416"} {
		k, err := rootKey(words, uint32(i))
		if err != nil || k.Public().String() != want {
			t.Errorf("site %d: %s, %v", i, k.Public(), err)
		}
	}
}

func TestNamedSite(t *testing.T) {
	p := open(t)
	site, err := p.NewSite("Bücher.alt")
	if err != nil || site.Name != "xn--bcher-kva" {
		t.Fatalf("%+v, %v", site, err)
	}
	if _, err := p.NewSite("bücher"); !errors.Is(err, ErrExists) {
		t.Errorf("the same name again: %v", err)
	}
	for _, bad := range []string{"a b", "www.pg", "pg.com", record.Address(site.Root)} {
		if _, err := p.NewSite(bad); err == nil {
			t.Errorf("%q became a site", bad)
		}
	}
	var mu sync.Mutex
	var tries uint64
	f := Fields{Content: content(1), Size: 10, Note: "first", Progress: func(n uint64) {
		mu.Lock()
		defer mu.Unlock()
		tries = max(tries, n)
	}}
	r := signed(t)(p.SignRecord(t.Context(), site.Root, f))
	if tries == 0 {
		t.Error("no progress was told")
	}
	got, err := record.Check(record.NetworkID(""), record.NameKey("xn--bcher-kva"), r.Raw, time.Now(), record.StoreSkew)
	if err != nil || got.CheckWork() != nil || got.Content != content(1) || got.Size != 10 {
		t.Errorf("%+v, %v", got, err)
	}
	tries = 0
	next := signed(t)(p.SignRecord(t.Context(), site.Root, Fields{Content: content(2), Progress: f.Progress}))
	if tries != 0 || !next.Supersedes(&r) || next.Claim == nil {
		t.Errorf("the second record took %d tries", tries)
	}
	for _, which := range []string{"bücher", "bücher.alt", "xn--bcher-kva", record.Address(site.Root), record.Address(site.Root) + ".alt", site.Root.String()} {
		if s, err := p.Site(which); err != nil || s.Root != site.Root {
			t.Errorf("%s: %v", which, err)
		}
	}
	for _, which := range []string{"other", record.Address(identity.FromSeed([32]byte{1}).Public()), "-"} {
		if _, err := p.Site(which); !errors.Is(err, ErrNoSite) {
			t.Errorf("%s: %v", which, err)
		}
	}
}

func TestVersionsAndTombstone(t *testing.T) {
	p := open(t)
	site := newSite(t, p)
	if _, err := p.SignTombstone(t.Context(), site.Root); !errors.Is(err, ErrNothing) {
		t.Errorf("withdrawn before it was published: %v", err)
	}
	if _, err := p.Renew(t.Context(), site.Root); !errors.Is(err, ErrNothing) {
		t.Errorf("renewed before it was published: %v", err)
	}
	one := signed(t)(p.SignRecord(t.Context(), site.Root, Fields{Content: content(1), Life: record.MaxLife * 2}))
	two := signed(t)(p.SignRecord(t.Context(), site.Root, Fields{Content: content(2), Note: "better"}))
	same := signed(t)(p.Renew(t.Context(), site.Root))
	back := signed(t)(p.SignRecord(t.Context(), site.Root, Fields{Content: content(1)}))
	if !two.Supersedes(&one) || !same.Supersedes(&two) || !back.Supersedes(&same) || same.Content != two.Content {
		t.Error("sequences do not rise")
	}
	s, err := p.Site(site.Root.String())
	if err != nil || len(s.Versions) != 3 || s.Versions[0].Root != content(1) || s.Versions[1].Note != "better" || s.Versions[1].Seq != two.Seq {
		t.Errorf("%+v, %v", s.Versions, err)
	}
	if err := p.DropVersion(site.Root, s.Versions[0].Seq); err == nil {
		t.Error("the version in force was dropped")
	}
	if err := p.DropVersion(site.Root, s.Versions[1].Seq); err != nil {
		t.Error(err)
	}
	dead := signed(t)(p.SignTombstone(t.Context(), site.Root))
	if !dead.Tombstone() || !dead.Supersedes(&back) || dead.Expires < one.Expires {
		t.Errorf("the tombstone ends %s, a record %s", dead.ExpiresAt(), one.ExpiresAt())
	}
	if again := signed(t)(p.Renew(t.Context(), site.Root)); !again.Tombstone() {
		t.Error("a renewal undid the withdrawal")
	}
	alive := signed(t)(p.SignRecord(t.Context(), site.Root, Fields{Content: content(3)}))
	if alive.Tombstone() || !alive.Supersedes(&dead) {
		t.Error("a withdrawn site cannot be published again")
	}
}

func TestRenewal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := open(t)
		site := newSite(t, p)
		due := func() bool {
			s, err := p.Due(time.Now())
			if err != nil {
				t.Fatal(err)
			}
			return len(s) == 1
		}
		if due() {
			t.Error("due before the first record")
		}
		signed(t)(p.SignRecord(t.Context(), site.Root, Fields{Content: content(1)}))
		time.Sleep(30*24*time.Hour - time.Second)
		if due() {
			t.Error("due too early")
		}
		time.Sleep(time.Second)
		if !due() {
			t.Error("not due after a third of its life")
		}
		for range 40 { // ten years of quarters: delegations are renewed on the way
			r := signed(t)(p.Renew(t.Context(), site.Root))
			if left := time.Until(r.ExpiresAt()); left != record.DefaultLife {
				t.Fatalf("a record of %s", left)
			}
			time.Sleep(90 * 24 * time.Hour)
		}
		signed(t)(p.SignTombstone(t.Context(), site.Root))
		time.Sleep(80 * 24 * time.Hour)
		if due() {
			t.Error("a withdrawn site is due")
		}
	})
}

func TestWithoutPhrase(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := open(t)
		site := newSite(t, p)
		phrase, err := p.Phrase()
		if err != nil {
			t.Fatal(err)
		}
		if err := p.ForgetPhrase(words); !errors.Is(err, ErrBadPhrase) {
			t.Errorf("forgot a phrase that was not written down right: %v", err)
		}
		if err := p.ForgetPhrase(" " + strings.ToUpper(phrase) + "\n"); err != nil {
			t.Fatal(err)
		}
		data, _ := os.ReadFile(filepath.Join(p.dir, profileFile))
		if bytes.Contains(data, []byte(phrase)) {
			t.Error("the phrase is still on the disk")
		}
		if _, err := p.Phrase(); !errors.Is(err, ErrNoPhrase) {
			t.Errorf("a new phrase in the place of a forgotten one: %v", err)
		}
		if _, err := p.NewSite(""); !errors.Is(err, ErrNoPhrase) {
			t.Errorf("a site without phrase: %v", err)
		}
		if err := p.TestPhrase(phrase); err != nil {
			t.Errorf("the right phrase is not recognised: %v", err)
		}
		r := signed(t)(p.SignRecord(t.Context(), site.Root, Fields{Content: content(1)}))
		time.Sleep(delegationLife - 24*time.Hour)
		r = signed(t)(p.SignRecord(t.Context(), site.Root, Fields{Content: content(2)}))
		if r.Expires != r.Delegation.NotAfter {
			t.Errorf("a record outlives its delegation")
		}
		time.Sleep(24 * time.Hour)
		if _, err := p.SignRecord(t.Context(), site.Root, Fields{Content: content(3)}); !errors.Is(err, ErrDelegation) {
			t.Errorf("signed after the delegation ended: %v", err)
		}
		if err := p.RestorePhrase(words); !errors.Is(err, ErrHasKeys) {
			t.Errorf("another phrase: %v", err)
		}
		if err := p.RestorePhrase(phrase); err != nil {
			t.Fatal(err)
		}
		signed(t)(p.SignRecord(t.Context(), site.Root, Fields{Content: content(3)}))
	})
}

// A publisher whose clock was a year ahead for a while can go on.
func TestClockWasAhead(t *testing.T) {
	p := open(t)
	site := newSite(t, p)
	var ahead record.Record
	synctest.Test(t, func(t *testing.T) { // the year 2000
		p2 := &Profile{dir: p.dir}
		time.Sleep(365 * 24 * time.Hour)
		ahead = signed(t)(p2.SignRecord(t.Context(), site.Root, Fields{Content: content(1)}))
	})
	synctest.Test(t, func(t *testing.T) { // the year 2000 again
		p2 := &Profile{dir: p.dir}
		r := signed(t)(p2.SignRecord(t.Context(), site.Root, Fields{Content: content(2)}))
		if !r.Supersedes(&ahead) {
			t.Error("the right record loses against the one from the future")
		}
		if _, err := record.Check(record.NetworkID(""), record.SiteKey(site.Root), r.Raw, time.Now(), record.StoreSkew); err != nil {
			t.Errorf("storing nodes refuse it: %v", err)
		}
		p2.update(func(s *state) error {
			s.Phrase = ""
			s.Sites[0].Seq = record.Millis(time.Now().Add(8 * 24 * time.Hour))
			return nil
		})
		if _, err := p2.SignRecord(t.Context(), site.Root, Fields{Content: content(2)}); !errors.Is(err, ErrClock) {
			t.Errorf("without phrase: %v", err)
		}
	})
}

// The laptop is lost; the phrase finds the sites again on a new one, and then
// shuts the lost one out, whatever it signs.
func TestRecoverAndShutOut(t *testing.T) {
	lost := open(t)
	phrase, _ := lost.Phrase()
	newSite(t, lost) // never published
	site, err := lost.NewSite("pg")
	if err != nil {
		t.Fatal(err)
	}
	last := signed(t)(lost.SignRecord(t.Context(), site.Root, Fields{Content: content(1), Size: 7}))

	fresh := open(t)
	if _, err := fresh.Candidate(0); !errors.Is(err, ErrNoPhrase) {
		t.Errorf("keys from nowhere: %v", err)
	}
	if err := fresh.RestorePhrase(phrase); err != nil {
		t.Fatal(err)
	}
	root, err := fresh.Candidate(1)
	if err != nil || root != site.Root {
		t.Fatalf("site 1 is %s, %v", root, err)
	}
	if _, err := fresh.Recover(0, last.Raw); !errors.Is(err, record.ErrWrongKey) {
		t.Errorf("the record of another site: %v", err)
	}
	got, err := fresh.Recover(1, last.Raw)
	if err != nil || got.Name != "pg" || got.Seq != last.Seq || got.Versions[0].Root != content(1) || got.Device == site.Device {
		t.Fatalf("%+v, %v", got, err)
	}
	if again, err := fresh.NewSite("other"); err != nil || again.Root == site.Root {
		t.Errorf("a new site has a recovered one's key: %v", err)
	}
	// Both devices sign side by side.
	next := signed(t)(fresh.Renew(t.Context(), site.Root))
	if !next.Supersedes(&last) || next.Content != content(1) {
		t.Error("the new device's record is worth less")
	}
	if err := lost.Observe(next.Raw); err != nil {
		t.Fatal(err)
	}
	if r := signed(t)(lost.SignRecord(t.Context(), site.Root, Fields{Content: content(2)})); !r.Supersedes(&next) {
		t.Error("the old device's record is worth less")
	}
	// The laptop was stolen without the phrase.
	if err := lost.ForgetPhrase(phrase); err != nil {
		t.Fatal(err)
	}
	if err := fresh.ShutOut(site.Root); err != nil {
		t.Fatal(err)
	}
	rescued := signed(t)(fresh.SignRecord(t.Context(), site.Root, Fields{Content: content(3)}))
	stolen := signed(t)(lost.SignRecord(t.Context(), site.Root, Fields{Content: content(666)}))
	if !rescued.Supersedes(&stolen) {
		t.Error("the stolen device wins")
	}
	if err := lost.Observe(rescued.Raw); !errors.Is(err, ErrShutOut) {
		t.Errorf("the stolen device does not notice: %v", err)
	}
	if err := fresh.Observe(stolen.Raw); err != nil {
		t.Errorf("a record of the old generation: %v", err)
	}
}

func TestBackup(t *testing.T) {
	p := open(t)
	site := newSite(t, p)
	r := signed(t)(p.SignRecord(t.Context(), site.Root, Fields{Content: content(1)}))
	phrase, _ := p.Phrase()
	if err := p.Backup(&bytes.Buffer{}, "short"); err == nil {
		t.Error("a passphrase of five letters is accepted")
	}
	var out bytes.Buffer
	if err := p.backup(&out, "correct horse", 10); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(out.String(), "-----BEGIN AGE ENCRYPTED FILE-----") || strings.Contains(out.String(), phrase) {
		t.Errorf("not an age file: %.40q", out.String())
	}
	fresh := open(t)
	if err := fresh.RestoreBackup(bytes.NewReader(out.Bytes()), "wrong horse"); !errors.Is(err, ErrPassphrase) {
		t.Errorf("a wrong passphrase: %v", err)
	}
	if err := fresh.RestoreBackup(bytes.NewReader(out.Bytes()[:out.Len()/2]), "correct horse"); err == nil {
		t.Error("half a backup is restored")
	}
	if err := fresh.RestoreBackup(bytes.NewReader(out.Bytes()), "correct horse"); err != nil {
		t.Fatal(err)
	}
	if again := signed(t)(fresh.Renew(t.Context(), site.Root)); !again.Supersedes(&r) || again.Content != content(1) {
		t.Error("the restored profile does not go on where the old one was")
	}
	if err := fresh.RestoreBackup(bytes.NewReader(out.Bytes()), "correct horse"); !errors.Is(err, ErrHasKeys) {
		t.Errorf("over other keys: %v", err)
	}
}

func TestReadPhrase(t *testing.T) {
	if got, err := readPhrase("  " + strings.ToUpper(strings.ReplaceAll(words, " ", "\n  "))); err != nil || got != words {
		t.Errorf("%q, %v", got, err)
	}
	for typed, want := range map[string]string{
		"":                                       "0 words",
		strings.TrimSuffix(words, " art"):        "23 words",
		strings.Replace(words, "art", "aart", 1): `word 24 ("aart")`,
		strings.Replace(words, "art", "able", 1): "do not fit",
	} {
		if _, err := readPhrase(typed); !errors.Is(err, ErrBadPhrase) || !strings.Contains(err.Error(), want) {
			t.Errorf("%.20q: %v, want %q in it", typed, err, want)
		}
	}
	one, _ := open(t).Phrase()
	two, _ := open(t).Phrase()
	if one == two || len(strings.Fields(one)) != 24 {
		t.Errorf("phrases %q and %q", one, two)
	}
}

// Two processes sign at once: no sequence is given out twice.
func TestProcessesShareAProfile(t *testing.T) {
	p := open(t)
	site := newSite(t, p)
	seen := make(chan uint64, 100)
	var wg sync.WaitGroup
	for i := range 4 {
		other, err := Open(p.dir)
		if err != nil {
			t.Fatal(err)
		}
		wg.Go(func() {
			for j := range 5 {
				raw, err := other.SignRecord(t.Context(), site.Root, Fields{Content: content(10*i + j)})
				if err != nil {
					t.Error(err)
					return
				}
				r, _ := record.Parse(raw)
				seen <- r.Seq
			}
		})
	}
	wg.Wait()
	close(seen)
	unique := map[uint64]bool{}
	for s := range seen {
		unique[s] = true
	}
	if len(unique) != 20 {
		t.Errorf("%d sequences for 20 records", len(unique))
	}
}

func TestFilesArePrivate(t *testing.T) {
	p := open(t)
	newSite(t, p)
	path := filepath.Join(p.dir, profileFile)
	if runtime.GOOS != "windows" {
		for path, want := range map[string]os.FileMode{p.dir: 0o700, path: 0o600} {
			if info, err := os.Stat(path); err != nil || info.Mode().Perm() != want {
				t.Errorf("%s has mode %v, %v", path, info.Mode(), err)
			}
		}
		os.Chmod(path, 0o644)
		if _, err := Open(p.dir); !errors.Is(err, identity.ErrExposed) {
			t.Errorf("a profile that all may read: %v", err)
		}
		os.Chmod(path, 0o600)
	}
	if err := os.WriteFile(path, []byte(`{"version":2}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(p.dir); !errors.Is(err, ErrNewer) {
		t.Errorf("a profile of a later version: %v", err)
	}
	if err := os.WriteFile(path, []byte(`{"version":1,"sites":[{}]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(p.dir); !errors.Is(err, ErrDamaged) {
		t.Errorf("a broken profile: %v, want ErrDamaged", err)
	}
}

func TestMintingEndsWithContext(t *testing.T) {
	p := open(t)
	site, err := p.NewSite("pg")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := p.SignRecord(ctx, site.Root, Fields{Content: content(1)}); !errors.Is(err, context.Canceled) {
		t.Errorf("signed all the same: %v", err)
	}
}

package ui

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"altnet/engine/control"
	"altnet/engine/publisher"
)

const words24 = "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon " +
	"abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon art"

// publishedOnce gives the profile a site with a first record.
func (w *opened) publishedOnce() publisher.Site {
	w.t.Helper()
	s, err := w.profile.NewSite("")
	if err != nil {
		w.t.Fatal(err)
	}
	if _, err := w.profile.SignRecord(w.t.Context(), s.Root, publisher.Fields{Content: control.Hash{1}, Size: 5}); err != nil {
		w.t.Fatal(err)
	}
	return s
}

// phrase returns the profile's words.
func (w *opened) phrase() string {
	w.t.Helper()
	phrase, err := w.profile.Phrase()
	if err != nil {
		w.t.Fatal(err)
	}
	return phrase
}

func TestKeysBeforeThereAreAny(t *testing.T) {
	inWindow(t, nil, func(w *opened) {
		w.tap("nav.keys")
		w.want("keys.none", "keys.restore")
		w.wantNot("keys.phrase.show")
	})
}

func TestBadgeStaysUntilARestoreTestPassed(t *testing.T) {
	inWindow(t, nil, func(w *opened) {
		w.wantNot("keys.badge")
		w.publishedOnce()
		w.tell(control.Event{Kind: control.EventReceipt, Receipt: &control.Receipt{Copies: 1}})
		w.want("keys.badge") // nobody opened the page yet
		w.tap("nav.keys")
		w.want("keys.risky", "keys.risky.more")
		w.tap("keys.phrase.test")
		w.write(0, words24)
		w.tap("phrasetest.do")
		w.want("cause.otherkeys", "cause.otherkeys.do")
		w.write(0, strings.ToUpper(w.phrase()))
		w.wantNot("cause.otherkeys") // typing takes the message away
		w.tap("phrasetest.do")
		w.want("test.right")
		w.tap("action.done")
		w.want("keys.safe")
		w.wantNot("keys.badge")
	})
}

func TestPhraseIsCountedWhileItIsTyped(t *testing.T) {
	inWindow(t, nil, func(w *opened) {
		w.publishedOnce()
		w.tap("nav.keys")
		w.tap("keys.phrase.test")
		w.write(0, "abandon aband")
		w.want("2 of 24 words.")
		w.wantNot("not in the list") // still being typed
		w.write(0, "abandon aband ability")
		w.want("Word 2, “aband”, is not in the list")
		w.tap("phrasetest.do")
		w.want("cause.badphrase")
	})
}

func TestWordsAreShownAfterAuthenticationAlone(t *testing.T) {
	inWindow(t, func(_ *fakeControl, d *fakeDesktop) {
		d.fail["Authenticate"] = fmt.Errorf("polkit: %w", ErrRefused)
	}, func(w *opened) {
		w.publishedOnce()
		first := strings.Fields(w.phrase())[0]
		w.tap("nav.keys")
		w.tap("keys.phrase.show")
		w.want("cause.refused")
		w.wantNot("phrase.how")
		delete(w.desk.fail, "Authenticate")
		w.tap("action.retry")
		w.want("phrase.how", "phrase.warning", first)
		w.tap("phrase.hide")
		w.wantNot("phrase.how")
	})
}

func TestWordsWithoutASystemThatAsks(t *testing.T) {
	inWindow(t, func(_ *fakeControl, d *fakeDesktop) {
		d.fail["Authenticate"] = ErrNoAuthentication
	}, func(w *opened) {
		w.publishedOnce()
		w.tap("nav.keys")
		w.tap("keys.phrase.show")
		w.want("phrase.nolock")
		w.tap("phrase.nolock.show")
		w.want("phrase.how")
		w.tap("phrase.written")
		w.write(0, w.phrase())
		w.tap("phrasetest.do")
		w.tap("action.done")
		// Once they are written down and tested, there is no need any more.
		w.tap("keys.phrase.show")
		w.want("cause.noauth")
		w.wantNot("phrase.nolock.show")
	})
}

func TestPhraseThatWasTakenAway(t *testing.T) {
	inWindow(t, nil, func(w *opened) {
		w.publishedOnce()
		if err := w.profile.ForgetPhrase(w.phrase()); err != nil {
			t.Fatal(err)
		}
		w.tap("nav.keys")
		w.want("keys.phrase.away", "keys.safe")
	})
}

func TestBackupFileIsSavedAndTested(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.age")
	inWindow(t, nil, func(w *opened) {
		w.publishedOnce()
		w.tap("nav.keys")
		w.tap("keys.file.save")
		w.want("backup.lead", "backup.warning")
		w.write(0, path)
		w.write(1, "short")
		w.write(2, "other")
		w.tap("backup.do")
		w.want("pass.differ")
		w.write(2, "short")
		w.tap("backup.do")
		w.want("cause.shortpass")
		w.write(1, "correct horse")
		w.write(2, "correct horse")
		w.tap("backup.do")
		w.want("backup.saved", path)
		w.tap("action.folder")
		if len(w.desk.shown) != 1 || w.desk.shown[0] != filepath.Dir(path) {
			t.Errorf("shown: %q", w.desk.shown)
		}
		w.tap("backup.testnow")
		w.want(path)
		w.write(1, "wrong horse")
		w.tap("filetest.do")
		w.want("cause.passphrase")
		w.write(1, "correct horse")
		w.tap("filetest.do")
		w.want("test.right")
		w.tap("action.done")
		w.want("keys.safe", "keys.file.saved")
	})
}

func TestBackupFileErrors(t *testing.T) {
	dir := t.TempDir()
	taken := filepath.Join(dir, "taken.age")
	if err := os.WriteFile(taken, []byte("hello"), 0o600); err != nil {
		t.Fatal(err)
	}
	inWindow(t, func(_ *fakeControl, d *fakeDesktop) { d.picked = dir }, func(w *opened) {
		w.publishedOnce()
		w.tap("nav.keys")
		w.tap("keys.file.save")
		w.write(0, "taken.age")
		w.tap("action.choose")
		if got := w.entry(0).Text; got != taken {
			t.Errorf("proposed %q, want %q", got, taken)
		}
		w.write(1, "correct horse")
		w.write(2, "correct horse")
		w.tap("backup.do")
		w.want("cause.fileexists")
		w.nav.back()
		w.tap("keys.file.test")
		w.write(0, taken)
		w.write(1, "correct horse")
		w.tap("filetest.do")
		w.want("cause.badbackup")
		w.write(0, filepath.Join(dir, "missing"))
		w.tap("filetest.do")
		w.want("cause.vanished")
	})
}

func TestRestoreByPhrase(t *testing.T) {
	inWindow(t, nil, func(w *opened) {
		w.tap("nav.keys")
		w.tap("keys.restore.phrase")
		w.write(0, "abandon")
		w.tap("restore.do")
		w.want("cause.badphrase")
		w.write(0, words24)
		w.tap("restore.do")
		w.want("restore.right", "restore.nosites", "restore.devices")
		if got := w.phrase(); got != words24 {
			t.Errorf("the phrase is %q", got)
		}
	})
}

func TestRestoreByFile(t *testing.T) {
	dir := t.TempDir()
	old, err := publisher.Open(filepath.Join(dir, "old"))
	if err != nil {
		t.Fatal(err)
	}
	site, err := old.NewSite("")
	if err != nil {
		t.Fatal(err)
	}
	raw, err := old.SignRecord(t.Context(), site.Root, publisher.Fields{Content: control.Hash{1}, Size: 5})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "keys.age")
	if err := old.BackupFile(path, "correct horse"); err != nil {
		t.Fatal(err)
	}
	inWindow(t, func(c *fakeControl, _ *fakeDesktop) {
		c.resolve[site.Bare()] = resolved{res: control.Resolution{Record: raw}}
		c.fail["SetPinned"] = control.ErrMissing
	}, func(w *opened) {
		w.tap("nav.keys")
		w.tap("keys.restore.file")
		w.write(0, path)
		w.write(1, "correct horse")
		w.tap("restore.do")
		w.want("restore.right", site.Bare(), "cause.missing")
		w.tap("action.done")
		w.tap("keys.restore.phrase")
		w.write(0, words24)
		w.tap("restore.do")
		w.want("cause.haskeys")
	})
}

func TestAnotherDeviceIsTold(t *testing.T) {
	inWindow(t, nil, func(w *opened) {
		site := w.publishedOnce()
		w.publishElsewhere(site, control.Hash{2})
		w.tap("nav.keys")
		w.wantNot("keys.elsewhere.ok")
		w.tap("keys.device.look")
		w.want("Another device published "+site.Bare(), "keys.elsewhere.update.more")
		w.tap("keys.elsewhere.ok")
		w.wantNot("keys.elsewhere.update.more")
		w.tap("keys.device.look")
		w.want("keys.device.none")
	})
}

// publishElsewhere makes a second device with the same words publish.
func (w *opened) publishElsewhere(site publisher.Site, content control.Hash) {
	w.t.Helper()
	other, err := publisher.Open(filepath.Join(w.t.TempDir(), "other"))
	if err != nil {
		w.t.Fatal(err)
	}
	if err := other.RestorePhrase(w.phrase()); err != nil {
		w.t.Fatal(err)
	}
	mine, err := w.profile.Renew(w.t.Context(), site.Root)
	if err != nil {
		w.t.Fatal(err)
	}
	if _, err := other.Recover(0, mine); err != nil {
		w.t.Fatal(err)
	}
	raw, err := other.SignRecord(w.t.Context(), site.Root, publisher.Fields{Content: content, Size: 5})
	if err != nil {
		w.t.Fatal(err)
	}
	w.ctl.set(func(c *fakeControl) { c.resolve[site.Bare()] = resolved{res: control.Resolution{Record: raw}} })
}

func TestAnotherDeviceIsTakenOut(t *testing.T) {
	inWindow(t, nil, func(w *opened) {
		site := w.publishedOnce()
		w.publishElsewhere(site, control.Hash{1}) // the same content: it just renews
		w.tap("nav.keys")
		w.tap("keys.device.look")
		w.want("keys.elsewhere.renewed.more", "keys.badge")
		w.tap("keys.elsewhere.out")
		w.want("keys.shutout.text")
		w.tap("keys.shutout.yes")
		w.wantNot("keys.elsewhere.renewed.more")
		if len(w.ctl.published) != 1 {
			t.Errorf("%d records were published", len(w.ctl.published))
		}
		if now, _ := w.profile.Site(site.Bare()); now.Serial != site.Serial+1 {
			t.Errorf("serial %d after %d", now.Serial, site.Serial)
		}
	})
}

func TestNoticeOfTwoDevicesReloadsTheKeys(t *testing.T) {
	inWindow(t, nil, func(w *opened) {
		site := w.publishedOnce()
		if err := w.profile.TestPhrase(w.phrase()); err != nil {
			t.Fatal(err)
		}
		w.publishElsewhere(site, control.Hash{2})
		if _, err := w.author.Devices(context.Background()); err != nil {
			t.Fatal(err)
		}
		w.tell(control.Event{Kind: control.EventNotice, Notice: &control.Notice{Kind: control.NoticeTwoDevices, Name: site.Bare()}})
		w.want("keys.badge.devices")
	})
}

func TestDevicesWhileTheNodeIsGone(t *testing.T) {
	inWindow(t, nil, func(w *opened) {
		w.publishedOnce()
		w.ctl.set(func(c *fakeControl) { c.fail["Resolve"] = errors.Join(control.ErrNotRunning) })
		w.tap("nav.keys")
		w.tap("keys.device.look")
		w.want("error.devices", "cause.stopped")
	})
}

func TestDamagedProfile(t *testing.T) {
	inWindow(t, nil, func(w *opened) {
		w.publishedOnce()
		w.damageProfile()
		w.tell(control.Event{Kind: control.EventSite})
		w.want("keys.badge.broken")
		w.tap("nav.keys")
		w.want("cause.damaged", "cause.damaged.do", "action.retry")
	})
}

// damageProfile spoils the file with the keys.
func (w *opened) damageProfile() {
	w.t.Helper()
	if err := os.WriteFile(filepath.Join(w.profileDir, "profile.json"), []byte("{"), 0o600); err != nil {
		w.t.Fatal(err)
	}
}

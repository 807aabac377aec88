package ui

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/dialog"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"

	"altnet/engine/publisher"
)

// phraseField is where the 24 words are typed, with a line below that counts
// them and says which are in no list.
type phraseField struct {
	entry *entry
	count *widget.Label
	view  fyne.CanvasObject
}

func newPhraseField(a *App, changed func()) *phraseField {
	f := &phraseField{entry: a.newTextEntry(4), count: note("")}
	f.entry.SetPlaceHolder(a.t("words.placeholder"))
	f.entry.OnChanged = func(typed string) {
		f.count.SetText(a.wordsTyped(typed))
		changed()
	}
	f.count.SetText(a.wordsTyped(""))
	f.view = container.NewVBox(field(a.t("words.label"), f.entry), f.count)
	return f
}

// wordsTyped says how far a phrase is typed.
func (a *App) wordsTyped(typed string) string {
	count, unknown := publisher.TypedWords(typed)
	if !strings.HasSuffix(typed, " ") && len(unknown) > 0 && unknown[len(unknown)-1] == count {
		unknown = unknown[:len(unknown)-1] // is still being typed
	}
	text := a.t("words.count", "n", a.number(int64(count)))
	if len(unknown) > 0 {
		text += " " + a.t("words.unknown", "n", a.number(int64(unknown[0])), "word", strings.Fields(typed)[unknown[0]-1])
	}
	return text
}

// newPhraseTestPage lets the person type the words that were written down.
func newPhraseTestPage(a *App) page {
	p := newFormPage(a, a.t("keys.phrase.test"), a.t("phrasetest.lead"), a.t("phrasetest.do"))
	words := newPhraseField(a, func() { p.say() })
	p.fields, p.first = []fyne.CanvasObject{words.view}, words.entry
	p.begin = func() func(context.Context) error {
		typed := words.entry.Text
		return func(context.Context) error { return a.profile.TestPhrase(typed) }
	}
	p.done = func() []fyne.CanvasObject {
		a.keysChanged()
		return []fyne.CanvasObject{good(a.t("test.right"), a.t("phrasetest.right")), p.closing()}
	}
	return p
}

// fileField is a path with a button that opens the file picker.
type fileField struct {
	entry *entry
	view  fyne.CanvasObject
}

func newFileField(a *App, label string, choose *button) *fileField {
	f := &fileField{entry: a.newEntry()}
	f.entry.label = label
	f.view = field(label, row(f.entry, choose))
	return f
}

// openFileField takes a file that is there.
func openFileField(a *App, label, path string) *fileField {
	var f *fileField
	f = newFileField(a, label, newButton(a.t("action.choose"), theme.FolderOpenIcon(), func() { a.pickFile(f.entry.SetText) }))
	f.entry.SetText(path)
	return f
}

// pickFile asks for a file in the window.
func (a *App) pickFile(picked func(path string)) {
	d := dialog.NewFileOpen(func(r fyne.URIReadCloser, err error) {
		if err != nil {
			a.fail("error.pick", err)
		} else if r != nil {
			defer r.Close()
			picked(filepath.FromSlash(r.URI().Path()))
		}
	}, a.win)
	d.Resize(a.win.Canvas().Size())
	d.Show()
}

// newFileTestPage opens a backup file with its passphrase, to see that it
// would bring everything back.
func newFileTestPage(a *App, path string) page {
	p := newFormPage(a, a.t("keys.file.test"), a.t("filetest.lead"), a.t("filetest.do"))
	file, pass := openFileField(a, a.t("file.label"), path), a.newSecretEntry()
	pass.OnSubmitted = func(string) { p.run() }
	p.fields, p.first = []fyne.CanvasObject{file.view, field(a.t("pass.label"), pass)}, file.entry
	if path != "" {
		p.first = pass
	}
	p.begin = func() func(context.Context) error {
		path, secret := file.entry.Text, pass.Text
		return func(context.Context) error { return testBackup(a.profile, path, secret) }
	}
	p.done = func() []fyne.CanvasObject {
		a.keysChanged()
		return []fyne.CanvasObject{good(a.t("test.right"), a.t("filetest.right")), p.closing()}
	}
	return p
}

func testBackup(profile *publisher.Profile, path, passphrase string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return profile.TestBackup(f, passphrase)
}

// newBackupPage writes a backup file.
func newBackupPage(a *App) page {
	p := newFormPage(a, a.t("keys.file.save"), a.t("backup.lead"), a.t("backup.do"))
	var file *fileField
	file = newFileField(a, a.t("backup.where"), newButton(a.t("action.choose"), theme.FolderOpenIcon(), func() {
		a.pickFolder(a.t("backup.pick"), func(dir string) { file.entry.SetText(filepath.Join(dir, filepath.Base(file.entry.Text))) })
	}))
	file.entry.SetText(backupName())
	pass, again := a.newSecretEntry(), a.newSecretEntry()
	again.OnSubmitted = func(string) { p.run() }
	p.fields = []fyne.CanvasObject{file.view, field(a.t("pass.new"), pass), field(a.t("pass.again"), again), note(a.t("backup.warning"))}
	p.first = pass
	p.begin = func() func(context.Context) error {
		if pass.Text != again.Text {
			p.say(warn(a.t("pass.differ"), a.t("pass.differ.do")))
			return nil
		}
		path, secret := file.entry.Text, pass.Text
		return func(context.Context) error { return a.profile.BackupFile(path, secret) }
	}
	p.done = func() []fyne.CanvasObject {
		a.keysChanged()
		path := file.entry.Text
		test := primaryButton(a.t("backup.testnow"), theme.ConfirmIcon(), func() { a.nav.replace(newFileTestPage(a, path)) })
		folder := newButton(a.t("action.folder"), theme.FolderIcon(), func() { a.showFolder(filepath.Dir(path)) })
		return []fyne.CanvasObject{good(a.t("backup.saved"), a.t("backup.saved.more", "file", path)), actions(test, folder)}
	}
	return p
}

// backupName proposes where a backup file goes.
func backupName() string {
	name := "altnet-keys-" + time.Now().Format("2006-01-02") + ".age"
	home, err := os.UserHomeDir()
	if err != nil {
		return name
	}
	if docs := filepath.Join(home, "Documents"); isFolder(docs) {
		return filepath.Join(docs, name)
	}
	return filepath.Join(home, name)
}

// newRestorePage brings keys back, from a backup file or from the words, and
// looks for their sites.
func newRestorePage(a *App, byFile bool) page {
	var found []string
	var missed error
	restore := restoreByPhrase
	if byFile {
		restore = restoreByFile
	}
	p := newFormPage(a, a.t("keys.restore"), a.t("restore.lead"), a.t("restore.do"))
	bring := restore(a, p)
	p.begin = func() func(context.Context) error {
		keys := bring()
		return func(ctx context.Context) error {
			if err := keys(); err != nil {
				return err
			}
			found, missed = a.author.Restore(ctx)
			return nil // the keys are back, whatever the network says
		}
	}
	p.done = func() []fyne.CanvasObject {
		a.keysChanged()
		return append(a.restored(found, missed), p.closing())
	}
	return p
}

// restored says which sites came back.
func (a *App) restored(found []string, missed error) []fyne.CanvasObject {
	text := a.t("restore.nosites")
	if len(found) > 0 {
		text = a.t("restore.sites", "sites", strings.Join(found, ", "))
	}
	out := []fyne.CanvasObject{good(a.t("restore.right"), text)}
	if missed != nil {
		out = append(out, a.problem(missed))
	}
	return append(out, note(a.t("restore.devices")))
}

func restoreByPhrase(a *App, p *formPage) func() func() error {
	words := newPhraseField(a, func() { p.say() })
	p.fields, p.first = []fyne.CanvasObject{words.view}, words.entry
	return func() func() error {
		typed := words.entry.Text
		return func() error { return a.profile.RestorePhrase(typed) }
	}
}

func restoreByFile(a *App, p *formPage) func() func() error {
	file, pass := openFileField(a, a.t("file.label"), ""), a.newSecretEntry()
	pass.OnSubmitted = func(string) { p.run() }
	p.fields, p.first = []fyne.CanvasObject{file.view, field(a.t("pass.label"), pass)}, file.entry
	return func() func() error {
		path, secret := file.entry.Text, pass.Text
		return func() error {
			f, err := os.Open(path)
			if err != nil {
				return err
			}
			defer f.Close()
			return a.profile.RestoreBackup(f, secret)
		}
	}
}

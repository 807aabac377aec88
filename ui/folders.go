package ui

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/dialog"
)

// dropped takes what was dropped anywhere on the window.
func (a *App) dropped(_ fyne.Position, uris []fyne.URI) {
	var folders []string
	for _, u := range uris {
		if u.Scheme() == "file" {
			folders = append(folders, filepath.FromSlash(u.Path())) // String would leave escapes in
		}
	}
	a.publish(folders)
}

// addFolder asks for a folder to publish.
func (a *App) addFolder() {
	a.pickFolder(a.t("folder.pick"), func(path string) { a.publish([]string{path}) })
}

// pickFolder asks for a folder: with the system's dialog, else Fyne's.
func (a *App) pickFolder(title string, picked func(path string)) {
	run(a, func(ctx context.Context) (string, error) { return a.desk.PickFolder(ctx, title) },
		func(path string, err error) {
			switch {
			case errors.Is(err, ErrNoPicker):
				a.pickInWindow(title, picked)
			case errors.Is(err, ErrRefused), err == nil && path == "":
			case err != nil:
				a.fail("error.pick", err)
			default:
				picked(path)
			}
		})
}

func (a *App) pickInWindow(title string, picked func(path string)) {
	d := dialog.NewFolderOpen(func(u fyne.ListableURI, err error) {
		if err != nil {
			a.fail("error.pick", err)
		} else if u != nil {
			picked(filepath.FromSlash(u.Path()))
		}
	}, a.win)
	d.SetTitleText(title)
	d.Show() // before Resize, which needs what Show builds
	d.Resize(a.win.Canvas().Size())
}

// isFolder reports whether path is a folder that is there.
func isFolder(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

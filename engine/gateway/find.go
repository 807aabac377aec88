package gateway

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"

	"altnet/engine/site"
)

// found is the file that answers a path, open.
type found struct {
	loaded
	site     Site
	file     fs.File
	size     int64
	name     string // in the FS
	status   int    // 200, or 404 with the site's own page for it
	redirect string // path to go to instead; nothing is open then
}

func (f *found) Close() {
	if f.file != nil {
		f.file.Close()
	}
	f.giveBack()
}

// find opens what a URL's path stands for: a file, a folder's index.html,
// PATH.html, or what the site shows for what is missing. page: a page may stand
// for what is missing.
func find(ctx context.Context, s Site, urlPath string, page bool) (*found, error) {
	fsys := s.FS
	if own, ok := fsys.(*site.FS); ok {
		fsys = own.WithContext(ctx)
	}
	f := &found{site: s, status: 200}
	slash := strings.HasSuffix(urlPath, "/")
	name := strings.TrimPrefix(path.Clean("/"+urlPath), "/")
	if name == "" {
		name = "."
	}
	err := f.open(fsys, name, slash)
	if errors.Is(err, fs.ErrNotExist) && !slash && path.Ext(name) == "" {
		err = f.open(fsys, name+".html", false)
	}
	if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrInvalid) {
		return f, err
	}
	return f, f.instead(fsys, err, page && path.Ext(name) == "")
}

// errNoIndex is a folder without index.html.
var errNoIndex = fmt.Errorf("folder without index.html: %w", fs.ErrNotExist)

// open opens a file, or a folder's index.html when asked with a slash.
func (f *found) open(fsys fs.FS, name string, slash bool) error {
	if !fs.ValidPath(name) || strings.ContainsAny(name, "\\\x00") {
		return fs.ErrInvalid
	}
	file, err := fsys.Open(name)
	if err != nil {
		return err
	}
	info, err := file.Stat()
	if err == nil && !info.IsDir() {
		if slash {
			file.Close()
			return fs.ErrNotExist
		}
		f.file, f.size, f.name = file, info.Size(), name
		return nil
	}
	file.Close()
	if err != nil {
		return err
	}
	if !slash && name != "." {
		f.redirect = "/" + name + "/"
		return nil
	}
	err = f.open(fsys, path.Join(name, "index.html"), false)
	if errors.Is(err, fs.ErrNotExist) || f.redirect != "" { // a folder called index.html
		f.redirect = ""
		return errNoIndex
	}
	return err
}

// instead opens the page that a site has for missing ones: 404.html, or that of
// an application which routes by itself, where one was asked for without
// extension. Such a site says so by 200.html, or has no page but index.html; on
// one of many pages what is missing is missing.
func (f *found) instead(fsys fs.FS, missing error, app bool) error {
	names := []string{"404.html"}
	if app && !errors.Is(missing, errNoIndex) {
		names = append(names, "200.html", "index.html")
	}
	for _, name := range names {
		f.status = 200
		if name == "404.html" {
			f.status = 404
		}
		if name == "index.html" {
			if only, err := onlyPage(fsys); err != nil || !only {
				return cmp.Or(err, missing)
			}
		}
		err := f.open(fsys, name, false)
		if err == nil && f.redirect == "" {
			return nil
		}
		f.redirect = ""
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return missing
}

// appFolders is how many folders an application may have: they are looked
// through, and may have to be fetched.
const appFolders = 64

// onlyPage reports whether a site has no other page than its index.html.
func onlyPage(fsys fs.FS) (bool, error) {
	folders := []string{"."}
	for i := 0; i < len(folders); i++ {
		if len(folders) > appFolders {
			return false, nil
		}
		entries, err := fs.ReadDir(fsys, folders[i])
		if err != nil {
			return false, err
		}
		for _, e := range entries {
			name := path.Join(folders[i], e.Name())
			switch {
			case e.IsDir():
				folders = append(folders, name)
			case isPage(name) && name != "index.html":
				return false, nil
			}
		}
	}
	return true, nil
}

func isPage(name string) bool {
	switch strings.ToLower(path.Ext(name)) {
	case ".html", ".htm", ".xhtml":
		return true
	}
	return false
}

// seeker returns the file as http.ServeContent takes it.
func (f *found) seeker() (io.ReadSeeker, error) {
	rs, ok := f.file.(io.ReadSeeker)
	if !ok {
		return nil, fmt.Errorf("%s: a %T cannot seek", f.name, f.file)
	}
	return rs, nil
}

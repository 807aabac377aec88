package assets

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update-licences", false, "collect the libraries' licences anew")

const librariesFile = "licences/libraries.json"

// modules returns the folders of the modules that a build takes in.
func modules(t *testing.T, env []string, args ...string) map[string]string {
	t.Helper()
	cmd := exec.Command("go", append([]string{"list", "-e", "-deps", "-f", "{{with .Module}}{{if not .Main}}{{.Path}}\t{{.Dir}}{{end}}{{end}}"}, args...)...)
	cmd.Dir, cmd.Env = "..", append(os.Environ(), env...)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("list the modules: %v", err)
	}
	found := map[string]string{}
	for line := range strings.Lines(string(out)) {
		if path, dir, ok := strings.Cut(strings.TrimSpace(line), "\t"); ok {
			found[path] = dir
		}
	}
	return found
}

// everywhere returns the modules of every build that is given to people.
func everywhere(t *testing.T) map[string]string {
	t.Helper()
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{"Go": strings.TrimSpace(string(root))}
	for _, system := range []string{"linux", "windows", "darwin"} {
		maps.Copy(all, modules(t, []string{"GOOS=" + system, "CGO_ENABLED=1"}, ".", "./ui/...", "./platform/...", "fyne.io/fyne/v2/app"))
		maps.Copy(all, modules(t, []string{"GOOS=" + system, "CGO_ENABLED=0"}, "-tags", "nogui", "."))
	}
	return all
}

// within names what else lies in a module under a licence of its own: fonts,
// and a library in C.
func within(path string) []string {
	switch path {
	case "fyne.io/fyne/v2":
		return []string{".", "theme/font"}
	case "github.com/go-gl/glfw/v3.4/glfw":
		return []string{".", "glfw"}
	}
	return []string{"."}
}

// licenceFilesOf lists a module's licence files.
func licenceFilesOf(path, dir string) ([]string, error) {
	var out []string
	for _, sub := range within(path) {
		entries, err := os.ReadDir(filepath.Join(dir, sub))
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			name := strings.ToUpper(e.Name())
			if !e.IsDir() && (strings.HasPrefix(name, "LICEN") || strings.HasPrefix(name, "COPYING") || strings.HasPrefix(name, "NOTICE")) {
				out = append(out, filepath.Join(dir, sub, e.Name()))
			}
		}
	}
	return out, nil
}

// licenceOf reads a module's licence files.
func licenceOf(path, dir string) (Library, error) {
	lib := Library{Path: path}
	files, err := licenceFilesOf(path, dir)
	if err != nil {
		return lib, err
	}
	var ids []string
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return lib, err
		}
		if id := identify(string(text)); id != "" && !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
		lib.Text += strings.ReplaceAll(string(text), "\r\n", "\n") + "\n"
	}
	lib.Licence = strings.Join(ids, ", ")
	if lib.Licence == "" {
		return lib, fmt.Errorf("%s: no licence that is known", path)
	}
	return lib, nil
}

// identify names a licence by words that only it has.
func identify(text string) string {
	flat := strings.Join(strings.Fields(text), " ")
	has := func(s string) bool { return strings.Contains(flat, s) }
	switch {
	case has("Mozilla Public License Version 2.0"), has("Mozilla Public License, version 2.0"):
		return "MPL-2.0"
	case has("Apache License Version 2.0"):
		return "Apache-2.0"
	case has("provided 'as-is', without any express or implied warranty"):
		return "Zlib"
	case has("Bitstream Vera"):
		return "Bitstream-Vera"
	case has("Creative Commons Attribution 4.0"):
		return "CC-BY-4.0"
	case has("SIL OPEN FONT LICENSE"):
		return "OFL-1.1"
	case has("Permission is hereby granted, free of charge"):
		return "MIT"
	case has("Permission to use, copy, modify, and/or distribute this software"), has("Permission to use, copy, modify, and distribute this software"):
		return "ISC"
	case has("Redistributions of source code must retain") && (has("Neither the name") || has("names of its contributors may not") || has("may not be used to endorse")):
		return "BSD-3-Clause"
	case has("Redistributions of source code must retain"), has("Redistribution and use in source and binary forms"):
		return "BSD-2-Clause"
	}
	return ""
}

func TestLicencesAreCollected(t *testing.T) {
	if !*update {
		t.Skip("only with -update-licences")
	}
	all := everywhere(t)
	var libs []Library
	for _, path := range slices.Sorted(maps.Keys(all)) {
		lib, err := licenceOf(path, all[path])
		if err != nil {
			t.Fatal(err)
		}
		libs = append(libs, lib)
	}
	data, err := json.MarshalIndent(libs, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(librariesFile, append(data, '\n'), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestEveryLibraryInsideHasItsLicence(t *testing.T) {
	libs, err := Libraries()
	if err != nil {
		t.Fatal(err)
	}
	have := map[string]bool{}
	for _, l := range libs {
		if l.Licence == "" || l.Text == "" {
			t.Errorf("%s has no licence", l.Path)
		}
		have[l.Path] = true
	}
	for path := range everywhere(t) {
		if !have[path] {
			t.Errorf("%s is missing from %s; run: go test ./assets -run Licences -update-licences", path, librariesFile)
		}
	}
}

func TestLicenceIsTheProgramsOwn(t *testing.T) {
	own, err := os.ReadFile("../LICENSE")
	if err != nil {
		t.Fatal(err)
	}
	if Licence() != string(own) {
		t.Error("licences/GPL-3.0.txt differs from LICENSE")
	}
}

package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// allowed reports whether a package of the project may import another
// package, both as paths below the module ("" is the root). It is the
// direction of the architecture in one place.
func allowed(from, imported string) bool {
	within := func(p, tree string) bool { return p == tree || strings.HasPrefix(p, tree+"/") }
	to, own := strings.CutPrefix(imported, "altnet/")
	switch {
	case imported == "altnet":
		return false // nobody imports main
	case within(from, "ui/tray") && within(imported, "fyne.io/fyne"):
		return false // the tray stays small
	case !within(from, "ui") && within(imported, "fyne.io/fyne"):
		return from == ""
	case !own:
		return true
	case from == "", within(from, "e2e"):
		return true
	case within(from, "ui"):
		return within(to, "ui") || to == "engine/control" || to == "engine/publisher" || to == "assets"
	case from == "engine":
		return within(to, "engine") || to == "assets"
	case within(from, "engine"):
		return strings.HasPrefix(to, "engine/") || to == "assets"
	case within(from, "platform"):
		return within(to, "platform")
	}
	return false // assets and whatever is new
}

func TestAllowed(t *testing.T) {
	for edge, want := range map[[2]string]bool{
		{"", "altnet/engine"}:                           true,
		{"", "altnet/ui"}:                               true,
		{"engine", "altnet/engine/dht"}:                 true,
		{"engine/site", "altnet/engine/wire"}:           true,
		{"engine/site", "github.com/fxamacker/cbor/v2"}: true,
		{"engine/gateway", "altnet/assets"}:             true,
		{"engine/site", "altnet/engine"}:                false,
		{"engine/site", "altnet/platform"}:              false,
		{"engine", "altnet/platform/ipc"}:               false,
		{"engine", "altnet/ui"}:                         false,
		{"engine/dht", "altnet"}:                        false,
		{"engine/dht", "fyne.io/fyne/v2"}:               false,
		{"platform/ipc", "altnet/platform"}:             true,
		{"platform/ipc", "altnet/engine/control"}:       false,
		{"ui", "altnet/engine/control"}:                 true,
		{"ui", "altnet/engine/publisher"}:               true,
		{"ui", "altnet/engine/control/controltest"}:     false,
		{"ui", "altnet/engine/site"}:                    false,
		{"ui", "fyne.io/fyne/v2"}:                       true,
		{"ui/tray", "fyne.io/systray"}:                  true,
		{"ui/tray", "fyne.io/fyne/v2"}:                  false,
		{"assets", "altnet/engine/wire"}:                false,
	} {
		if allowed(edge[0], edge[1]) != want {
			t.Errorf("%q may import %q: %v", edge[0], edge[1], !want)
		}
	}
}

// sources parses every Go file of the project, whatever system it is for.
func sources(t *testing.T, visit func(file, pkg string, f *ast.File, set *token.FileSet)) {
	t.Helper()
	set := token.NewFileSet()
	err := filepath.WalkDir(".", func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if name := d.Name(); d.IsDir() && file != "." && (strings.HasPrefix(name, ".") || slices.Contains([]string{"testdata", "data", "dist"}, name)) {
			return filepath.SkipDir
		}
		if d.IsDir() || filepath.Ext(file) != ".go" {
			return nil
		}
		f, err := parser.ParseFile(set, file, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		pkg := path.Dir(filepath.ToSlash(file))
		if pkg == "." {
			pkg = ""
		}
		visit(filepath.ToSlash(file), pkg, f, set)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestImportDirections(t *testing.T) {
	seen := 0
	sources(t, func(file, pkg string, f *ast.File, _ *token.FileSet) {
		for _, spec := range f.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			if seen++; !allowed(pkg, imported) {
				t.Errorf("%s must not import %s", file, imported)
			}
		}
	})
	if seen < 100 {
		t.Errorf("only %d imports were found: is the test run in the root?", seen)
	}
}

func TestPackagesAreExplained(t *testing.T) {
	explained := map[string]bool{}
	sources(t, func(file, pkg string, f *ast.File, _ *token.FileSet) {
		if !strings.HasSuffix(file, "_test.go") {
			explained[pkg] = explained[pkg] || f.Doc != nil
		}
	})
	for pkg, ok := range explained {
		if !ok {
			t.Errorf("package %q has no doc comment", pkg)
		}
		if slices.Contains([]string{"util", "utils", "common", "helpers", "types", "misc"}, path.Base(pkg)) {
			t.Errorf("package %q has a name that says nothing", pkg)
		}
	}
}

func TestNothingRunsAtImport(t *testing.T) {
	sources(t, func(_, _ string, f *ast.File, set *token.FileSet) {
		for _, decl := range f.Decls {
			if fn, ok := decl.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
				t.Errorf("%s: an init function", set.Position(fn.Pos()))
			}
		}
	})
}

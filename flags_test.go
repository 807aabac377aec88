package main

import (
	"errors"
	"flag"
	"io"
	"slices"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	tests := []struct {
		name  string
		args  string
		words string
		check func(*options) bool
		fail  bool
	}{
		{name: "the first line of the manual",
			args: "-listen 0.0.0.0:9000 -gateway 127.0.0.1:8080 -dns 127.0.0.1:5353 -data data/store -keydir data/keys -headless",
			check: func(o *options) bool {
				return o.listen[0] == "0.0.0.0:9000" && o.gateway == "127.0.0.1:8080" && o.dns == "127.0.0.1:5353" &&
					o.data == "data/store" && o.keydir == "data/keys" && o.headless
			}},
		{name: "flags after the words", args: "publish dir name -json -data d", words: "publish dir name",
			check: func(o *options) bool { return o.json && o.data == "d" }},
		{name: "flags before the words", args: "-json -data d publish dir name", words: "publish dir name",
			check: func(o *options) bool { return o.json && o.data == "d" }},
		{name: "flags between", args: "publish -note=n dir -json name", words: "publish dir name",
			check: func(o *options) bool { return o.json && o.note == "n" }},
		{name: "two dashes before a flag", args: "--json sites", words: "sites", check: func(o *options) bool { return o.json }},
		{name: "the end of the flags", args: "put -json -- -data --", words: "put -data --",
			check: func(o *options) bool { return o.json && o.data == "" }},
		{name: "a repeated list", args: "-bootstrap a:1,b:2 -bootstrap c:3",
			check: func(o *options) bool { return slices.Equal(o.bootstrap, []string{"a:1", "b:2", "c:3"}) }},
		{name: "sizes", args: "-store-budget 1GiB -per-peer-budget 500MB",
			check: func(o *options) bool { return o.storeBudget == 1<<30 && o.perPeerBudget == 500_000_000 }},
		{name: "a bad size", args: "-store-budget much", fail: true},
		{name: "no size at all", args: "-store-budget 0", fail: true},
		{name: "an unknown flag", args: "sites -colour", fail: true},
		{name: "a flag without its value", args: "sites -data", fail: true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			o, words, err := parse(strings.Fields(test.args))
			if test.fail {
				if _, ok := errors.AsType[*usageError](err); !ok {
					t.Fatalf("error %v, want a wrong use", err)
				}
				return
			}
			if err != nil || strings.Join(words, " ") != test.words || !test.check(o) {
				t.Errorf("words %q, error %v, options %+v", words, err, o)
			}
		})
	}
}

// TestEveryFlagIsExplained also finds one that was declared twice.
func TestEveryFlagIsExplained(t *testing.T) {
	o := &options{}
	set := flag.NewFlagSet("", flag.PanicOnError)
	set.SetOutput(io.Discard)
	for _, g := range o.groups() {
		for _, f := range g.flags {
			f.register(set)
			if f.usage == "" {
				t.Errorf("-%s has no explanation", f.name)
			}
		}
	}
	for _, c := range commands() {
		for _, name := range c.flags {
			if set.Lookup(name) == nil {
				t.Errorf("%s has a flag -%s that does not exist", c.name, name)
			}
		}
	}
}

func TestSplit(t *testing.T) {
	for line, want := range map[string][]string{
		"":                           nil,
		"  publish  dir ":            {"publish", "dir"},
		`put "two words" 'it''s'`:    {"put", "two words", "its"},
		`put ""`:                     {"put", ""},
		`put C:\dir\file`:            {"put", `C:\dir\file`},
		"put tab\tseparated":         {"put", "tab", "separated"},
		`publish "a folder" b"c d"e`: {"publish", "a folder", "bc de"},
	} {
		got, err := split(line)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("split(%q) = %q, %v", line, got, err)
		}
	}
	if _, err := split(`put "open`); err == nil {
		t.Error("an open quote was taken")
	}
}

func TestComplete(t *testing.T) {
	if got := complete("qu"); !slices.Equal(got, []string{"quit "}) {
		t.Errorf("qu completes to %q", got)
	}
	if got := complete("re"); !slices.Contains(got, "resolve ") || slices.Contains(got, "fetch ") {
		t.Errorf("re completes to %q", got)
	}
}

func TestPrintable(t *testing.T) {
	if got := printable("a\x1b[2Jb\u202ec\nd\u0085é"); got != "a?[2Jb?c?d?é" {
		t.Errorf("got %q", got)
	}
}

// A name in another script reads as such, but not where that could deceive.
func TestReads(t *testing.T) {
	for name, want := range map[string]string{
		"garden.alt":         "garden.alt",
		"xn--grten-gra.alt":  "gärten.alt",
		"xn--80ak6aa92e.alt": "xn--80ak6aa92e.alt", // "apple" in Cyrillic
		"..":                 "..",
	} {
		if got := reads(name); got != want {
			t.Errorf("%s reads %s, want %s", name, got, want)
		}
	}
}

func TestCheckAddresses(t *testing.T) {
	t.Setenv(metricsToken, "")
	for args, ok := range map[string]bool{
		"-listen 0.0.0.0:9000 -gateway 127.0.0.1:8080": true,
		"-gateway off":            true,
		"-listen :0":              true,
		"-listen [::]:9000":       true,
		"-bootstrap ab12@host:1":  true,
		"-bootstrap host":         false,
		"-gateway 8080":           false,
		"-dns 127.0.0.1":          false,
		"-dns 127.0.0.1:":         false,
		"-metrics 127.0.0.1:9090": true,
		"-metrics localhost:9090": true,
		"-metrics 0.0.0.0:9090":   false,
		"-metrics :9090":          false,
		"-metrics 192.0.2.1:9090": false,
	} {
		o, _, err := parse(strings.Fields(args))
		if err != nil {
			t.Fatal(err)
		}
		if err := o.checkAddresses(); (err == nil) != ok {
			t.Errorf("%s: %v", args, err)
		}
	}
	t.Setenv(metricsToken, "secret")
	o, _, _ := parse([]string{"-metrics", "0.0.0.0:9090"})
	if err := o.checkAddresses(); err != nil {
		t.Errorf("metrics with a token: %v", err)
	}
}

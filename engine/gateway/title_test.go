package gateway

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestTitle(t *testing.T) {
	long := strings.Repeat("ü", 500)
	for page, want := range map[string]string{
		"<!doctype html><TITLE lang=de>A &amp; B</Title>x":    "A & B",
		"<title>\n two\t lines \n</title>":                    "two lines",
		"<title>a\u202eb\x00c\u200bd\x1b[31m</title>":         "abcd[31m",
		"<title>日本 \U0001F600</title>":                        "日本 \U0001F600",
		"<title>\xff\xfe</title>":                             "",
		"<title>never ends":                                   "",
		"no title":                                            "",
		"<title":                                              "",
		"<title></title>":                                     "",
		"<title>" + long + "</title>":                         strings.Repeat("ü", maxTitle-1) + "…",
		strings.Repeat(" ", titleWithin) + "<title>x</title>": "",
		"<title>&lt;script&gt;</title>":                       "<script>",
		"<title>&#8238;evil&#x202e;</title>":                  "evil",
	} {
		if got := title([]byte(page)); got != want {
			t.Errorf("%.40q: %q, want %q", page, got, want)
		}
	}
}

func FuzzTitle(f *testing.F) {
	f.Add([]byte("<title>a</title>"))
	f.Fuzz(func(t *testing.T, page []byte) {
		got := title(page)
		if !utf8.ValidString(got) || utf8.RuneCountInString(got) > maxTitle || strings.ContainsFunc(got, func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Errorf("%q", got)
		}
	})
}

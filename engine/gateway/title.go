package gateway

import (
	"bytes"
	"html"
	"net/http"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

const (
	// titleWithin is how much of a page is searched for its title.
	titleWithin = 8 << 10
	// maxTitle is how much of a title is kept, in characters.
	maxTitle = 120
)

// visitOf describes an answer that is about to be sent.
func visitOf(r *request, f *found, now time.Time) Visit {
	v := Visit{Site: f.site, Path: r.URL.Path, Time: now, Here: fromHere(r.Request)}
	v.Page = f.status == http.StatusOK && r.Method == http.MethodGet && isDocument(r.Request) &&
		strings.HasPrefix(typeByName(f.name), "text/html")
	if v.Page {
		v.Title = title(f.head)
	}
	return v
}

// isDocument reports whether a browser opens the answer in a tab.
func isDocument(r *http.Request) bool {
	if dest := r.Header.Get("Sec-Fetch-Dest"); dest != "" {
		return dest == "document"
	}
	return isBrowser(r) && wantsPage(r)
}

// title returns what a page calls itself. The page is a stranger's: what comes
// out is short, on one line, and without characters that turn text around.
func title(page []byte) string {
	page = page[:min(len(page), titleWithin)]
	_, rest, ok := cutTag(page, "<title")
	if !ok {
		return ""
	}
	_, rest, ok = bytes.Cut(rest, []byte(">"))
	if !ok {
		return ""
	}
	text, _, ok := cutTag(rest, "</title")
	if !ok || !utf8.Valid(text) {
		return "" // cut off, or in an old encoding
	}
	return tidy(html.UnescapeString(string(text)))
}

// cutTag is bytes.Cut without regard to ASCII case. sep is in lower case.
func cutTag(s []byte, sep string) (before, after []byte, ok bool) {
	for at := 0; ; at++ {
		i := bytes.IndexByte(s[at:], sep[0])
		if i < 0 || at+i+len(sep) > len(s) {
			return nil, nil, false
		}
		at += i
		if strings.EqualFold(string(s[at:at+len(sep)]), sep) {
			return s[:at], s[at+len(sep):], true
		}
	}
}

func tidy(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case r == utf8.RuneError, !unicode.IsPrint(r):
			return -1 // control and format characters, those that change direction among them
		}
		return r
	}, s)
	s = strings.Join(strings.Fields(s), " ")
	if utf8.RuneCountInString(s) > maxTitle {
		s = string([]rune(s)[:maxTitle-1]) + "…"
	}
	return s
}

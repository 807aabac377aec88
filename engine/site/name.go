package site

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// CheckName reports why a file or directory of this name cannot be part of a
// site: it must be a plain name on every system a reader may have. The error
// is an ErrName. The same rule holds for what is published and what is read.
func CheckName(name string) error {
	switch {
	case name == "" || name == "." || name == "..":
		return fmt.Errorf("%q is no name: %w", name, ErrName)
	case len(name) > MaxName:
		return fmt.Errorf("longer than %d bytes: %w", MaxName, ErrName)
	case !utf8.ValidString(name):
		return fmt.Errorf("not UTF-8: %w", ErrName)
	case strings.ContainsFunc(name, isControl):
		return fmt.Errorf("has a control character: %w", ErrName)
	case strings.ContainsAny(name, `/\<>:"|?*`):
		return fmt.Errorf(`has one of / \ < > : " | ? *, which Windows cannot hold: %w`, ErrName)
	case name[len(name)-1] == '.' || name[len(name)-1] == ' ':
		return fmt.Errorf("ends in a dot or a space, which Windows cannot hold: %w", ErrName)
	case isDevice(name):
		return fmt.Errorf("is a device on Windows: %w", ErrName)
	}
	return nil
}

// isControl holds for what a terminal or a reading direction would act upon.
func isControl(r rune) bool {
	return unicode.IsControl(r) ||
		r == '\u2028' || r == '\u2029' || // line and paragraph separators
		r >= '\u202a' && r <= '\u202e' || r >= '\u2066' && r <= '\u2069' // bidirectional overrides
}

// isDevice holds for the reserved names of Windows, with any extension.
// https://learn.microsoft.com/windows/win32/fileio/naming-a-file
func isDevice(name string) bool {
	base, _, _ := strings.Cut(name, ".")
	base = strings.ToUpper(strings.TrimRight(base, " "))
	switch base {
	case "CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$":
		return true
	}
	if rest, ok := strings.CutPrefix(base, "COM"); ok {
		return isDeviceDigit(rest)
	}
	rest, ok := strings.CutPrefix(base, "LPT")
	return ok && isDeviceDigit(rest)
}

func isDeviceDigit(s string) bool {
	return len(s) == 1 && s[0] >= '0' && s[0] <= '9' || s == "¹" || s == "²" || s == "³"
}

// foldName maps names that some file system takes for the same to one string.
func foldName(name string) string {
	if isLowerASCII(name) {
		return name
	}
	folded := cases.Fold().String(norm.NFD.String(name))
	// Up and down again, as folding swaps the cases of Cherokee.
	return norm.NFC.String(strings.ToLower(strings.ToUpper(folded)))
}

func isLowerASCII(s string) bool {
	for i := range len(s) {
		if c := s[i]; c >= utf8.RuneSelf || c >= 'A' && c <= 'Z' {
			return false
		}
	}
	return true
}

package publisher

import (
	"context"
	"errors"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"altnet/engine/control"
	"altnet/engine/record"
)

// Standing says whether a name can be had.
type Standing struct {
	Verdict Verdict
	Reason  Reason // why, where the verdict is Invalid
	Host    string // as browsers spell it, with the suffix
	Unicode string // as people read it, where that differs and is safe
	Warning string // mixed scripts and the like, in English
	Address string // of who has it, where that is known
	Err     error  // why the network could not say, where the verdict is Unsure
}

// Verdict is what Standing found.
type Verdict string

// The verdicts.
const (
	Free    Verdict = "free"    // as far as the network knows
	Yours   Verdict = "yours"   // publishing updates it
	Taken   Verdict = "taken"   // by somebody else
	Invalid Verdict = "invalid" // cannot be a name
	Unsure  Verdict = "unsure"  // the network could not be asked
)

// Reason is why a name is Invalid.
type Reason string

// The reasons.
const (
	ReasonEmpty   Reason = "empty"
	ReasonLong    Reason = "long"    // more than 63 letters
	ReasonDots    Reason = "dots"    // more than one label
	ReasonSpaces  Reason = "spaces"  // white space in it
	ReasonLetters Reason = "letters" // signs that a name cannot have
	ReasonHyphens Reason = "hyphens" // at an end, or third and fourth
	ReasonAddress Reason = "address" // looks like the address of a key
)

// Standing asks whether a name can be had. What is invalid is found without
// the network, which is asked for as long as ctx lasts.
func (a *Author) Standing(ctx context.Context, name string) Standing {
	name = strings.TrimSpace(name)
	n, err := record.ParseName(name, record.DefaultTLD)
	if err != nil || n.IsKey() || n.Sub != "" {
		return Standing{Verdict: Invalid, Reason: reason(name)}
	}
	s := Standing{Host: n.Host(record.DefaultTLD)}
	display, warning := n.Display(record.DefaultTLD)
	if s.Warning = warning.String(); display != s.Host {
		s.Unicode = display
	}
	if own, err := a.profile.Site(name); err == nil && own.Seq > 0 {
		s.Verdict = Yours
		return s
	}
	res, err := a.node.Resolve(ctx, s.Host)
	switch {
	case errors.Is(err, control.ErrUnknown):
		s.Verdict = Free
	case res.Owner != "" || len(res.Rivals) > 0:
		s.Verdict, s.Address = Taken, res.Address
	default:
		s.Verdict, s.Err = Unsure, err
	}
	return s
}

// reason says what is wrong with a name that is known to be bad.
func reason(name string) Reason {
	bare := strings.TrimSuffix(strings.ToLower(name), "."+record.DefaultTLD)
	switch {
	case bare == "" || bare == ".":
		return ReasonEmpty
	case strings.ContainsFunc(bare, unicode.IsSpace):
		return ReasonSpaces
	case strings.Contains(bare, "."):
		return ReasonDots
	case strings.HasPrefix(bare, "-"), strings.HasSuffix(bare, "-"), len(bare) > 3 && bare[2:4] == "--":
		return ReasonHyphens
	case strings.ContainsFunc(bare, func(r rune) bool { return r != '-' && !unicode.In(r, unicode.L, unicode.M, unicode.N) }):
		return ReasonLetters
	}
	if _, err := record.ParseName(bare, record.DefaultTLD); err == nil {
		return ReasonAddress // a good host name, and one of a key
	}
	if len([]rune(bare)) > 40 {
		return ReasonLong
	}
	return ReasonLetters
}

// Propose makes a name of a folder's: "Mein Gärtchen (neu)" becomes
// mein-gaertchen-neu. Other scripts stay as they are. It returns "" where no
// name can be made of it.
func Propose(folder string) string {
	var b strings.Builder
	for _, r := range norm.NFC.String(strings.ToLower(strings.TrimSpace(folder))) {
		switch plain := latin(r); {
		case plain != "":
			b.WriteString(plain)
		case unicode.In(r, unicode.L, unicode.M, unicode.Nd):
			b.WriteRune(r)
		default:
			b.WriteByte('-')
		}
	}
	words := strings.FieldsFunc(b.String(), func(r rune) bool { return r == '-' })
	for len(words) > 0 {
		name := strings.Join(words, "-")
		if n, err := record.ParseName(name, record.DefaultTLD); err == nil && !n.IsKey() && n.Sub == "" {
			return name
		}
		if len(words) == 1 {
			return "" // one word that cannot be a name
		}
		words = words[:len(words)-1] // most likely too long
	}
	return ""
}

// latin spells a letter of the Latin script in ASCII, as its language would;
// "" for every other sign.
func latin(r rune) string {
	switch r {
	case 'ä', 'æ':
		return "ae"
	case 'ö', 'œ', 'ø':
		return "oe"
	case 'ü':
		return "ue"
	case 'ß':
		return "ss"
	case 'å':
		return "aa"
	case 'ł':
		return "l"
	case 'đ', 'ð':
		return "d"
	case 'þ':
		return "th"
	}
	base := []rune(norm.NFD.String(string(r)))[0]
	if base >= 'a' && base <= 'z' || base >= '0' && base <= '9' {
		return string(base)
	}
	return ""
}

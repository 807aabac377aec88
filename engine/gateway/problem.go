package gateway

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"time"

	"altnet/engine/site"
)

// Kind says why a site is not shown. It names the page's texts and stands in
// the header AltNet-Problem.
type Kind string

// The kinds that Resolve and the FS may give.
const (
	Unknown      Kind = "unknown"      // nobody published the name
	NoPeer       Kind = "nopeer"       // published, but no holder answers
	Blocked      Kind = "blocked"      // blocklist or revocation; see Reason
	Conflict     Kind = "conflict"     // no owner has the majority; see Claims
	OwnerChanged Kind = "ownerchanged" // Owner is not the Pinned one
	Withdrawn    Kind = "withdrawn"
	Expired      Kind = "expired"
	NotGranted   Kind = "notgranted" // a closed network's registrars did not approve it
	Offline      Kind = "offline"    // not held here, and the network is off
	BadName      Kind = "badname"
	Corrupt      Kind = "corrupt" // the content is no well-formed site
	WrongClock   Kind = "clock"   // every record seems to be from the future or the past
	Internal     Kind = "internal"

	kindTimeout     Kind = "timeout"
	kindNotFound    Kind = "notfound"
	kindNoIndex     Kind = "noindex"
	kindEmbed       Kind = "embed"
	kindMisdirected Kind = "misdirected"
	kindProxy       Kind = "proxy"
	kindMethod      Kind = "method"
	kindBusy        Kind = "busy"
	kindNowhere     Kind = "nowhere"     // the gateway has no such page of its own
	kindPreviewOver Kind = "previewover" // or there never was one
	kindNoHTTPS     Kind = "nohttps"     // nobody trusts the certificate
	kindNoDoor      Kind = "nodoor"      // a browser without *.localhost
)

// looks says how a kind is answered and dressed.
type looks struct {
	status  int
	tone    string // class of the page: "calm", "warn", "danger"
	hints   int    // texts KIND.hint.1 and so on
	retry   bool   // a button
	refresh string // by itself, after so many seconds, where the page has no scripts
	live    bool   // it goes on trying and says so
	gone    bool   // a service worker of the site must go too
}

func looksOf(k Kind) looks {
	switch k {
	case Unknown:
		return looks{http.StatusNotFound, "calm", 3, true, "", false, false}
	case NoPeer:
		return looks{http.StatusServiceUnavailable, "calm", 2, true, "10", true, false}
	case Blocked:
		return looks{http.StatusUnavailableForLegalReasons, "danger", 2, false, "", false, true}
	case Conflict:
		return looks{http.StatusConflict, "warn", 2, true, "", false, true}
	case OwnerChanged:
		return looks{http.StatusConflict, "warn", 2, false, "", false, true}
	case Withdrawn:
		return looks{http.StatusGone, "calm", 0, false, "", false, true}
	case Expired:
		return looks{http.StatusGone, "calm", 1, true, "", false, false}
	case NotGranted:
		return looks{http.StatusForbidden, "warn", 0, false, "", false, true}
	case Offline:
		return looks{http.StatusServiceUnavailable, "calm", 2, true, "10", true, false}
	case BadName:
		return looks{http.StatusBadRequest, "calm", 1, false, "", false, false}
	case WrongClock:
		return looks{http.StatusServiceUnavailable, "warn", 1, true, "", false, false}
	case Corrupt:
		return looks{http.StatusBadGateway, "warn", 0, true, "", false, false}
	case kindTimeout:
		return looks{http.StatusGatewayTimeout, "calm", 1, true, "10", true, false}
	case kindNotFound, kindNoIndex:
		return looks{http.StatusNotFound, "calm", 0, false, "", false, false}
	case kindEmbed:
		return looks{http.StatusForbidden, "warn", 1, false, "", false, false}
	case kindMisdirected:
		return looks{http.StatusMisdirectedRequest, "warn", 0, false, "", false, false}
	case kindProxy:
		return looks{http.StatusForbidden, "warn", 0, false, "", false, false}
	case kindMethod:
		return looks{http.StatusMethodNotAllowed, "calm", 0, false, "", false, false}
	case kindNowhere:
		return looks{http.StatusNotFound, "calm", 0, false, "", false, false}
	case kindPreviewOver:
		return looks{http.StatusNotFound, "calm", 1, false, "", false, false}
	case kindNoHTTPS:
		return looks{http.StatusForbidden, "warn", 2, false, "", false, false}
	case kindNoDoor:
		return looks{http.StatusForbidden, "warn", 3, false, "", false, false}
	case kindBusy:
		return looks{http.StatusServiceUnavailable, "calm", 1, true, "5", false, false}
	}
	return looks{http.StatusInternalServerError, "warn", 1, true, "", false, false}
}

// Claim is one owner's claim in a Conflict.
type Claim struct {
	Address       string    // the owner's key address, which opens that claim
	Groups, Total int       // IP groups of peers that saw this owner first, of all
	Since         time.Time // when they first did; zero: not known
}

// Problem is why a name cannot be opened. Resolve returns it as its error.
type Problem struct {
	Kind   Kind
	Name   string // filled in where empty
	Owner  string // the present owner's key; what Accept is called with
	Pinned string // with OwnerChanged: the key the reader knows
	Claims []Claim
	Reason string // for people; with Blocked
	// Since is when a person of this computer blocked it; zero: somebody else.
	Since time.Time
	Err   error // what lies below, shown as a technical detail
}

// Error reads as a log line.
func (p *Problem) Error() string {
	s := fmt.Sprintf("open %s: %s", p.Name, p.Kind)
	if p.Reason != "" {
		s += " (" + p.Reason + ")"
	}
	if p.Err != nil {
		s += ": " + p.Err.Error()
	}
	return s
}

// Unwrap returns what lies below.
func (p *Problem) Unwrap() error { return p.Err }

// errTimeout ends the context of a look-up that took too long.
var errTimeout = errors.New("no answer in time")

// asProblem classifies any error of Resolve or of an FS, and says of a refused
// block why.
func (g *Gateway) asProblem(ctx context.Context, err error, name string) *Problem {
	p := asProblem(ctx, err, name)
	if refused, ok := errors.AsType[*site.RefusedError](err); ok && p.Reason == "" {
		explained := *p
		explained.Reason = g.cfg.Refused(refused.Hash)
		return &explained
	}
	return p
}

// asProblem classifies any error of Resolve or of an FS.
func asProblem(ctx context.Context, err error, name string) *Problem {
	if p, ok := errors.AsType[*Problem](err); ok {
		if p.Name == "" {
			filled := *p
			filled.Name = name
			return &filled
		}
		return p
	}
	p := &Problem{Kind: Internal, Name: name, Err: err}
	switch {
	case errors.Is(err, errTimeout), errors.Is(context.Cause(ctx), errTimeout), errors.Is(err, context.DeadlineExceeded):
		p.Kind = kindTimeout
	case errors.Is(err, site.ErrRefused):
		p.Kind = Blocked
	case errors.Is(err, site.ErrMissing):
		p.Kind = NoPeer
	case errors.Is(err, site.ErrCorrupt), errors.Is(err, site.ErrLimit), errors.Is(err, site.ErrUnsupported):
		p.Kind = Corrupt
	case errors.Is(err, errNoIndex):
		p.Kind, p.Err = kindNoIndex, nil
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrInvalid):
		p.Kind = kindNotFound
	}
	return p
}

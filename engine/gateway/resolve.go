package gateway

import (
	"context"
	"errors"
	"io/fs"
	"time"

	"altnet/engine/identity"
	"altnet/engine/record"
	"altnet/engine/resolver"
)

// SiteOf makes a Site of a resolution and the content it stands for.
func SiteOf(res resolver.Resolution, content fs.FS, suffix string) Site {
	owner := res.Name
	owner.Sub = ""
	return Site{
		Name: owner.Host(suffix), Owner: res.Owner.String(), Root: res.Record.Content, Seq: res.Record.Seq, FS: content,
		Date: res.Record.IssuedAt(), Stale: res.Stale, OwnerChanged: res.Replaced,
	}
}

// ProblemOf makes a Problem of an error of resolver.Resolve and of the
// resolution that came with it.
func ProblemOf(res resolver.Resolution, err error, suffix string) *Problem {
	p := &Problem{Kind: kindOf(err), Reason: res.Reason, Err: err}
	if res.Name != (record.Name{}) {
		p.Name = res.Name.Host(suffix)
	}
	switch p.Kind {
	case OwnerChanged:
		p.Owner, p.Pinned = keyText(res.Owner), keyText(res.Old)
	case Conflict:
		for _, c := range res.Candidates {
			claim := Claim{Address: record.Address(c.Owner) + "." + suffix, Groups: c.Groups, Total: res.Groups}
			if c.FirstSeen > 0 && c.FirstSeen < 1<<53 { // hostile: the year 287396 is enough
				claim.Since = time.UnixMilli(int64(c.FirstSeen))
			}
			p.Claims = append(p.Claims, claim)
		}
	case Withdrawn, Expired, Blocked:
		p.Owner = keyText(res.Owner)
	}
	return p
}

func keyText(k identity.PublicKey) string {
	if k.IsZero() {
		return ""
	}
	return k.String()
}

func kindOf(err error) Kind {
	for _, known := range []struct {
		err  error
		kind Kind
	}{
		{resolver.ErrUnknown, Unknown}, {resolver.ErrConflict, Conflict}, {resolver.ErrOwnerChanged, OwnerChanged},
		{resolver.ErrWithdrawn, Withdrawn}, {resolver.ErrExpired, Expired}, {resolver.ErrBlocked, Blocked},
		{resolver.ErrNotGranted, NotGranted}, {resolver.ErrOffline, Offline}, {resolver.ErrClock, WrongClock},
		{record.ErrBadName, BadName}, {record.ErrOtherTLD, BadName},
	} {
		if errors.Is(err, known.err) {
			return known.kind
		}
	}
	return asProblem(context.Background(), err, "").Kind
}

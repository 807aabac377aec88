package control

import "context"

// Caller is who asks, as the operating system tells it.
type Caller struct {
	User     string // user ID or SID; empty for the node's own process
	Admin    bool   // sees and changes every user's sites
	Operator bool   // may use every method
	Local    bool   // may use the node for sites of their own
}

// Access is by what a node tells its callers apart.
type Access struct {
	// Service says that the node serves every user of the computer. Otherwise
	// it is the tool of the user who runs it, and of nobody else.
	Service bool
	// Operator reports whether a user other than an administrator may operate
	// the service; nil: nobody.
	Operator func(user string) bool
}

// Grant returns what a user may do who is an administrator or not, and runs as
// the same user as the node or not.
//
// A node of one user has that user for its administrator. A service has a user
// of its own, whom nobody logs in as: people own what they published through
// it, administrators see it all, and operators steer the node without seeing
// other people's sites.
func (a Access) Grant(user string, admin, same bool) Caller {
	c := Caller{User: user, Admin: admin || same, Operator: admin || same, Local: a.Service}
	if a.Service && !c.Operator && a.Operator != nil {
		c.Operator = a.Operator(user)
	}
	return c
}

// OneOfMany reports whether c shares the node with other users, of whom
// nothing may be told. A gateway, say, cannot tell whose browser asks, so that
// none of them is shown what was opened there.
func (c Caller) OneOfMany() bool { return c.Local && !c.Admin }

// mayUse reports whether c is somebody the node works for.
func (c Caller) mayUse() bool { return c.Operator || c.Local }

// Self is the caller of the node's own process. It may do everything.
var self = Caller{Admin: true, Operator: true}

// Owns reports whether what user published may be shown to and changed by c.
func (c Caller) Owns(user string) bool { return c.Admin || c.User == user }

type callerKey struct{}

// WithCaller returns a context that carries c.
func WithCaller(ctx context.Context, c Caller) context.Context {
	return context.WithValue(ctx, callerKey{}, c)
}

// CallerFrom returns who asks. A context without a Caller belongs to the
// node's own process, which may do everything.
func CallerFrom(ctx context.Context) Caller {
	if c, ok := ctx.Value(callerKey{}).(Caller); ok {
		return c
	}
	return self
}

// HasCaller reports whether a context says who asks: a browser's request, and
// what the node does by itself, does not.
func HasCaller(ctx context.Context) bool {
	_, ok := ctx.Value(callerKey{}).(Caller)
	return ok
}

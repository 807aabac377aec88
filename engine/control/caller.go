package control

import "context"

// Caller is who asks, as the operating system tells it.
type Caller struct {
	User     string // user ID or SID; empty for the node's own process
	Admin    bool   // root or an administrator: sees every user's sites
	Operator bool   // may use every method
}

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

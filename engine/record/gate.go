package record

import (
	"errors"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/time/rate"
)

// What a Gate spends on other people's claims. One check takes about 5 ms, so
// that both common budgets together take at most a fifth of a core.
const (
	gateRate       = 20 // checks a second of one budget, all groups together
	gateBurst      = 60 // enough for a node that starts with a full store around it
	gateGroupRate  = 0.5
	gateGroupBurst = 20
	gateGroups     = 1024
	gateProven     = 8192
)

// AnyGroup is the group of a record to be stored for others, whose sender paid
// elsewhere. It draws on a common budget of its own, as large as the other:
// who floods a node with claims to store must not keep it from reading names.
const AnyGroup = "*"

// ErrBusy reports that the budget for checking claims is used up for now.
var ErrBusy = errors.New("too many claims to check, try again later")

// Gate checks the work of claims within a budget: per IP group, and in all.
// What was once found good is remembered and costs nothing again. Its memory
// is bounded whatever arrives. It is safe for concurrent use.
type Gate struct {
	work func(*Record) error

	mu     sync.Mutex // guards what follows, and lets one check run at a time
	proven *lru.Cache[[32]byte, struct{}]
	groups *lru.Cache[string, *rate.Limiter]
	all    *rate.Limiter // of what is read or offered
	kept   *rate.Limiter // of what is stored: AnyGroup
}

// NewGate returns a Gate with its budget full.
func NewGate() *Gate { return newGate((*Record).CheckWork) }

func newGate(work func(*Record) error) *Gate {
	g := &Gate{work: work, all: rate.NewLimiter(gateRate, gateBurst), kept: rate.NewLimiter(gateRate, gateBurst)}
	g.proven, _ = lru.New[[32]byte, struct{}](gateProven) // fails for sizes below one only
	g.groups, _ = lru.New[string, *rate.Limiter](gateGroups)
	return g
}

// Admit checks the work behind a record whose signatures are verified already
// (Check). group is the IP group of the peer that sent it, "" where this node
// itself asks. Errors are ErrBusy and ErrWork.
func (g *Gate) Admit(r *Record, group string, now time.Time) error {
	if r.Name == "" {
		return nil
	}
	input := r.claimInput()
	g.mu.Lock()
	defer g.mu.Unlock()
	if _, ok := g.proven.Get(input); ok {
		return nil
	}
	refund, ok := g.spend(group, now)
	if !ok {
		return ErrBusy
	}
	if err := g.work(r); err != nil {
		return err
	}
	refund()
	g.proven.Add(input, struct{}{})
	return nil
}

// spend takes one check from both budgets. The node's own questions ("") pay
// into neither. A claim that proves good is refunded to its group, which paid
// far more for the work; the common budget bounds the processor time.
func (g *Gate) spend(group string, now time.Time) (refund func(), ok bool) {
	nothing := func() {}
	switch group {
	case "":
		return nothing, true
	case AnyGroup:
		return nothing, g.kept.AllowN(now, 1)
	}
	l, known := g.groups.Get(group)
	if !known {
		l = rate.NewLimiter(gateGroupRate, gateGroupBurst)
		g.groups.Add(group, l)
	}
	res := l.ReserveN(now, 1)
	refund = func() { res.CancelAt(now) }
	if !res.OK() || res.DelayFrom(now) > 0 {
		refund()
		return nothing, false
	}
	return refund, g.all.AllowN(now, 1)
}

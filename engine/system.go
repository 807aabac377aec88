package engine

import (
	"context"
	"iter"
)

// System is what the engine asks of the machine that it runs on.
type System interface {
	// Power yields how the machine is fed and connected now, then every
	// change, until ctx ends. A system that cannot tell yields nothing.
	Power(ctx context.Context) iter.Seq[Power]
}

// Power is how a machine is fed and connected. What is not known is false.
type Power struct {
	OnBattery bool
	Metered   bool // the network is paid for by the byte
}

package peer

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"altnet/engine/wire"
)

// TestChurn has twenty nodes ask one another while hosts go offline, come back
// and are cut off. Afterwards everybody must reach everybody, and when
// they rest nothing must be left.
func TestChurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const nodes, askers = 20, 3
		w := newWorld(t)
		w.SetLatency(func(a, b netip.Addr) time.Duration {
			return time.Duration(a.As4()[2]^b.As4()[2]) * 3 * time.Millisecond
		})
		all := make([]*node, nodes)
		for i := range all {
			all[i] = answering(w.idle(privateAddr(i)))
			all[i].start(t)
		}
		var asking sync.WaitGroup
		end := time.Now().Add(20 * time.Minute)
		for i := range nodes * askers {
			asking.Go(func() {
				random := rand.New(rand.NewPCG(uint64(i), 1))
				for time.Now().Before(end) {
					a, b := all[random.IntN(nodes)], all[random.IntN(nodes)]
					ctx, cancel := context.WithTimeout(t.Context(), time.Duration(1+random.IntN(2000))*time.Millisecond)
					m, err := a.Request(ctx, b.peer(), wire.FindNode{})
					cancel()
					if _, ok := m.(wire.Nodes); err == nil && !ok {
						t.Errorf("answered by %T", m)
					}
					time.Sleep(time.Duration(random.IntN(60_000)) * time.Millisecond)
				}
			})
		}
		random := rand.New(rand.NewPCG(7, 7))
		for time.Now().Before(end) {
			n := all[random.IntN(nodes)]
			switch random.IntN(3) {
			case 0:
				w.Partition([]netip.Addr{n.at.Addr()})
			case 1:
				w.Partition()
			default:
				n.SetOnline(false)
				time.Sleep(time.Second)
				n.SetOnline(true)
			}
			time.Sleep(time.Duration(random.IntN(20_000)) * time.Millisecond)
		}
		asking.Wait()
		w.Partition()
		time.Sleep(lastBackoff)
		for _, a := range all {
			for _, b := range all {
				_, err := a.Request(short(t, 10*time.Second), b.peer(), wire.FindNode{})
				if a == b != errors.Is(err, ErrSelf) || a != b && err != nil {
					t.Errorf("%v → %v: %v", a.at, b.at, err)
				}
			}
		}
		time.Sleep(10 * time.Minute)
		if w.Conns() != 0 {
			t.Errorf("%d connections at rest", w.Conns())
		}
		for _, n := range all {
			if b := n.burden(); b != (burden{}) {
				t.Errorf("%v at rest: %+v", n.at, b)
			}
		}
	})
}

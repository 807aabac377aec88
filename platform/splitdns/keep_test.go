package splitdns

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// fakeDoor is open while set, unless it is broken.
type fakeDoor struct {
	name Name

	mu      sync.Mutex // guards what is below
	broken  error      // what Set fails with
	useless bool       // it can be set and does not work
	stolen  bool       // another program answers
	open    bool
	log     []string
}

func (d *fakeDoor) Name() Name { return d.name }

func (d *fakeDoor) Set(context.Context) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.log = append(d.log, "set")
	d.open = d.broken == nil && !d.useless
	return d.broken
}

func (d *fakeDoor) Verify(context.Context) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.open && d.name.Proxy() {
		return ErrTurnedOff
	}
	if !d.open {
		return ErrClosed
	}
	if d.stolen {
		return ErrImpostor
	}
	return nil
}

func (d *fakeDoor) Undo(context.Context) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.log = append(d.log, "undo")
	d.open = false
	return nil
}

// change changes a door while it is kept.
func (d *fakeDoor) change(f func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f()
}

// kept is a door with its place in the decision.
type kept struct {
	Door     *fakeDoor
	Fallback bool
}

// keeping runs Keep under virtual time and returns what it reported. The decision
// is asked for again each time.
func keeping(t *testing.T, decide func() []kept, which func(Name) bool, act func(changes chan<- struct{})) []map[Name]error {
	t.Helper()
	var reports []map[Name]error
	changes := make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	doors := map[Name]Door{}
	k := Keeping{
		Decide: func(context.Context) Decision {
			var d Decision
			for _, c := range decide() {
				doors[c.Door.name] = c.Door
				d.Doors = append(d.Doors, Choice{Door: c.Door.name, Fallback: c.Fallback})
			}
			return d
		},
		Open:  func(name Name) (Door, error) { return doors[name], nil },
		Which: which, Changes: changes,
		Report: func(m map[Name]error) { reports = append(reports, maps.Clone(m)) },
	}
	go func() {
		defer close(done)
		Keep(ctx, k)
	}()
	synctest.Wait()
	act(changes)
	synctest.Wait()
	cancel()
	<-done
	return reports
}

// these is a decision that never changes.
func these(doors ...kept) func() []kept { return func() []kept { return doors } }

func TestKeepMendsAfterAChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		door := &fakeDoor{name: Link}
		reports := keeping(t, these(kept{Door: door}), nil, func(changes chan<- struct{}) {
			door.change(func() { door.open = false }) // the resolver forgot
			time.Sleep(time.Hour)
			changes <- struct{}{}
			changes <- struct{}{} // networks change in bursts
			time.Sleep(settle + time.Second)
			changes <- struct{}{} // and nothing is wrong this time
			time.Sleep(settle + time.Second)
		})
		if want := []string{"set", "set"}; !slices.Equal(door.log, want) || len(reports) != 3 || !door.open {
			t.Errorf("the door was handled %v in %d rounds", door.log, len(reports))
		}
	})
}

func TestKeepTriesAgainMoreAndMoreRarely(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := errors.New("read-only")
		door := &fakeDoor{name: Dnsmasq, broken: broken}
		reports := keeping(t, these(kept{Door: door}), nil, func(chan<- struct{}) {
			time.Sleep(24 * time.Hour)
			door.change(func() { door.broken = nil })
			time.Sleep(lastRetry + time.Second)
		})
		if n := len(reports); n < 40 || n > 60 {
			t.Errorf("it tried %d times in a day", n)
		}
		if !errors.Is(reports[0][Dnsmasq], broken) || reports[len(reports)-1][Dnsmasq] != nil {
			t.Errorf("the reports begin with %v and end with %v", reports[0], reports[len(reports)-1])
		}
	})
}

func TestKeepUsesFallbacks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first, second := &fakeDoor{name: NRPT, useless: true}, &fakeDoor{name: WindowsProxy}
		doors := these(kept{Door: first}, kept{Door: second, Fallback: true}, kept{Door: &fakeDoor{name: Localhost}})
		keeping(t, doors, nil, func(chan<- struct{}) {
			second.change(func() {
				if !second.open {
					t.Error("the fallback is not open")
				}
			})
			first.change(func() { first.useless = false })
			time.Sleep(firstRetry + time.Second)
		})
		if !first.open || second.open || !slices.Equal(second.log, []string{"set", "undo"}) {
			t.Errorf("the doors are open: %v, %v; the fallback was handled %v", first.open, second.open, second.log)
		}
	})
}

func TestKeepWithoutChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		door := &fakeDoor{name: Hook}
		reports := keeping(t, these(kept{Door: door}), nil, func(changes chan<- struct{}) {
			close(changes)
			time.Sleep(24 * time.Hour)
		})
		if len(reports) != 1 {
			t.Errorf("%d rounds without any change", len(reports))
		}
	})
}

func TestKeepShutsADoorToAnImpostor(t *testing.T) {
	for _, name := range []Name{NRPT, GNOMEProxy} {
		synctest.Test(t, func(t *testing.T) {
			door := &fakeDoor{name: name}
			keeping(t, these(kept{Door: door}), nil, func(changes chan<- struct{}) {
				door.change(func() { door.stolen = true })
				changes <- struct{}{}
				time.Sleep(time.Minute)
				synctest.Wait()
				door.change(func() {
					if door.open {
						t.Errorf("%s is still open, handled %v", name, door.log)
					}
					door.stolen = false
				})
				time.Sleep(2 * lastRetry)
			})
			if !door.open {
				t.Errorf("%s stays shut when we are back, handled %v", name, door.log)
			}
		})
	}
}

func TestKeepLeavesWhatAPersonTurnedOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		door := &fakeDoor{name: GNOMEProxy}
		reports := keeping(t, these(kept{Door: door}), nil, func(changes chan<- struct{}) {
			door.change(func() { door.open = false })
			changes <- struct{}{}
			time.Sleep(24 * time.Hour)
		})
		if !slices.Equal(door.log, []string{"set"}) || len(reports) != 2 || !errors.Is(reports[1][GNOMEProxy], ErrTurnedOff) {
			t.Errorf("the door was handled %v; reports: %v", door.log, reports)
		}
	})
}

func TestMerge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := make(chan struct{}), make(chan struct{})
		ctx, cancel := context.WithCancel(t.Context())
		merged := Merge(ctx, a, nil, b)
		for _, c := range []chan struct{}{a, b} {
			c <- struct{}{}
			if _, ok := <-merged; !ok {
				t.Error("it is closed already")
			}
		}
		close(a)
		b <- struct{}{}
		b <- struct{}{} // nobody has taken the one before
		synctest.Wait()
		cancel()
		synctest.Wait()
		if _, ok := <-merged; !ok {
			t.Error("what was sent is lost")
		}
		if _, ok := <-merged; ok {
			t.Error("it is still open")
		}
	})
}

func TestKeepOnlyLooksAtDoorsOfOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		service, own := &fakeDoor{name: NRPT, open: true}, &fakeDoor{name: WindowsProxy}
		reports := keeping(t, these(kept{Door: service}, kept{Door: own, Fallback: true}), Name.Proxy, func(changes chan<- struct{}) {
			service.change(func() { service.open = false })
			changes <- struct{}{}
			time.Sleep(24 * time.Hour)
		})
		if len(reports) != 2 {
			t.Errorf("%d rounds: a door of others is no reason to try again", len(reports))
		}
		if len(service.log) > 0 || !own.open {
			t.Errorf("the service's door was handled %v; the fallback is open: %v", service.log, own.open)
		}
	})
}

func TestKeepDecidesAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		before, after := &fakeDoor{name: Dnsmasq}, &fakeDoor{name: Link}
		var switched atomic.Bool
		decide := func() []kept {
			if switched.Load() {
				return []kept{{Door: after}}
			}
			return []kept{{Door: before}}
		}
		keeping(t, decide, nil, func(changes chan<- struct{}) {
			switched.Store(true) // the computer has another resolver
			changes <- struct{}{}
			time.Sleep(settle + time.Second)
		})
		if before.open || !after.open {
			t.Errorf("open: the one before %v, the one after %v", before.open, after.open)
		}
	})
}

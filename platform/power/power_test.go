package power

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"
)

func TestBatteryLinux(t *testing.T) {
	supply := func(files map[string]string) fstest.MapFS {
		fsys := fstest.MapFS{}
		for name, text := range files {
			fsys[name] = &fstest.MapFile{Data: []byte(text + "\n")}
		}
		return fsys
	}
	for name, test := range map[string]struct {
		files map[string]string
		want  bool
	}{
		"desktop without anything": {},
		"laptop on mains": {map[string]string{"AC/type": "Mains", "AC/online": "1",
			"BAT0/type": "Battery", "BAT0/status": "Charging"}, false},
		"laptop unplugged": {map[string]string{"AC/type": "Mains", "AC/online": "0",
			"BAT0/type": "Battery", "BAT0/status": "Discharging"}, true},
		"mains too weak": {map[string]string{"ADP1/type": "USB", "ADP1/online": "1",
			"BAT0/type": "Battery", "BAT0/status": "Discharging"}, false},
		"battery of a mouse": {map[string]string{"hid/type": "Battery", "hid/scope": "Device", "hid/status": "Discharging"}, false},
		"second battery": {map[string]string{"BAT0/type": "Battery", "BAT0/status": "Not charging",
			"BAT1/type": "Battery", "BAT1/status": "Discharging"}, true},
		"full": {map[string]string{"BAT0/type": "Battery", "BAT0/status": "Full"}, false},
	} {
		if got := batteryLinux(supply(test.files)); got != test.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestReadings(t *testing.T) {
	for value, want := range map[uint32]bool{0: false, 1: true, 2: false, 3: true, 4: false} {
		if meteredNM(value) != want {
			t.Errorf("NetworkManager says %d", value)
		}
	}
	for text, want := range map[string]bool{
		"Now drawing from 'Battery Power'\n -InternalBattery-0 (id=1)\t63%; discharging; 4:02 remaining": true,
		"Now drawing from 'AC Power'\n -InternalBattery-0 (id=1)\t100%; charged; 0:00 remaining":         false,
		"Now drawing from 'AC Power'": false,
		"":                            false,
	} {
		if batteryMac(text) != want {
			t.Errorf("pmset says %q", text)
		}
	}
	for _, test := range []struct {
		line, flag byte
		want       bool
	}{{1, 8, false}, {0, 1, true}, {0, 128, false}, {255, 255, false}, {0, 255, false}} {
		if batteryWindows(test.line, test.flag) != test.want {
			t.Errorf("Windows says %+v", test)
		}
	}
	for cost, want := range map[uint32]bool{0: false, 1: false, 2: true, 4: true, 0x40001: true, 0x10002: true, 0x20001: false} {
		if meteredWindows(cost) != want {
			t.Errorf("Windows says the network costs %#x", cost)
		}
	}
}

// fake is a computer whose state and network a test changes.
type fake struct {
	now     atomic.Value // State
	changes chan struct{}
	closed  atomic.Bool
}

func newFake(now State) *fake {
	f := &fake{changes: make(chan struct{}, 1)}
	f.now.Store(now)
	return f
}

func (f *fake) machine() machine {
	return machine{
		state:   func(context.Context) State { return f.now.Load().(State) },
		network: func(context.Context) (<-chan struct{}, error) { return f.changes, nil },
		close:   func() { f.closed.Store(true) },
	}
}

func TestWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(State{OnBattery: true})
		ctx, cancel := context.WithCancel(t.Context())
		events := watch(ctx, f.machine(), slog.New(slog.DiscardHandler))
		if e := <-events; e != (Event{State: State{OnBattery: true}}) {
			t.Errorf("first: %+v", e)
		}
		both := State{OnBattery: true, Metered: true}
		f.now.Store(both)
		began := time.Now()
		if e := <-events; e != (Event{State: both}) || time.Since(began) > lookEvery {
			t.Errorf("after %v: %+v", time.Since(began), e)
		}
		began = time.Now()
		f.changes <- struct{}{}
		if e := <-events; e != (Event{State: both, NetworkChanged: true}) || time.Since(began) != settle {
			t.Errorf("after %v: %+v", time.Since(began), e)
		}
		cancel()
		if e, open := <-events; open {
			t.Errorf("after the end: %+v", e)
		}
		synctest.Wait()
		if !f.closed.Load() {
			t.Error("the machine was not closed")
		}
	})
}

func TestNothingHappens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		f := newFake(State{})
		events := watch(ctx, f.machine(), slog.New(slog.DiscardHandler))
		<-events
		if e, open := <-events; open {
			t.Errorf("got %+v", e)
		}
	})
}

func TestSlowReaderGetsEverything(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		f := newFake(State{})
		events := watch(ctx, f.machine(), slog.New(slog.DiscardHandler))
		<-events
		f.changes <- struct{}{}
		time.Sleep(2 * settle) // virtual
		f.now.Store(State{OnBattery: true})
		time.Sleep(2 * lookEvery)
		if e := <-events; e != (Event{State: State{OnBattery: true}, NetworkChanged: true}) {
			t.Errorf("got %+v", e)
		}
		cancel()
		synctest.Wait()
	})
}

func TestNetworkIsNotHeard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		m := newFake(State{}).machine()
		m.network = func(context.Context) (<-chan struct{}, error) { return nil, errors.New("not here") }
		if e := <-watch(ctx, m, slog.New(slog.DiscardHandler)); e != (Event{}) {
			t.Errorf("got %+v", e)
		}
		cancel()
	})
}

func TestSlept(t *testing.T) {
	for since, want := range map[time.Duration]bool{
		lookEvery: false, lookEvery + sleepSlack: false, lookEvery + sleepSlack + 1: true, 8 * time.Hour: true, -time.Hour: false,
	} {
		if slept(since) != want {
			t.Errorf("after %v", since)
		}
	}
}

// The real thing, as far as this computer has it.
func TestThisMachine(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	events := Watch(ctx, nil)
	if _, open := <-events; !open {
		t.Error("no first state")
	}
	cancel()
	for range events { // until it is closed
	}
}

package peer

import (
	"io"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// metered returns a metered connection whose far end is read, or written to.
func metered(t *testing.T, all *traffic, far func(net.Conn)) *meter {
	near, other := net.Pipe()
	m := newMeter(near, all)
	t.Cleanup(func() { m.Close() })
	go func() {
		far(other)
		other.Close()
	}()
	return m
}

func drain(c net.Conn) { io.Copy(io.Discard, c) }

func flood(c net.Conn) {
	for b := make([]byte, 64<<10); ; {
		if _, err := c.Write(b); err != nil {
			return
		}
	}
}

// Connections share a rate in both directions, and none starves.
func TestRates(t *testing.T) {
	const perSecond, each, conns = 64 << 10, 320 << 10, 4
	for name, move := range map[string]func(*testing.T, *traffic) func(){
		"up": func(t *testing.T, all *traffic) func() {
			m := metered(t, all, drain)
			return func() { m.Write(make([]byte, each)) }
		},
		"down": func(t *testing.T, all *traffic) func() {
			m := metered(t, all, flood)
			return func() { io.ReadFull(m, make([]byte, each)) }
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				all := &traffic{}
				all.upRate.set(perSecond)
				all.downRate.set(perSecond)
				start := time.Now()
				var moving sync.WaitGroup
				var first time.Duration
				var once sync.Once
				for range conns {
					one := move(t, all)
					moving.Go(func() {
						one()
						once.Do(func() { first = time.Since(start) })
					})
				}
				moving.Wait()
				const want = conns * each / perSecond * time.Second
				if took := time.Since(start); took < want*9/10 || took > want*11/10 {
					t.Errorf("%d bytes took %v at %d a second, want about %v", conns*each, took, perSecond, want)
				}
				if first < want/2 {
					t.Errorf("the first of %d was through after %v of %v: the others starved", conns, first, want)
				}
			})
		})
	}
}

// A new limit is in force for who waits under the old one.
func TestRateChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := &traffic{}
		all.upRate.set(1 << 10)
		m := metered(t, all, drain)
		done := make(chan error, 1)
		start := time.Now()
		go func() {
			_, err := m.Write(make([]byte, 1<<20))
			done <- err
		}()
		time.Sleep(time.Second)
		all.upRate.set(0)
		if err := <-done; err != nil || time.Since(start) > 2*time.Second {
			t.Errorf("the rest took %v without a limit, %v", time.Since(start)-time.Second, err)
		}
		all.upRate.set(1 << 10)
		go func() {
			_, err := m.Write(make([]byte, 1<<20))
			done <- err
		}()
		time.Sleep(time.Second)
		m.Close()
		if err := <-done; err == nil || time.Since(start) > 3*time.Second {
			t.Errorf("a closed connection went on for %v, %v", time.Since(start), err)
		}
	})
}

// Waiting for the own rate does not use up the peer's time to answer.
func TestRateIsNotThePeersFault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := &traffic{}
		all.upRate.set(ratePiece / 8)
		m := metered(t, all, drain)
		if err := m.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
			t.Fatal(err)
		}
		if _, err := m.Write(make([]byte, 8*ratePiece)); err != nil { // a minute
			t.Errorf("a slow write: %v", err)
		}
	})
}

func TestAlarm(t *testing.T) {
	rings := 0
	h := &Host{}
	h.traffic.ring = func() { rings++ }
	h.traffic.countUp(100)
	for _, step := range []struct {
		alarm    int64 // 0: left alone
		up, down int
		want     int
	}{
		{0, 10, 10, 0},
		{50, 10, 39, 0},
		{0, 1, 0, 1},
		{0, 1000, 1000, 1}, // once
		{5, 5, 0, 2},
		{5, 0, 0, 2},
		{-1, 1000, 0, 2}, // none
		{1 << 62, 1000, 0, 2},
	} {
		if step.alarm != 0 {
			h.SetAlarm(step.alarm)
		}
		h.traffic.countUp(step.up)
		h.traffic.countDown(step.down)
		if rings != step.want {
			t.Errorf("after %+v it rang %d times", step, rings)
		}
	}
	h.SetAlarm(0)
	if rings != 3 {
		t.Error("an alarm that is due at once does not ring")
	}
}

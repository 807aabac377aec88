package engine

import (
	"context"
	"fmt"
	"time"

	"altnet/engine/control"
)

// presenceLook is how often the node looks whether a pause has ended or a month
// begun, since clocks are set and computers sleep.
const presenceLook = time.Minute

// presence is what decides whether the node talks to peers. It is guarded by
// Engine.mu.
type presence struct {
	online    bool // as SetOnline said
	asks      bool // consent is needed
	settings  control.Settings
	until     time.Time // of Pause
	power     Power
	monthOver bool      // the month's traffic is used up
	monthEnds time.Time // by the clock of the last look

	active bool // what is in force
}

// wanted reports whether somebody wants the node in the network, and may.
func (p *presence) wanted() bool {
	return p.online && (!p.asks || !p.settings.Accepted.IsZero())
}

// decide says whether the node may talk to peers at now, and what keeps it
// from that where it would otherwise.
func (p *presence) decide(now time.Time) (active bool, why *control.Paused) {
	switch s := p.settings; {
	case !p.wanted():
		return false, nil
	case now.Before(p.until):
		return false, &control.Paused{Until: p.until, Reason: control.PauseUser}
	case p.monthOver:
		return false, &control.Paused{Until: p.monthEnds, Reason: control.PauseMonth}
	case s.PauseOnMetered && p.power.Metered:
		return false, &control.Paused{Reason: control.PauseMetered}
	case s.PauseOnBattery && p.power.OnBattery:
		return false, &control.Paused{Reason: control.PauseBattery}
	}
	return true, nil
}

// isOnline reports whether the node may talk to peers now.
func (e *Engine) isOnline() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.presence.active
}

// chosen returns the settings in force.
func (e *Engine) chosen() control.Settings {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.presence.settings
}

// settle puts into force what is decided now, after f has changed what
// decides.
func (e *Engine) settle(f func(*presence)) {
	e.settling.Lock() // so that the host hears of changes in their order
	defer e.settling.Unlock()
	now := time.Now()
	e.mu.Lock()
	p := &e.presence
	f(p)
	p.monthOver, p.monthEnds = e.month.over(now, p.settings.MonthLimit), monthEnd(now)
	was := p.active
	p.active, _ = p.decide(now)
	active := p.active
	e.mu.Unlock()
	if active != was {
		e.host.SetOnline(active)
	}
	if active && !was {
		signal(e.joining)
	}
	e.events.poke()
}

// keepPresence settles again when time alone may have changed something.
func (e *Engine) keepPresence() {
	for {
		timer := time.NewTimer(e.untilLook(time.Now()))
		select {
		case <-timer.C:
		case <-e.looking:
		case <-e.ctx.Done():
			timer.Stop()
			return
		}
		timer.Stop()
		e.countMonth()
		e.settle(func(*presence) {})
		e.tellMonth()
	}
}

// untilLook is how long nothing can change by itself.
func (e *Engine) untilLook(now time.Time) time.Duration {
	e.mu.Lock()
	defer e.mu.Unlock()
	if left := e.presence.until.Sub(now); left > 0 {
		return min(left, presenceLook)
	}
	return presenceLook
}

// watchPower follows how the machine is fed and connected.
func (e *Engine) watchPower() {
	if e.cfg.System == nil {
		return
	}
	for power := range e.cfg.System.Power(e.ctx) {
		if e.ctx.Err() != nil {
			return
		}
		e.settle(func(p *presence) { p.power = power })
	}
}

var (
	offlineKey = []byte("offline")
	pauseKey   = []byte("pause")
)

// loadPresence reads what was decided before the node was stopped.
func (e *Engine) loadPresence() error {
	settings, err := e.loadSettings()
	if err != nil {
		return err
	}
	bucket := e.store.Bucket(settingsBucket)
	_, offline, err := bucket.Get(offlineKey)
	if err != nil {
		return fmt.Errorf("read the settings: %w", err)
	}
	until, _, err := load[time.Time](bucket, pauseKey)
	if err != nil {
		return fmt.Errorf("read the settings: %w", err)
	}
	e.presence = presence{online: !offline, asks: e.cfg.AskFirst, settings: settings, until: until}
	return e.month.load(bucket)
}

// SetOnline implements control.Control.
func (e *Engine) SetOnline(ctx context.Context, online bool) error {
	bucket := e.store.Bucket(settingsBucket)
	var err error
	if online {
		err = bucket.Delete(ctx, offlineKey)
	} else {
		err = bucket.Put(ctx, offlineKey, []byte{1}, time.Time{})
	}
	if err != nil {
		return storeError(fmt.Errorf("remember the choice: %w", err))
	}
	e.settle(func(p *presence) { p.online = online })
	return nil
}

// Pause implements control.Control.
func (e *Engine) Pause(ctx context.Context, until time.Time) error {
	if !until.After(time.Now()) {
		until = time.Time{}
	}
	until = until.Round(0) // the clock on the wall, as after a restart
	bucket := e.store.Bucket(settingsBucket)
	var err error
	if until.IsZero() {
		err = bucket.Delete(ctx, pauseKey)
	} else {
		err = save(ctx, bucket, pauseKey, until)
	}
	if err != nil {
		return storeError(fmt.Errorf("remember the pause: %w", err))
	}
	e.settle(func(p *presence) { p.until = until })
	signal(e.looking)
	return nil
}

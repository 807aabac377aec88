package setup

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"altnet/platform/splitdns"
)

const untouched, opened = "mode=none\n", "mode=none\ndoor=pac-gnome\n"

// kept is a process that keeps its doors, and the last that it reported.
type kept struct {
	setup   *Setup
	changes chan struct{}
	mu      sync.Mutex
	state   map[splitdns.Name]error
}

func (k *kept) report(state map[splitdns.Name]error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.state = state
}

func (k *kept) last() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.state[splitdns.GNOMEProxy]
}

// change tells of another network and waits until the doors were looked at.
func (k *kept) change() {
	k.changes <- struct{}{}
	time.Sleep(time.Minute)
	synctest.Wait()
}

// keeping runs Keep under virtual time while act lasts, and Stop after it.
func (w *world) keeping(act func(k *kept)) {
	w.t.Helper()
	k := &kept{setup: w.process(User), changes: make(chan struct{})}
	ctx, cancel := context.WithCancel(w.t.Context())
	var done sync.WaitGroup
	done.Go(func() { k.setup.Keep(ctx, k.changes, k.report) })
	synctest.Wait()
	act(k)
	cancel()
	done.Wait()
	if err := k.setup.Stop(w.t.Context()); err != nil {
		w.t.Error(err)
	}
}

func (w *world) agree() {
	w.t.Helper()
	p := w.process(User)
	if r, err := p.Apply(w.t.Context(), Choice{Browsing: true}, nil); err != nil || !r.Browsing {
		w.t.Fatalf("%+v, %v", r, err)
	}
	if err := p.Stop(w.t.Context()); err != nil || w.read("home/proxy") != untouched {
		w.t.Fatalf("%q, %v", w.read("home/proxy"), err)
	}
}

func TestKeepNeedsConsent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.keeping(func(k *kept) {
			if w.read("home/proxy") != untouched {
				t.Errorf("without consent: %q", w.read("home/proxy"))
			}
			if err := w.process(User).choose(Choice{Browsing: true}); err != nil {
				t.Fatal(err)
			}
			time.Sleep(checkEvery + time.Minute)
			synctest.Wait()
			if w.read("home/proxy") != opened {
				t.Errorf("with consent: %q", w.read("home/proxy"))
			}
			if _, err := w.process(User).Undo(t.Context()); err != nil {
				t.Fatal(err)
			}
			k.change()
			if w.read("home/proxy") != untouched {
				t.Errorf("after an undo: %q", w.read("home/proxy"))
			}
		})
	})
}

// What a person turns off stays off, over the next starts too, until they set
// up again; the doctor says so and mends nothing.
func TestTurnedOffStaysOff(t *testing.T) {
	for name, seen := range map[string]bool{"noticed under way": true, "noticed at the end": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.agree()
				w.keeping(func(k *kept) {
					if err := k.last(); err != nil || w.read("home/proxy") != opened {
						t.Fatalf("%v, %q", err, w.read("home/proxy"))
					}
					w.write("home/proxy", untouched) // by the person
					if seen {
						k.change()
						if err := k.last(); !errors.Is(err, splitdns.ErrTurnedOff) {
							t.Errorf("reported %v", err)
						}
					}
				})
				w.keeping(func(*kept) {
					if w.read("home/proxy") != untouched {
						t.Errorf("set again: %q", w.read("home/proxy"))
					}
				})
				if r, err := w.process(User).Start(t.Context()); err != nil || r.Browsing || w.read("home/proxy") != untouched {
					t.Errorf("a start: %+v, %v", r, err)
				}
				if c := find(w.process(User).Doctor(t.Context(), healthy()), "door:pac-gnome"); c.State != Warn || c.Found.ID != "doctor.door.off" || c.Fix != nil {
					t.Errorf("the doctor says %+v", c)
				}
				w.agree()
				w.keeping(func(*kept) {
					if w.read("home/proxy") != opened {
						t.Errorf("agreed anew: %q", w.read("home/proxy"))
					}
				})
			})
		})
	}
}

// Nobody is led to who took the gateway's port, and back as soon as it is ours.
func TestNoDoorToAnImpostor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.impostor = true
		r, err := w.process(User).Apply(t.Context(), Choice{Browsing: true}, nil)
		if err != nil || r.Browsing || r.Why == "" || w.read("home/proxy") != untouched {
			t.Errorf("%+v, %v, %q", r, err, w.read("home/proxy"))
		}
		w.keeping(func(k *kept) {
			if err := k.last(); !errors.Is(err, splitdns.ErrImpostor) || w.read("home/proxy") != untouched {
				t.Errorf("%v, %q", err, w.read("home/proxy"))
			}
			w.impostor = false
			k.change()
			if w.read("home/proxy") != opened {
				t.Errorf("ours: %q", w.read("home/proxy"))
			}
			w.impostor = true
			k.change()
			if w.read("home/proxy") != untouched {
				t.Errorf("taken while it was open: %q", w.read("home/proxy"))
			}
			w.impostor = false
			k.change()
			if w.read("home/proxy") != opened {
				t.Errorf("ours again: %q", w.read("home/proxy"))
			}
		})
	})
}

// A second node of the same person leaves the doors of the first alone.
func TestDoorsOfAnotherNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.node = "first"
		w.agree()
		w.keeping(func(first *kept) {
			w.node = "second"
			w.keeping(func(k *kept) { k.change() })
			if r, err := w.process(User).Start(t.Context()); err != nil || r.Browsing {
				t.Errorf("%+v, %v", r, err)
			}
			if w.read("home/proxy") != opened {
				t.Errorf("the second took the first's: %q", w.read("home/proxy"))
			}
			if r, err := w.process(User).Apply(t.Context(), Choice{Browsing: true}, nil); err != nil || !r.Browsing {
				t.Fatalf("%+v, %v", r, err)
			}
			first.change() // the doors are the second's now
			if w.read("home/proxy") != opened {
				t.Errorf("the first took the second's: %q", w.read("home/proxy"))
			}
		})
		if w.read("home/proxy") != opened {
			t.Errorf("the first took the second's at its end: %q", w.read("home/proxy"))
		}
	})
}

// A node that takes the place of another one has its doors from then on; one
// that takes nobody's place does not.
func TestDoorsFollowANode(t *testing.T) {
	for former, want := range map[string]string{"first": "second", "": "first", "third": "first", "second": "first"} {
		w := newWorld(t)
		p := w.process(User)
		if err := p.remember(remembered{Choice: Choice{Browsing: true}, Node: "first", Off: []splitdns.Name{splitdns.KDEProxy}}); err != nil {
			t.Fatal(err)
		}
		p.cfg.Node = "second"
		if err := p.Follow(former); err != nil {
			t.Fatal(err)
		}
		known, err := p.recall()
		if err != nil || known.Node != want || !known.Browsing || len(known.Off) != 1 || p.leads(known) != (want == "second") {
			t.Errorf("after %q: %+v, %v", former, known, err)
		}
	}
}

func TestDoctorAsksWhoAnswers(t *testing.T) {
	w := newWorld(t)
	w.impostor = true
	if c := find(w.process(User).Doctor(t.Context(), healthy()), "ports"); c.State != Bad || c.Found.ID != "doctor.ports.other" {
		t.Errorf("%+v", c)
	}
}

// On a healthy machine what cannot be used is no warning, and every title is
// words.
func TestDoctorIsQuietWhereOneDoorWorks(t *testing.T) {
	w := newWorld(t)
	w.decision.Doors = append([]splitdns.Choice{{Door: splitdns.KDEProxy}}, w.decision.Doors...)
	w.broken[splitdns.KDEProxy] = true
	w.decision.Not = []splitdns.Refusal{{Door: splitdns.Hook, Why: splitdns.ResolvedRefuses, Do: splitdns.UseScript, What: "257"}}
	w.decision.Notes = []splitdns.Note{{About: splitdns.EnvironmentProxy, Do: splitdns.ExcludeFromProxy, What: "http_proxy"}}
	j := w.process(User)
	if err := j.choose(Choice{}); err != nil {
		t.Fatal(err)
	}
	door, err := j.door(splitdns.GNOMEProxy)
	if err != nil {
		t.Fatal(err)
	}
	if err := door.Set(t.Context()); err != nil {
		t.Fatal(err)
	}
	checks := w.process(User).Doctor(t.Context(), healthy())
	if Worst(checks) != OK {
		t.Errorf("%+v", checks)
	}
	for id, title := range map[string]string{"door:pac-gnome": "Way in: the desktop's proxy script", "door:resolve-hook": "Way in: the system's resolver"} {
		if c := find(checks, id); c.Title.String() != title || c.Found.String() == "" {
			t.Errorf("%s: %+v", id, c)
		}
	}
}

func TestEveryDoorHasATitle(t *testing.T) {
	for _, p := range Table() {
		if splitdns.Name(p.Name).Machinewide() || splitdns.Name(p.Name).Proxy() {
			if way(splitdns.Name(p.Name)).String() == "" {
				t.Errorf("%s has no title", p.Name)
			}
		}
	}
}

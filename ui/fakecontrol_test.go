package ui

import (
	"bytes"
	"context"
	"fmt"
	"iter"
	"strings"
	"sync"
	"time"

	"altnet/engine/control"
)

// fakeControl is a node whose every answer a test sets. Methods that no test
// has use for panic, by the nil interface.
type fakeControl struct {
	control.Control

	mu        sync.Mutex
	status    control.Status
	sites     []control.Site
	versions  []control.Version
	receipt   control.Receipt
	activity  control.Activity
	settings  control.Settings
	resolve   map[string]resolved
	fail      map[string]error         // by method
	hold      map[string]chan struct{} // by method: it waits for the channel, or for ctx
	blocks    map[control.Hash][]byte
	published []control.PublishRequest
	called    []string // what changed something, in order
	events    chan control.Event
	gone      chan error
	person    fakePerson
}

type resolved struct {
	res control.Resolution
	err error
}

func newFakeControl() *fakeControl {
	return &fakeControl{
		status: control.Status{
			Operator: true,
			Version:  "1.0", Online: true, Connected: true, NodeID: strings.Repeat("a", 64), Network: "altnet", Peers: 14,
			Accepted: true, Host: control.HostAgent, Reach: control.ReachRelay, Listen: []string{"0.0.0.0:9000"},
			Doors: control.Doors{Gateway: "127.0.0.1:8080", PAC: "http://127.0.0.1:8080/proxy.pac"},
			Store: control.Store{Used: 3e9, Budget: 10e9},
		},
		settings: control.Settings{Accepted: time.Unix(1, 0), DiskBudget: 10e9, MonthLimit: 0, Volunteer: true, Share: control.ShareNever},
		resolve:  map[string]resolved{},
		fail:     map[string]error{},
		hold:     map[string]chan struct{}{},
		blocks:   map[control.Hash][]byte{},
		events:   make(chan control.Event, 16),
		gone:     make(chan error, 1),
	}
}

// enter notes a call, waits where the test holds it, and fails where it must.
func (f *fakeControl) enter(ctx context.Context, method, detail string) error {
	f.mu.Lock()
	f.called = append(f.called, strings.TrimSpace(method+" "+detail))
	hold := f.hold[method]
	f.mu.Unlock()
	if hold != nil {
		select {
		case <-hold:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.fail[method]
}

// calls lists the calls of a method.
func (f *fakeControl) calls(method string) []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []string
	for _, c := range f.called {
		if c == method || strings.HasPrefix(c, method+" ") {
			out = append(out, c)
		}
	}
	return out
}

func (f *fakeControl) set(change func(*fakeControl)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(f)
}

func (f *fakeControl) Status(ctx context.Context) (control.Status, error) {
	err := f.enter(ctx, "Status", "")
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.status, err
}

func (f *fakeControl) Events(ctx context.Context) iter.Seq2[control.Event, error] {
	return func(yield func(control.Event, error) bool) {
		if err := f.enter(ctx, "Events", ""); err != nil {
			yield(control.Event{}, err)
			return
		}
		s, _ := f.Status(ctx)
		if !yield(control.Event{Kind: control.EventStatus, Time: time.Now(), Status: &s}, nil) {
			return
		}
		for {
			select {
			case e := <-f.events:
				if !yield(e, nil) {
					return
				}
			case err := <-f.gone:
				yield(control.Event{}, err)
				return
			case <-ctx.Done():
				return
			}
		}
	}
}

func (f *fakeControl) SetOnline(ctx context.Context, online bool) error {
	if err := f.enter(ctx, "SetOnline", fmt.Sprint(online)); err != nil {
		return err
	}
	f.set(func(f *fakeControl) { f.status.Online, f.status.Connected = online, online })
	s, _ := f.Status(ctx)
	f.events <- control.Event{Kind: control.EventStatus, Status: &s}
	return nil
}

func (f *fakeControl) Sites(ctx context.Context) ([]control.Site, error) {
	err := f.enter(ctx, "Sites", "")
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.sites, err
}

func (f *fakeControl) Versions(ctx context.Context, name string) ([]control.Version, error) {
	err := f.enter(ctx, "Versions", name)
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.versions, err
}

func (f *fakeControl) DropVersion(ctx context.Context, name string, seq uint64) error {
	return f.enter(ctx, "DropVersion", fmt.Sprint(name, " ", seq))
}

func (f *fakeControl) Receipt(ctx context.Context, name string) (control.Receipt, error) {
	err := f.enter(ctx, "Receipt", name)
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.receipt, err
}

func (f *fakeControl) Activity(ctx context.Context, name string) (control.Activity, error) {
	err := f.enter(ctx, "Activity", name)
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.activity, err
}

func (f *fakeControl) Preview(ctx context.Context, name string, seq uint64) (string, error) {
	return fmt.Sprintf("http://token%d.localhost:8080/", seq), f.enter(ctx, "Preview", fmt.Sprint(name, " ", seq))
}

func (f *fakeControl) Resolve(ctx context.Context, name string) (control.Resolution, error) {
	if err := f.enter(ctx, "Resolve", name); err != nil {
		return control.Resolution{}, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	r, ok := f.resolve[strings.TrimSuffix(name, ".alt")]
	if !ok {
		return control.Resolution{}, fmt.Errorf("%s: %w", name, control.ErrUnknown)
	}
	return r.res, r.err
}

func (f *fakeControl) HaveBlocks(ctx context.Context, hashes []control.Hash) ([]bool, error) {
	err := f.enter(ctx, "HaveBlocks", "")
	f.mu.Lock()
	defer f.mu.Unlock()
	have := make([]bool, len(hashes))
	for i, h := range hashes {
		_, have[i] = f.blocks[h]
	}
	return have, err
}

func (f *fakeControl) PutBlocks(ctx context.Context, blocks iter.Seq2[control.Hash, []byte]) error {
	if err := f.enter(ctx, "PutBlocks", ""); err != nil {
		return err
	}
	for h, data := range blocks {
		f.mu.Lock()
		f.blocks[h] = bytes.Clone(data)
		f.mu.Unlock()
	}
	return ctx.Err()
}

func (f *fakeControl) Get(ctx context.Context, h control.Hash) ([]byte, error) {
	if err := f.enter(ctx, "Get", ""); err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if data, ok := f.blocks[h]; ok {
		return data, nil
	}
	return nil, fmt.Errorf("block %s: %w", h, control.ErrMissing)
}

func (f *fakeControl) Publish(ctx context.Context, p control.PublishRequest) (control.Receipt, error) {
	if err := f.enter(ctx, "Publish", ""); err != nil {
		return control.Receipt{}, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.published = append(f.published, p)
	return f.receipt, nil
}

func (f *fakeControl) Withdraw(ctx context.Context, _ control.PublishRequest) (control.Receipt, error) {
	return control.Receipt{Withdrawn: true}, f.enter(ctx, "Withdraw", "")
}

func (f *fakeControl) Settings(ctx context.Context) (control.Settings, error) {
	err := f.enter(ctx, "Settings", "")
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.settings, err
}

func (f *fakeControl) SetSettings(ctx context.Context, s control.Settings) error {
	if err := f.enter(ctx, "SetSettings", ""); err != nil {
		return err
	}
	f.set(func(f *fakeControl) { f.settings = s })
	return nil
}

package splitdns

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"runtime"
	"time"

	"altnet/platform/journal"
)

// Open returns a door of this system; ErrNotHere for one of another.
func Open(name Name, cfg Config) (Door, error) {
	cfg = cfg.withDefaults()
	if name == Localhost {
		return &localhostDoor{cfg}, nil
	}
	if open := constructors(runtime.GOOS)[name]; open != nil {
		return open(cfg), nil
	}
	return nil, fmt.Errorf("open the door %s: %w", name, ErrNotHere)
}

// constructors are the doors of a system. What is done by programs alone is
// built everywhere, and tested everywhere.
func constructors(goos string) map[Name]func(Config) Door {
	doors := systemDoors()
	switch goos {
	case "linux":
		doors[GNOMEProxy] = func(c Config) Door { return &gnomeDoor{c} }
		doors[KDEProxy] = openKDE
	case "darwin":
		doors[ResolverFile] = openResolver
		doors[MacProxy] = func(c Config) Door { return &macProxy{c} }
	}
	return doors
}

// Undoers are what a journal needs to undo the doors of this system. run may be
// nil for programs of this computer.
func Undoers(run Run) map[string]journal.Undoer {
	if run == nil {
		run = Exec
	}
	undoers := systemUndoers()
	maps.Copy(undoers, map[string]journal.Undoer{
		gnomeKind: undoSetting(run), kdeKind: undoKDE,
		flushKind: undoFlush(run), networkKind: undoAutoProxy(run),
	})
	return undoers
}

// Surgeons are what a journal needs to undo files of the doors that somebody
// edited since.
func Surgeons() map[string]journal.Surgeon {
	return map[string]journal.Surgeon{linesSurgeon: journal.Lines, kdeSurgeon: cutKDE}
}

// localhostDoor is name-alt.localhost:PORT, which browsers resolve themselves.
type localhostDoor struct{ cfg Config }

func (d *localhostDoor) Name() Name { return Localhost }

func (d *localhostDoor) Set(context.Context) error { return nil }

func (d *localhostDoor) Undo(context.Context) error { return nil }

// Verify asks the gateway for its script, as a page that it always has.
func (d *localhostDoor) Verify(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if err := d.cfg.prove(ctx, d.cfg.Want.Gateway); err != nil {
		return err
	}
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	url := "http://" + d.cfg.Want.Gateway.String() + "/proxy.pac"
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	res, err := (&http.Client{Transport: transport}).Do(req)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrClosed, err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%w: %s answers %s", ErrClosed, url, res.Status)
	}
	return nil
}

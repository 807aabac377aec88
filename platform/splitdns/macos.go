package splitdns

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"altnet/platform/journal"
)

const (
	resolverFolder = "/etc/resolver"
	flushKind      = "splitdns-flush"
	networkKind    = "splitdns-networksetup"
)

// resolverDoor is a file that names the server of one suffix.
type resolverDoor struct {
	cfg    Config
	folder string
}

func openResolver(cfg Config) Door { return &resolverDoor{cfg: cfg, folder: resolverFolder} }

func (d *resolverDoor) Name() Name { return ResolverFile }

func (d *resolverDoor) text() string {
	dns := d.cfg.Want.DNS
	return fmt.Sprintf("%s\nnameserver %s\nport %d\n", ownerLine, dns.Addr(), dns.Port())
}

// Set writes the flush into the journal before the file, so that undoing, which
// goes backwards, flushes last.
func (d *resolverDoor) Set(ctx context.Context) error {
	path := filepath.Join(d.folder, d.cfg.Want.Suffix)
	if ownerOf(path) == Theirs {
		return fmt.Errorf("%w: %s", ErrTaken, path)
	}
	flush := journal.ExternalChange{Door: string(ResolverFile), Kind: flushKind, Key: "names", Before: json.RawMessage("null"), After: json.RawMessage("null")}
	if err := d.cfg.Journal.External(ctx, flush, func(context.Context) error { return nil }); err != nil {
		return err
	}
	text := d.text()
	err := d.cfg.Journal.File(ctx, journal.FileChange{
		Door: string(ResolverFile), Path: path, Edit: journal.Whole([]byte(text)),
		Surgeon: linesSurgeon, Part: journal.LinesPart(text),
		Leftover: func(now []byte) bool { return strings.HasPrefix(string(now), ownerLine) },
	})
	if err != nil {
		return err
	}
	return flushNames(ctx, d.cfg.Run)
}

func (d *resolverDoor) Verify(ctx context.Context) error { return d.cfg.verifyName(ctx) }

func (d *resolverDoor) Undo(ctx context.Context) error { return d.cfg.undo(ctx, ResolverFile) }

// flushNames has macOS read its resolver files and forget what it knew.
func flushNames(ctx context.Context, run Run) error {
	_, cache := run(ctx, "dscacheutil", "-flushcache")
	_, hup := run(ctx, "killall", "-HUP", "mDNSResponder")
	return errors.Join(cache, hup)
}

func undoFlush(run Run) journal.Undoer {
	return func(ctx context.Context, _ journal.Change) (journal.Result, error) {
		if err := flushNames(ctx, run); err != nil {
			return journal.Failed, err
		}
		return journal.Restored, nil
	}
}

// macProxy sets the script of each network service (Wi-Fi, Ethernet, …).
type macProxy struct{ cfg Config }

// autoProxy is what a service has for its script.
type autoProxy struct {
	URL string `json:"url"`
	On  bool   `json:"on"`
}

func (d *macProxy) Name() Name { return MacProxy }

func (d *macProxy) Set(ctx context.Context) error {
	out, err := d.cfg.Run(ctx, "scutil", "--proxy")
	if err != nil {
		return err
	}
	if p := scutilProxy(string(out)); p.Mode != ProxyDetect { // which macOS keeps beside a script
		if err := p.free(); err != nil {
			return err
		}
	}
	services, err := networkServices(ctx, d.cfg.Run)
	if err != nil {
		return err
	}
	var failures []error
	set := 0
	for _, service := range services {
		done, err := d.setService(ctx, service)
		if done {
			set++
		}
		failures = append(failures, err)
	}
	if set == 0 {
		return errors.Join(append(failures, fmt.Errorf("%w: every network service has a proxy", ErrTaken))...)
	}
	return errors.Join(failures...)
}

// setService sets one service unless it has settings of its own.
func (d *macProxy) setService(ctx context.Context, service string) (bool, error) {
	now, err := getAutoProxy(ctx, d.cfg.Run, service)
	if err != nil {
		return false, err
	}
	want := autoProxy{URL: d.cfg.script(true), On: true}
	if now == want {
		return true, nil
	}
	if now.On && !OurScript(now.URL) {
		return false, nil
	}
	if manual, err := hasManualProxy(ctx, d.cfg.Run, service); err != nil || manual {
		return false, err
	}
	was, err := json.Marshal(now)
	if err != nil {
		return false, err
	}
	will, err := json.Marshal(want)
	if err != nil {
		return false, err
	}
	change := journal.ExternalChange{Door: string(MacProxy), Kind: networkKind, Key: service, Before: was, After: will}
	err = d.cfg.Journal.External(ctx, change, func(ctx context.Context) error { return putAutoProxy(ctx, d.cfg.Run, service, want) })
	return err == nil, err
}

func (d *macProxy) Verify(ctx context.Context) error {
	out, err := d.cfg.Run(ctx, "scutil", "--proxy")
	if err != nil {
		return fmt.Errorf("%w: %w", ErrClosed, err)
	}
	if p := scutilProxy(string(out)); p.Mode != ProxyOurs || p.What != d.cfg.script(true) {
		return fmt.Errorf("%w: the network in use has the proxy settings %s %s", ErrClosed, p.Mode, p.What)
	}
	return d.cfg.verifyProxy(ctx)
}

func (d *macProxy) Undo(ctx context.Context) error { return d.cfg.undo(ctx, MacProxy) }

func undoAutoProxy(run Run) journal.Undoer {
	return func(ctx context.Context, c journal.Change) (journal.Result, error) {
		services, err := networkServices(ctx, run)
		if err != nil {
			return journal.Failed, err
		}
		found := false
		for _, s := range services {
			found = found || s == c.Key
		}
		if !found {
			return journal.Nothing, nil // the service was removed
		}
		now, err := getAutoProxy(ctx, run, c.Key)
		if err != nil {
			return journal.Failed, err
		}
		var before autoProxy
		if err := json.Unmarshal(c.Before, &before); err != nil {
			return journal.Failed, err
		}
		if OurScript(before.URL) {
			before = autoProxy{} // of an earlier run
		}
		if !OurScript(now.URL) {
			return journal.Nothing, nil
		}
		return journal.Restored, putAutoProxy(ctx, run, c.Key, before)
	}
}

// networkServices lists the services; those with an asterisk are turned off.
func networkServices(ctx context.Context, run Run) ([]string, error) {
	out, err := run(ctx, "networksetup", "-listallnetworkservices")
	if err != nil {
		return nil, err
	}
	var services []string
	for i, line := range strings.Split(strings.TrimSpace(string(out)), "\n") {
		if i > 0 && line != "" { // the first line explains the asterisk
			services = append(services, strings.TrimPrefix(line, "*"))
		}
	}
	return services, nil
}

func getAutoProxy(ctx context.Context, run Run, service string) (autoProxy, error) {
	values, err := networkValues(ctx, run, "-getautoproxyurl", service)
	p := autoProxy{URL: values["URL"], On: values["Enabled"] == "Yes"}
	if p.URL == "(null)" {
		p.URL = ""
	}
	return p, err
}

func hasManualProxy(ctx context.Context, run Run, service string) (bool, error) {
	for _, question := range []string{"-getwebproxy", "-getsecurewebproxy", "-getsocksfirewallproxy"} {
		values, err := networkValues(ctx, run, question, service)
		if err != nil || values["Enabled"] == "Yes" {
			return true, err
		}
	}
	return false, nil
}

// networkValues reads lines like "Enabled: No".
func networkValues(ctx context.Context, run Run, question, service string) (map[string]string, error) {
	out, err := run(ctx, "networksetup", question, service)
	values := map[string]string{}
	for line := range strings.Lines(string(out)) {
		if name, value, found := strings.Cut(line, ":"); found {
			values[strings.TrimSpace(name)] = strings.TrimSpace(value)
		}
	}
	return values, err
}

// putAutoProxy sets the address, which turns the script on, and then its state.
// Where there was no address, ours may stay in the dialogue if this macOS takes
// no empty one; it is off.
func putAutoProxy(ctx context.Context, run Run, service string, p autoProxy) error {
	_, err := run(ctx, "networksetup", "-setautoproxyurl", service, p.URL)
	if p.On {
		return err
	}
	_, off := run(ctx, "networksetup", "-setautoproxystate", service, "off")
	if p.URL == "" {
		return off
	}
	return errors.Join(err, off)
}

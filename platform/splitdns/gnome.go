package splitdns

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"altnet/platform/journal"
)

// GNOME keeps proxy settings in GSettings, and so do the desktops that came
// from it. Chromium and Firefox read them there.
const (
	gnomeSchema = "org.gnome.system.proxy"
	gnomeMode   = "mode"
	gnomeURL    = "autoconfig-url"
	gnomeKind   = "splitdns-gsettings"
)

type gnomeDoor struct{ cfg Config }

func (d *gnomeDoor) Name() Name { return GNOMEProxy }

func (d *gnomeDoor) Set(ctx context.Context) error {
	mode, err := getSetting(ctx, d.cfg.Run, gnomeMode)
	if err != nil {
		return err
	}
	if err := lookGNOMEProxy(ctx, d.cfg.Run, unquote([]byte(mode))).free(); err != nil {
		return err
	}
	ours, err := d.cfg.ours(ctx, GNOMEProxy)
	if err != nil {
		return err
	}
	if err := d.set(ctx, gnomeURL, quoteSetting(d.cfg.script(false)), ours); err != nil {
		return err
	}
	return d.set(ctx, gnomeMode, quoteSetting("auto"), ours)
}

// set changes one key. ours says whether the journal knows of the door: a value
// that an earlier AltNet left without a journal is taken for none.
func (d *gnomeDoor) set(ctx context.Context, key, value string, ours bool) error {
	now, err := getSetting(ctx, d.cfg.Run, key)
	if err != nil {
		return err
	}
	if now == value && ours {
		return nil
	}
	before := now
	if !ours && (now == value || OurScript(unquote([]byte(now)))) {
		before = defaultSetting(ctx, d.cfg.Run, key)
	}
	was, err := json.Marshal(before)
	if err != nil {
		return err
	}
	will, err := json.Marshal(value)
	if err != nil {
		return err
	}
	change := journal.ExternalChange{Door: string(GNOMEProxy), Kind: gnomeKind, Key: key, Before: was, After: will}
	return d.cfg.Journal.External(ctx, change, func(ctx context.Context) error { return putSetting(ctx, d.cfg.Run, key, value) })
}

func (d *gnomeDoor) Verify(ctx context.Context) error {
	for _, setting := range [][2]string{{gnomeMode, "auto"}, {gnomeURL, d.cfg.script(false)}} {
		key, want := setting[0], setting[1]
		now, err := getSetting(ctx, d.cfg.Run, key)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrClosed, err)
		}
		value := unquote([]byte(now))
		if value != want && OurScript(value) {
			return fmt.Errorf("%w: the script leads where the gateway was before", ErrClosed)
		}
		if value != want {
			return fmt.Errorf("%w: the setting %s is %s", ErrTurnedOff, key, now)
		}
	}
	return d.cfg.verifyProxy(ctx)
}

func (d *gnomeDoor) Undo(ctx context.Context) error { return d.cfg.undo(ctx, GNOMEProxy) }

// undoSetting puts a key back that still is as we left it. One that was at its
// default is reset, so that nothing of ours stays in the person's database.
func undoSetting(run Run) journal.Undoer {
	return func(ctx context.Context, c journal.Change) (journal.Result, error) {
		now, err := getSetting(ctx, run, c.Key)
		if err != nil {
			return journal.Failed, err
		}
		present, err := json.Marshal(now)
		if err != nil {
			return journal.Failed, err
		}
		var before string
		if err := json.Unmarshal(c.Before, &before); err != nil {
			return journal.Failed, err
		}
		if now == before || !c.IsOurs(present) {
			return journal.Nothing, nil
		}
		if before == defaultSetting(ctx, run, c.Key) {
			if _, err := run(ctx, "gsettings", "reset", gnomeSchema, c.Key); err != nil {
				return journal.Failed, err
			}
			return journal.Removed, checkSetting(ctx, run, c.Key, before)
		}
		return journal.Restored, putSetting(ctx, run, c.Key, before)
	}
}

func getSetting(ctx context.Context, run Run, key string) (string, error) {
	out, err := run(ctx, "gsettings", "get", gnomeSchema, key)
	return strings.TrimSpace(string(out)), err
}

// putSetting sets a key and reads it back: without a session gsettings says yes
// and writes nothing.
func putSetting(ctx context.Context, run Run, key, value string) error {
	if _, err := run(ctx, "gsettings", "set", gnomeSchema, key, value); err != nil {
		return err
	}
	return checkSetting(ctx, run, key, value)
}

func checkSetting(ctx context.Context, run Run, key, want string) error {
	now, err := getSetting(ctx, run, key)
	if err == nil && now != want {
		err = fmt.Errorf("the proxy setting %s stays %s: is this the person's session?", key, now)
	}
	return err
}

// defaultSetting is a key's value in a database where nobody set anything; ""
// where it cannot be known.
func defaultSetting(ctx context.Context, run Run, key string) string {
	out, err := run(ctx, "env", "GSETTINGS_BACKEND=memory", "gsettings", "get", gnomeSchema, key)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(out))
}

// unquote reads a GVariant string; our values need no escapes.
func unquote(out []byte) string {
	text := strings.TrimSpace(string(out))
	if len(text) < 2 || text[0] != text[len(text)-1] || text[0] != '\'' && text[0] != '"' {
		return text
	}
	return text[1 : len(text)-1]
}

func quoteSetting(text string) string { return "'" + strings.ReplaceAll(text, "'", `\'`) + "'" }

// lookGNOMEProxy describes the settings for a mode.
func lookGNOMEProxy(ctx context.Context, run Run, mode string) Proxy {
	if out, err := run(ctx, "gsettings", "writable", gnomeSchema, gnomeMode); err == nil && strings.TrimSpace(string(out)) == "false" {
		return Proxy{Mode: ProxyEnforced}
	}
	switch mode {
	case "none":
		return Proxy{}
	case "manual":
		host, _ := run(ctx, "gsettings", "get", gnomeSchema+".http", "host")
		return Proxy{Mode: ProxyManual, What: unquote(host)}
	case "auto":
		script, err := getSetting(ctx, run, gnomeURL)
		script = unquote([]byte(script))
		switch {
		case err != nil:
			return Proxy{Mode: ProxyUnknown}
		case script == "":
			return Proxy{Mode: ProxyDetect}
		case OurScript(script):
			return Proxy{Mode: ProxyOurs, What: script}
		}
		return Proxy{Mode: ProxyPAC, What: script}
	}
	return Proxy{Mode: ProxyUnknown, What: mode}
}

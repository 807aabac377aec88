//go:build !nogui

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"altnet/engine/control"
	"altnet/platform/autostart"
	"altnet/platform/desktop"
	"altnet/platform/instance"
	"altnet/ui"
)

// userDesktop is the computer around the window: what concerns the node goes
// to the agent, the rest to the system.
type userDesktop struct {
	profile string
	prefs   prefsFile
	session *session // of this person, for what the commands do too
	log     *slog.Logger
}

var _ ui.Desktop = (*userDesktop)(nil)

func newDesktop(profile string, s *session, log *slog.Logger) *userDesktop {
	return &userDesktop{profile: profile, prefs: prefsFile{profile}, session: s, log: log}
}

// ask sends a request to the agent.
func (d *userDesktop) ask(ctx context.Context, r instance.Request, report func(instance.Reply)) error {
	return instance.Send(ctx, agentDir(d.profile), r, report)
}

// Prefs implements ui.Desktop.
func (d *userDesktop) Prefs() (ui.Prefs, error) {
	p, err := d.prefs.load()
	return ui.Prefs(p), err
}

// ChangePrefs implements ui.Desktop. The agent reads them again.
func (d *userDesktop) ChangePrefs(change func(*ui.Prefs)) (ui.Prefs, error) {
	saved, err := d.prefs.change(func(p *preferences) {
		of := ui.Prefs(*p)
		change(&of)
		*p = preferences(of)
	})
	if err == nil {
		go d.tellPrefs()
	}
	return ui.Prefs(saved), err
}

func (d *userDesktop) tellPrefs() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := d.ask(ctx, instance.Request{Do: doPrefs}, nil); err != nil {
		d.log.Debug("tell the agent of new preferences", "err", err)
	}
}

// OpenURL implements ui.Desktop.
func (d *userDesktop) OpenURL(url string) error { return desktop.OpenURL(context.Background(), url) }

// ShowFolder implements ui.Desktop.
func (d *userDesktop) ShowFolder(path string) error {
	return desktop.ShowFolder(context.Background(), path)
}

// PickFolder implements ui.Desktop.
func (d *userDesktop) PickFolder(ctx context.Context, title string) (string, error) {
	path, err := desktop.PickFolder(ctx, title)
	return path, translated(err)
}

// Authenticate implements ui.Desktop.
func (d *userDesktop) Authenticate(ctx context.Context, reason string) error {
	return translated(desktop.Authenticate(ctx, reason))
}

// translated turns the sentinels of package desktop into those of ui.
func translated(err error) error {
	for from, to := range map[error]error{
		desktop.ErrNoPicker: ui.ErrNoPicker, desktop.ErrRefused: ui.ErrRefused, desktop.ErrNoAuthentication: ui.ErrNoAuthentication,
	} {
		if errors.Is(err, from) {
			return fmt.Errorf("%w (%w)", to, err)
		}
	}
	return err
}

// Autostart implements ui.Desktop.
func (d *userDesktop) Autostart() (bool, error) {
	entry, err := loginEntry()
	if err != nil {
		return false, err
	}
	return entry.Enabled()
}

// SetAutostart implements ui.Desktop.
func (d *userDesktop) SetAutostart(on bool) error {
	entry, err := loginEntry()
	if err != nil {
		return err
	}
	return entry.Set(on)
}

func loginEntry() (autostart.Entry, error) {
	program, err := os.Executable()
	if err != nil {
		return autostart.Entry{}, err
	}
	home, err := os.UserHomeDir()
	return autostart.Entry{Program: program, Home: home, Getenv: os.Getenv}, err
}

// WatchFolders implements ui.Desktop: the agent watches, as long as there is
// one.
func (d *userDesktop) WatchFolders(ctx context.Context, tell func(changed []string)) {
	for ctx.Err() == nil {
		err := d.ask(ctx, instance.Request{Do: doFolders}, func(r instance.Reply) {
			var folders []string
			if json.Unmarshal([]byte(r.Text), &folders) == nil {
				tell(folders)
			}
		})
		if err != nil && ctx.Err() == nil {
			d.log.Debug("no agent watches folders", "err", err)
		}
		select {
		case <-time.After(5 * time.Second):
		case <-ctx.Done():
		}
	}
}

// MoveData implements ui.Desktop.
func (d *userDesktop) MoveData(ctx context.Context, dest string, progress func(done, total int64)) error {
	return d.ask(ctx, instance.Request{Do: doMove, Args: []string{dest}}, func(r instance.Reply) { progress(r.Now, r.Total) })
}

// Restart implements ui.Desktop. Where the agent is gone another is started.
func (d *userDesktop) Restart(ctx context.Context) error {
	err := d.ask(ctx, instance.Request{Do: doRestart}, nil)
	if errors.Is(err, instance.ErrNobody) {
		return startAgent(d.session.opts)
	}
	return named(err)
}

// WhyStopped implements ui.Desktop.
func (d *userDesktop) WhyStopped(ctx context.Context) error {
	err := d.ask(ctx, instance.Request{Do: doWhy}, nil)
	if errors.Is(err, instance.ErrNobody) {
		return nil
	}
	return named(err)
}

// named gives the reasons why the agent's node does not run their place in ui.
func named(err error) error {
	e, ok := errors.AsType[*instance.RequestError](err)
	if !ok {
		return err
	}
	as := map[string]error{
		codeAway: ui.ErrDataAway, codeTaken: ui.ErrDataTaken, codeUnreadable: ui.ErrDataClosed, codeFull: control.ErrFull,
		codeRefused: ui.ErrRefused, codeNoAdmin: ui.ErrNoAuthentication,
	}[e.Code]
	if as == nil {
		return err
	}
	return fmt.Errorf("%w (%w)", as, err)
}

// startAgent starts an agent that outlives this window.
func startAgent(o *options) error {
	program, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	cmd := exec.Command(program, append(o.passOn(), "agent")...)
	cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, pipeVariable+"=") })
	apart(cmd)
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start the agent: %w", err)
	}
	return cmd.Process.Release()
}

// Quit implements ui.Desktop.
func (d *userDesktop) Quit(ctx context.Context) error {
	return d.ask(ctx, instance.Request{Do: doQuit}, nil)
}

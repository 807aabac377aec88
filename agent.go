package main

import (
	"context"
	"errors"
	"fmt"
	stdlog "log"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"

	"altnet/assets"
	"altnet/platform"
	"altnet/platform/desktop"
	"altnet/platform/instance"
	"altnet/platform/relocate"
	"altnet/ui/tray"
)

// show is what a start wants to see of the agent.
type show struct {
	window  bool
	folders []string // to publish
	site    string   // to look at
}

// words of requests to the agent.
const (
	doShow    = "show"
	doQuit    = "quit"
	doPrefs   = "prefs" // they changed
	doFolders = "folders"
	doMove    = "move"
	doRestart = "restart"
	doWhy     = "why"  // the agent's node does not run
	doHere    = "here" // whether there is an agent
)

// errReplaced ends an agent whose program was replaced on the disk: the new
// one takes over.
var errReplaced = errors.New("the program was replaced")

// agentDir is where the agent of a profile has its lock and its socket.
func agentDir(profile string) string { return filepath.Join(profile, "agent") }

// runAgent is the agent of this session: it runs until it is told to quit. A
// second start asks the first one and returns.
func runAgent(ctx context.Context, o *options, term *terminal, want show) error {
	if err := errors.Join(o.checkGiven("the agent", o.nodeFlags()), o.checkReady()); err != nil {
		return err
	}
	data, profile, err := o.folders()
	if err != nil {
		return err
	}
	log, err := o.logger(term.err)
	if err != nil {
		return err
	}
	stdlog.SetOutput(slog.NewLogLogger(log.Handler(), slog.LevelDebug).Writer()) // the tray's library knows no other log
	if err := relocate.Finish(pointerFile(profile)); err != nil {
		log.Warn("finish moving the data", "err", err)
	}
	a, err := newAgent(o, data, profile, log)
	if err != nil {
		return err
	}
	a.life, a.stop = context.WithCancelCause(ctx)
	defer a.stop(nil)
	claim, err := instance.Claim(agentDir(profile), a.answer, log)
	if errors.Is(err, instance.ErrRunning) {
		return askAgent(ctx, profile, want)
	}
	if err != nil {
		return err
	}
	defer claim.Close()
	err = a.run(want)
	if errors.Is(err, errReplaced) {
		claim.Close()
		return takeOver(a.program)
	}
	return err
}

// askAgent shows the window of the agent that runs. An agent without a wish
// wants nothing of the one that was faster.
func askAgent(ctx context.Context, profile string, want show) error {
	if !want.window {
		return instance.ErrRunning
	}
	return instance.Send(ctx, agentDir(profile), want.request(), nil)
}

func (s show) request() instance.Request {
	r := instance.Request{Do: doShow, Args: absolute(s.folders), Env: displayEnv()}
	if s.site != "" {
		r.Env["site"] = s.site
	}
	return r
}

// absolute turns folders of this process into ones that another understands.
func absolute(folders []string) []string {
	var out []string
	for _, f := range folders {
		if abs, err := filepath.Abs(f); err == nil {
			out = append(out, abs)
		}
	}
	return out
}

// displayEnv is where whoever asks wants the window to appear.
func displayEnv() map[string]string {
	env := map[string]string{}
	for _, name := range desktop.Env() {
		if value := os.Getenv(name); value != "" {
			env[name] = value
		}
	}
	return env
}

// pointerFile names the data folder where that was moved.
func pointerFile(profile string) string { return filepath.Join(profile, "data.json") }

// agentTexts picks the language of tray and notifications.
func agentTexts(prefs preferences) (assets.Texts, error) {
	catalog, err := assets.OpenAgent()
	if err != nil {
		return assets.Texts{}, err
	}
	language := prefs.Language
	if language == "" {
		language = desktop.Language()
	}
	return catalog.For(language), nil
}

// trayIcons are the tray's pictures in the form that the system wants.
func trayIcons() map[tray.Icon][]byte {
	icons := map[tray.Icon][]byte{}
	for _, icon := range []tray.Icon{tray.Online, tray.Offline, tray.Working, tray.Attention} {
		icons[icon] = assets.TrayIcon(string(icon), runtime.GOOS == "windows")
	}
	return icons
}

// newAgent prepares an agent without starting anything.
func newAgent(o *options, data, profile string, log *slog.Logger) (*agent, error) {
	prefs := prefsFile{profile}
	p, err := prefs.load()
	if err != nil {
		log.Warn("the defaults hold", "err", err)
	}
	texts, err := agentTexts(p)
	if err != nil {
		return nil, err
	}
	program, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	if err := platform.Private(profile); err != nil {
		return nil, err
	}
	a := &agent{
		opts: o, profile: profile, program: program, log: log, prefs: prefs, texts: texts,
		inbox: make(chan func(), 64), views: make(chan tray.View, 1), listeners: map[chan []string]bool{}, stopped: make(chan struct{}),
	}
	if a.home, err = loadHome(profile); err != nil {
		log.Warn("a change of the node may go unnoticed", "err", err)
	}
	a.host = newHost(o, data, profile, program, log)
	a.host.told = func(why error) { a.post(a.life, func() { a.engineFailed(a.life, why) }) }
	a.window = &windowProcess{program: program, dir: windowDir(profile), args: o.passOn(), log: log}
	return a, nil
}

// passOn are the flags that the window process needs to find the same folders.
func (o *options) passOn() []string {
	var args []string
	if o.data != "" {
		args = append(args, "-data", o.data)
	}
	if o.profile != "" {
		args = append(args, "-profile", o.profile)
	}
	return args
}

// quitAgent is the command quit. It says what goes on without the agent.
func quitAgent(ctx context.Context, s *session, _ []string) error {
	_, profile, err := s.opts.folders()
	if err != nil {
		return err
	}
	text := "AltNet has ended."
	if s.opts.usesService() {
		text = "AltNet's icon is gone; the service goes on."
	}
	return s.done(instance.Send(ctx, agentDir(profile), instance.Request{Do: doQuit}, nil), text)
}

// agentCommand is the command agent: one without a window, for a login.
func agentCommand(ctx context.Context, s *session, _ []string) error {
	return runAgent(ctx, s.opts, s.terminal, show{})
}

// agentArgs are the arguments of an agent in place of this one: its flags, and
// no folders to show.
func agentArgs(args []string) []string {
	_, words, err := parse(args)
	if err != nil {
		return []string{"agent"}
	}
	flags := slices.Clone(args)
	for i := len(flags) - 1; i >= 0 && len(words) > 0; i-- { // words keep their order
		if flags[i] == words[len(words)-1] {
			flags, words = slices.Delete(flags, i, i+1), words[:len(words)-1]
		}
	}
	return append(flags, "agent")
}

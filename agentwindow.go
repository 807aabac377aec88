package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"time"

	"altnet/platform/desktop"
	"altnet/platform/instance"
	"altnet/platform/notify"
)

// pipeVariable tells a window process that its input is the agent's.
const pipeVariable = "ALTNET_WINDOW_PIPE"

// windowProcess is the window, which runs while it is open. It is another
// process, so that nothing that happens to it hurts the agent.
type windowProcess struct {
	program string
	dir     string   // where a window can be asked that another agent started
	args    []string // flags
	log     *slog.Logger

	mu      sync.Mutex
	in      io.WriteCloser // nil: no window is open
	closing bool           // the agent ends
	sent    time.Time      // when the window that is open was asked for something
	again   func() error   // asks once more
	ended   sync.WaitGroup
}

// openWindow raises the window, or starts it.
func (a *agent) openWindow(ctx context.Context, r instance.Request) {
	a.attended()
	failed := func(err error) {
		a.post(ctx, func() { a.windowFailed(ctx, err) })
	}
	a.tasks.Go(func() { // a window that hangs takes its time to say nothing
		if err := a.window.show(ctx, requestOf(r), r.Env, failed); err != nil {
			failed(err)
		}
	})
}

func requestOf(r instance.Request) windowRequest {
	switch {
	case len(r.Args) > 0:
		return windowRequest{Do: "publish", Folders: r.Args}
	case r.Env["publish"] != "":
		return windowRequest{Do: "pick"}
	case r.Env["site"] != "":
		return windowRequest{Do: "site", Site: r.Env["site"]}
	}
	return windowRequest{Do: "raise"}
}

// show hands the request to the window that is open, else starts one where
// env says. failed is called when it ends by itself in failure.
func (w *windowProcess) show(ctx context.Context, r windowRequest, env map[string]string, failed func(error)) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closing {
		return nil
	}
	if w.in != nil && w.send(r) == nil {
		w.sent, w.again = time.Now(), func() error { return w.show(ctx, r, env, failed) }
		return nil
	}
	if err := askWindow(ctx, w.dir, r); !errors.Is(err, instance.ErrNobody) {
		return err // one of an agent before this one: there is never a second
	}
	return w.start(r, env, failed, false)
}

// send writes a request. A window that has just gone is no error to anybody:
// another is started.
func (w *windowProcess) send(r windowRequest) error {
	line, err := json.Marshal(r)
	if err != nil {
		return err
	}
	_, err = w.in.Write(append(line, '\n'))
	return err
}

func (w *windowProcess) start(r windowRequest, env map[string]string, failed func(error), software bool) error {
	cmd := exec.Command(w.program, append(slices.Clone(w.args), windowWord)...)
	cmd.Env = windowEnv(os.Environ(), env, software)
	cmd.Stdout = os.Stderr
	// Fyne stays on when it finds nothing to draw with, without a window.
	said := &lastWords{keep: 4 << 10, hopeless: noOpenGL, giveUp: func() { cmd.Process.Kill() }}
	cmd.Stderr = io.MultiWriter(os.Stderr, said)
	in, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	w.in = in
	started := time.Now()
	w.ended.Go(func() {
		err := cmd.Wait()
		if again := w.gone(in); again != nil && again() == nil || err == nil {
			return
		}
		w.log.Warn("the window ended", "err", err, "after", time.Since(started))
		if !software && noOpenGL(said.String()) && w.retry(r, env, failed) == nil {
			return
		}
		failed(&windowError{err, said.String(), time.Since(started)})
	})
	return w.send(r)
}

// retry starts the window once more, drawing without the graphics card.
func (w *windowProcess) retry(r windowRequest, env map[string]string, failed func(error)) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.in != nil || w.closing {
		return nil // another was started meanwhile
	}
	return w.start(r, env, failed, true)
}

// justSent is how long before its end a window may have been sent what it had
// no time to do.
const justSent = time.Second

// gone notes that the window behind in has ended. It returns what asks another
// window for what this one has not done, nil for nothing.
func (w *windowProcess) gone(in io.WriteCloser) (again func() error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.in != in {
		return nil
	}
	w.in = nil
	if time.Since(w.sent) < justSent {
		again = w.again
	}
	w.again = nil
	return again
}

// open reports whether there is a window.
func (w *windowProcess) open(ctx context.Context) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.in != nil || instance.Answers(ctx, w.dir)
}

// quit ends the window, and waits for it where this agent started it.
func (w *windowProcess) quit() {
	w.mu.Lock()
	w.closing = true
	if w.in != nil {
		w.send(windowRequest{Do: "quit"})
		w.in.Close()
	} else if err := askWindow(context.Background(), w.dir, windowRequest{Do: "quit"}); err != nil && !errors.Is(err, instance.ErrNobody) {
		w.log.Warn("end the window", "err", err)
	}
	w.mu.Unlock()
	w.ended.Wait()
}

// windowEnv is the agent's environment with the display of whoever asked.
func windowEnv(own []string, asked map[string]string, software bool) []string {
	env := append(slices.Clone(own), pipeVariable+"=1")
	for _, name := range slices.Sorted(maps.Keys(asked)) {
		if strings.ToUpper(name) == name {
			env = append(env, name+"="+asked[name])
		}
	}
	if software {
		env = append(env, "LIBGL_ALWAYS_SOFTWARE=1")
	}
	return env
}

// windowError is a window that ended by itself.
type windowError struct {
	err   error
	said  string
	after time.Duration
}

// Error implements error.
func (e *windowError) Error() string {
	lines := strings.Split(strings.TrimSpace(e.said), "\n")
	return strings.TrimSpace(e.err.Error() + ": " + lines[0])
}

// noOpenGL reads from a window's last words whether it found nothing to draw
// with.
func noOpenGL(said string) bool {
	said = strings.ToLower(said)
	return slices.ContainsFunc([]string{"opengl", "glx:", "egl:", "window creation error", "apiunavailable", "versionunavailable"},
		func(sign string) bool { return strings.Contains(said, sign) })
}

// windowStarts is how long a window may take to show that it cannot be shown;
// one that ends later was there and has crashed.
const windowStarts = 10 * time.Second

// windowFailed says that the window cannot be shown, and why.
func (a *agent) windowFailed(ctx context.Context, err error) {
	a.log.Error("the window failed", "err", err)
	e, ended := errors.AsType[*windowError](err)
	note := notify.Note{Subject: "window", Title: a.texts.Get("note.window.title"), Body: a.texts.Get("note.window.body", "why", err.Error()), Urgent: true}
	switch {
	case ended && noOpenGL(e.said):
		note.Body = a.texts.Get("note.window.body", "why", a.texts.Get("note.window.nogl"))
	case ended && e.after > windowStarts:
		note.Title, note.Body = a.texts.Get("note.crash.title"), a.texts.Get("note.crash.body")
	}
	a.tasks.Go(func() { a.tellSurely(ctx, note) })
}

// tellSurely shows a note, or a message where the desktop shows no notes, and
// leaves it in the log where it shows nothing.
func (a *agent) tellSurely(ctx context.Context, note notify.Note) {
	if a.show(ctx, note) == nil || desktop.Tell(ctx, note.Title, note.Body) == nil {
		return
	}
	a.log.Error(note.Title + ". " + note.Body)
}

// lastWords keeps the beginning of what is written to it: a crash says first what
// went wrong. It gives up once what was said is hopeless.
type lastWords struct {
	hopeless func(string) bool
	giveUp   func()

	mu   sync.Mutex
	keep int
	text bytes.Buffer
	gone bool
}

// Write implements io.Writer.
func (t *lastWords) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text.Write(p[:min(len(p), max(0, t.keep-t.text.Len()))])
	if !t.gone && t.hopeless(t.text.String()) {
		t.gone = true
		t.giveUp()
	}
	return len(p), nil
}

// String returns what was kept.
func (t *lastWords) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.text.String()
}

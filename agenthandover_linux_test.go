package main

import (
	"context"
	"encoding/base64"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/fsnotify/fsnotify"

	"altnet/engine/control"
	"altnet/engine/publisher"
	"altnet/platform/instance"
)

// inProcess is an agent of this process, beside a service that a test installs.
// How it ended comes from the channel.
func inProcess(t *testing.T, d *desk, s *fakeService) (*agent, <-chan error) {
	t.Helper()
	for _, v := range append(d.env, "ALTNET_DATA=", "ALTNET_PROFILE=", "XDG_CONFIG_HOME=", "XDG_DATA_HOME=", "XDG_RUNTIME_DIR=") {
		name, value, _ := strings.Cut(v, "=")
		t.Setenv(name, value)
	}
	o, _, err := parse([]string{"-listen", "127.0.0.1:0", "-gateway", "127.0.0.1:0"})
	must(t, err)
	s.beside(o)
	data, profile, err := o.folders()
	must(t, err)
	log, err := o.logger(t.Output())
	must(t, err)
	a, err := newAgent(o, data, profile, log)
	must(t, err)
	a.host.look = lookOften
	a.life, a.stop = context.WithCancelCause(t.Context())
	ended := make(chan error, 1)
	claim, err := instance.Claim(agentDir(profile), a.answer, log)
	must(t, err)
	go func() {
		defer claim.Close()
		ended <- a.run(show{})
	}()
	return a, ended
}

// leadsTo reports whether the settings lead browsers to an address.
func leadsTo(settings, address string) bool {
	script := regexp.MustCompile(`base64,([A-Za-z0-9+/=]+)`).FindStringSubmatch(settings)
	if script == nil {
		return false
	}
	text, err := base64.StdEncoding.DecodeString(script[1])
	return err == nil && strings.Contains(string(text), address)
}

// When a service comes and goes, the person's browsers are led to whichever node
// there is, and their sites and limits are there too. A service whose port is
// anybody's has no door left when the agent ends.
func TestAgentHandsOver(t *testing.T) {
	d, s := newDesk(t), newFakeService(t)
	a, ended := inProcess(t, d, s)
	own := answers(t, a.host)
	d.wait("at the agent's own node", func(text string) bool { return leadsTo(text, own.Doors.Gateway) })
	must(t, os.WriteFile(filepath.Join(d.home, ".config", "altnet", "setup.json"), []byte(`{"browsing":true,"node":"`+own.NodeID+`"}`), 0o600))
	settings, err := a.host.client.Settings(t.Context())
	must(t, err)
	settings.Accepted, settings.MonthLimit = time.Now().UTC().Truncate(time.Second), 5<<30
	must(t, a.host.client.SetSettings(t.Context(), settings))
	must(t, a.host.client.SetOnline(t.Context(), false)) // nobody is out there
	profile, err := publisher.Open(a.profile)
	must(t, err)
	folder := filepath.Join(d.home, "site")
	must(t, os.Mkdir(folder, 0o700))
	must(t, os.WriteFile(filepath.Join(folder, "index.html"), []byte("<title>mine"), 0o600))
	receipt, err := publisher.NewAuthor(profile, a.host.client).Publish(t.Context(), folder, "", publisher.Options{})
	must(t, err)

	s.run()
	s.is.Store(true)
	st := becomes(t, a.host, control.HostService)
	d.wait("at the service", func(text string) bool { return leadsTo(text, st.Doors.Gateway) })
	waitHome(t, a.profile, st.NodeID)
	sites, err := a.host.client.Sites(t.Context())
	if err != nil || len(sites) != 1 || !sites[0].Own || sites[0].Root != receipt.Root {
		t.Errorf("the service has %+v, %v", sites, err)
	}
	if now := answers(t, a.host); now.Online || !now.Accepted {
		t.Errorf("the service went online, though the person was offline: %+v", now)
	}
	if got, err := a.host.client.Settings(t.Context()); err != nil || got.MonthLimit != settings.MonthLimit || got.Accepted.IsZero() {
		t.Errorf("its settings are %+v, %v", got, err)
	}

	s.is.Store(false)
	s.stop()
	again := becomes(t, a.host, control.HostAgent)
	d.wait("at the agent's node again", func(text string) bool { return leadsTo(text, again.Doors.Gateway) })
	if again.NodeID != own.NodeID {
		t.Error("the agent's node has another key")
	}
	s.run()
	s.is.Store(true)
	st = becomes(t, a.host, control.HostService)
	d.wait("at the service again", func(text string) bool { return leadsTo(text, st.Doors.Gateway) })
	a.stop(nil)
	must(t, <-ended)
	d.wait("after the agent's end", untouched)
}

// waitHome waits until nothing is owed to the person on a node.
func waitHome(t *testing.T, profile, node string) {
	t.Helper()
	w, err := fsnotify.NewWatcher()
	must(t, err)
	defer w.Close()
	must(t, w.Add(agentDir(profile)))
	late := time.After(30 * time.Second)
	for {
		h, err := loadHome(profile)
		if err == nil && h.Node == node && !h.Owed {
			return
		}
		select {
		case <-w.Events:
		case <-late:
			t.Fatalf("the agent's home is %+v, %v", h, err)
		}
	}
}

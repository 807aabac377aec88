package notify

import (
	"bufio"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/godbus/dbus/v5"
)

// server is a notification server that keeps what it was told.
type server struct {
	conn *dbus.Conn
	told chan told
	next uint32
}

type told struct {
	replaces             uint32
	title, body          string
	icon                 string
	actions              []string
	hints                map[string]dbus.Variant
	app                  string
	expires              int32
	assigned             uint32
	iconWasThere, urgent bool
}

// Notify is the specification's method.
func (s *server) Notify(app string, replaces uint32, icon, title, body string, actions []string, hints map[string]dbus.Variant, expires int32) (uint32, *dbus.Error) {
	s.next++
	_, err := os.Stat(icon)
	s.told <- told{replaces: replaces, title: title, body: body, icon: icon, actions: actions, hints: hints, app: app, expires: expires,
		assigned: s.next, iconWasThere: err == nil, urgent: hints["urgency"].Value() == byte(2)}
	return s.next, nil
}

// bus starts a session bus of the test's own.
func bus(t *testing.T) {
	t.Helper()
	daemon, err := exec.LookPath("dbus-daemon")
	if err != nil {
		t.Skip("there is no dbus-daemon")
	}
	cmd := exec.Command(daemon, "--session", "--nofork", "--print-address")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("DBUS_SESSION_BUS_ADDRESS", strings.TrimSpace(line))
}

func serve(t *testing.T) *server {
	t.Helper()
	conn, err := dbus.ConnectSessionBus()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	s := &server{conn: conn, told: make(chan told, 4)}
	if err := conn.Export(s, busPath, busName); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.RequestName(busName, dbus.NameFlagDoNotQueue); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestShowAndClick(t *testing.T) {
	bus(t)
	s := serve(t)
	clicks := make(chan string, 4)
	n, err := Open([]byte("picture"), func(subject string) { clicks <- subject }, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	if err := n.Show(t.Context(), Note{Subject: "a", Title: "Published", Body: "<b>x & y</b>", Urgent: true}); err != nil {
		t.Fatal(err)
	}
	first := <-s.told
	if first.replaces != 0 || first.title != "Published" || first.body != "&lt;b&gt;x &amp; y&lt;/b&gt;" || !first.iconWasThere || !first.urgent {
		t.Errorf("shown: %+v", first)
	}
	if err := n.Show(t.Context(), Note{Subject: "a", Title: "Again"}); err != nil {
		t.Fatal(err)
	}
	second := <-s.told
	if second.replaces != first.assigned || second.urgent {
		t.Errorf("the second of the subject: %+v", second)
	}
	foreign := second.assigned + 100
	for _, id := range []uint32{foreign, second.assigned} {
		if err := s.conn.Emit(busPath, busName+".ActionInvoked", id, "default"); err != nil {
			t.Fatal(err)
		}
	}
	if subject := <-clicks; subject != "a" || len(clicks) > 0 {
		t.Errorf("clicked %q and %d more", subject, len(clicks))
	}
}

func TestNobodyShowsNotifications(t *testing.T) {
	bus(t)
	n, err := Open(nil, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	if err := n.Show(t.Context(), Note{Title: "x"}); !errors.Is(err, ErrUnavailable) {
		t.Errorf("without a server: %v", err)
	}
}

func TestNoBus(t *testing.T) {
	t.Setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path=/no/such/bus")
	if _, err := Open(nil, nil, nil); !errors.Is(err, ErrUnavailable) {
		t.Errorf("without a bus: %v", err)
	}
}

func TestEvent(t *testing.T) {
	for _, c := range []struct {
		name            string
		body            []any
		clicked, closed bool
	}{
		{busName + ".ActionInvoked", []any{uint32(3), "default"}, true, false},
		{busName + ".ActionInvoked", []any{uint32(3), "other"}, false, false},
		{busName + ".NotificationClosed", []any{uint32(3), uint32(1)}, false, true},
		{busName + ".ActionInvoked", []any{"3", "default"}, false, false},
		{busName + ".ActionInvoked", nil, false, false},
		{"org.example.Other", []any{uint32(3), "default"}, false, false},
	} {
		_, clicked, closed := event(&dbus.Signal{Name: c.name, Body: c.body})
		if clicked != c.clicked || closed != c.closed {
			t.Errorf("%s %v: %v, %v", c.name, c.body, clicked, closed)
		}
	}
}

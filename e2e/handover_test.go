//go:build linux

package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// hosted is where the node of a desk lives.
type hosted struct {
	Host   string
	NodeID string `json:"node_id"`
}

// livesIn waits until the node is where it should be, and returns its ID.
func (d *desk) livesIn(host string) string {
	d.t.Helper()
	var st hosted
	d.eventually(time.Minute, "have its node in the "+host, func() error {
		out, err := d.try("status", "-json")
		if err == nil {
			err = json.Unmarshal([]byte(out), &st)
		}
		if err == nil && st.Host != host {
			err = fmt.Errorf("it is in the %s", st.Host)
		}
		return err
	})
	return st.NodeID
}

// listens reports whether the agent accepts connections of a network.
func (d *desk) listens() bool {
	out, err := exec.Command("ss", "-Htlnp").Output()
	check(d.t, err)
	return strings.Contains(string(out), fmt.Sprintf("pid=%d,", d.cmd.Process.Pid))
}

// TestServiceComesAndGoes installs and removes the service while an agent runs:
// there is always one node, with the person's sites and limits, and the person
// is told.
func TestServiceComesAndGoes(t *testing.T) {
	if !*installed {
		t.Skip("needs a computer with the service: packaging/test/desk")
	}
	d := openDesk(t)
	d.service = true
	d.asRoot("altnet", "service", "uninstall")
	t.Cleanup(func() { // as it was
		if out, err := exec.Command("pkexec", "altnet", "service", "install").CombinedOutput(); err != nil {
			t.Errorf("%v: %s", err, out)
		}
	})
	d.args = []string{"agent", "-log-level", "info"}
	w, n := d.trayHost(), d.notesHost()
	d.launch()
	item := <-w.items
	d.do("settings", "accepted", "yes")
	d.do("settings", "month", "5GB")
	d.do("offline") // nobody is out there
	folder := filepath.Join(d.dir, "site")
	check(t, os.Mkdir(folder, 0o700))
	check(t, os.WriteFile(filepath.Join(folder, "index.html"), []byte("<title>mine"), 0o600))
	d.do("publish", folder)
	before := ask[[]publishedSite](d.node, "sites")
	own := d.livesIn("agent")
	d.person()
	d.window("^AltNet$")
	d.shows("Drop a folder")

	d.asRoot("altnet", "service", "install")
	n.says(d, "AltNet is now a service of this computer")
	if d.livesIn("service") == own {
		t.Error("the service has the agent's key")
	}
	w.offers(d, item, "Quit (the service goes on)", "Start the service")
	d.shows("AltNet is now a service of this computer")
	d.shot("5-became a service")
	d.hasSite(before)
	d.eventually(20*time.Second, "have no node in the agent", func() error {
		if d.listens() {
			return errors.New("the agent listens")
		}
		return nil
	})
	if settings := d.do("settings"); !strings.Contains(settings, "5.0 GB") {
		t.Errorf("the service's settings are\n%s", settings)
	}
	d.shows("Offline")
	d.asRoot("systemctl", "stop", "altnet")
	n.says(d, "The AltNet service is stopped")
	d.shows("The AltNet service of this computer is not running.")
	if d.listens() {
		t.Error("the agent replaces a service that is stopped")
	}

	d.asRoot("altnet", "service", "uninstall")
	n.says(d, "The AltNet service was removed")
	if id := d.livesIn("agent"); id != own {
		t.Errorf("the agent's node was %s and is %s", own, id)
	}
	d.hasSite(before)
	d.shows("The AltNet service was removed.")
	d.shot("6-the service is gone")
	w.click(d, item, "Quit")
	if err := d.cmd.Wait(); err != nil {
		t.Errorf("the agent ended with %v\n%s", err, d.log())
	}
}

// hasSite waits until the node serves what was published, as this person's.
func (d *desk) hasSite(want []publishedSite) {
	d.t.Helper()
	d.eventually(time.Minute, "have the person's site", func() error {
		sites := ask[[]publishedSite](d.node, "sites")
		if len(sites) != len(want) || len(sites) == 0 || sites[0].Name != want[0].Name || !sites[0].Own {
			return fmt.Errorf("the sites are %+v", sites)
		}
		return nil
	})
}

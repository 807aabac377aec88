package splitdns

import (
	"flag"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"altnet/platform/journal"
)

// These tests write to the registry of the computer: under Wine, or by an
// administrator who means to: splitdns.test.exe -registry
var writeRegistry = flag.Bool("registry", false, "write to the registry, and remove what was written")

func registryJournal(t *testing.T) *journal.Journal {
	t.Helper()
	if !*writeRegistry {
		t.Skip("writes to the registry: -registry")
	}
	// No t.TempDir: Wine cannot remove folders the way it does.
	dir, err := os.MkdirTemp("", "altnet")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "journal")
	t.Cleanup(func() {
		_ = os.Remove(path + ".lock")
		if err := os.Remove(dir); err != nil {
			t.Errorf("the journal is not empty: %v", err)
		}
	})
	j, err := journal.Open(path, journal.Config{Undoers: Undoers(nil), Surgeons: Surgeons()})
	if err != nil {
		t.Fatal(err)
	}
	return j
}

func registryWant() Want {
	return Want{Suffix: "alt", Service: true, DNS: netip.MustParseAddrPort("127.83.65.76:53"), Answer: netip.MustParseAddr("127.83.65.76"), Gateway: netip.MustParseAddrPort("127.0.0.1:8080")}
}

func TestRegistryRules(t *testing.T) {
	j := registryJournal(t)
	reg := windowsRegistry{}
	_, had := reg.Keys("HKLM", localRules)
	door, err := Open(NRPT, Config{Want: registryWant(), Journal: j})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // a second time over what is there
		if err := door.Set(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	for name, want := range map[string]string{"Version": "2", "Name": ".alt", "GenericDNSServers": "127.83.65.76", "ConfigOptions": "8"} {
		if got, _ := reg.Value("HKLM", localRules+`\`+ruleID, name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if m := Look(t.Context(), System()); m.Windows.Rules != 0 {
		t.Errorf("our rule counts as one of others: %+v", m.Windows)
	}
	if err := door.Undo(t.Context()); err != nil {
		t.Fatal(err)
	}
	if rules, has := reg.Keys("HKLM", localRules); has != had || len(rules) > 0 && isOurRule(rules[0]) {
		t.Errorf("undo left %v (the key is there: %v, before: %v)", rules, has, had)
	}
}

func TestRegistryRulesBesideAPolicy(t *testing.T) {
	j := registryJournal(t)
	reg := windowsRegistry{}
	if _, had := reg.Keys("HKLM", policyRules); had {
		t.Skip("this computer has a policy")
	}
	theirs := policyRules + `\{11111111-2222-3333-4444-555555555555}`
	if err := reg.CreateRule("HKLM", theirs, rule{Names: []string{".corp.example"}, Servers: "192.0.2.1"}); err != nil {
		t.Skip("no policy can be written: ", err)
	}
	t.Cleanup(func() {
		_ = reg.DeleteKey("HKLM", theirs)
		_ = reg.DeleteKey("HKLM", policyRules)
	})
	if m := Look(t.Context(), System()); !m.Windows.PolicyKey || m.Windows.Rules != 0 {
		t.Errorf("the policy is seen as %+v", m.Windows)
	}
	door, err := Open(NRPT, Config{Want: registryWant(), Journal: j})
	if err != nil {
		t.Fatal(err)
	}
	if err := door.Set(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got, _ := reg.Value("HKLM", policyRules+`\`+ruleID, "Name"); got != ".alt" {
		t.Errorf("beside the policy there is %q", got)
	}
	if err := door.Undo(t.Context()); err != nil {
		t.Fatal(err)
	}
	if rules, _ := reg.Keys("HKLM", policyRules); len(rules) != 1 || isOurRule(rules[0]) {
		t.Errorf("undo left %v", rules)
	}
}

func TestRegistryProxy(t *testing.T) {
	j := registryJournal(t)
	reg := windowsRegistry{}
	if p := lookWindowsProxy(Env{Value: reg.Value}); p.Mode != ProxyNone {
		t.Skip("this person has proxy settings: ", p)
	}
	door, err := Open(WindowsProxy, Config{Want: registryWant(), Journal: j})
	if err != nil {
		t.Fatal(err)
	}
	if err := door.Set(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got, _ := reg.Value("HKCU", proxySettings, scriptValue); got != "http://127.0.0.1:8080/proxy.pac?altnet" {
		t.Errorf("the script is %q", got)
	}
	if err := door.Undo(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got, there := reg.Value("HKCU", proxySettings, scriptValue); there {
		t.Errorf("undo left %q", got)
	}
}

func TestRegistryLook(t *testing.T) {
	_ = registryJournal(t)
	m := Look(t.Context(), System())
	t.Logf("%+v\n%s", m, short(Decide(m, registryWant())))
	if home, err := os.UserHomeDir(); err != nil || m.Desktop != WindowsShell || m.System == "" {
		t.Errorf("%+v, home %s, %v", m, home, err)
	}
}

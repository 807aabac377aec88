package splitdns

import (
	"errors"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"altnet/platform/journal"
)

// fakeRegistry is a registry over a map from hive and key to values; flushes
// counts how often the resolver was told.
type fakeRegistry struct {
	keys    map[string]map[string]string
	flushes int
	fail    error // of CreateRule, after it made the key
}

func newFakeRegistry(keys ...string) *fakeRegistry {
	f := &fakeRegistry{keys: map[string]map[string]string{}}
	for _, k := range keys {
		f.keys[`HKLM\`+k] = map[string]string{}
	}
	return f
}

func (f *fakeRegistry) Keys(hive, key string) (names []string, ok bool) {
	prefix := hive + `\` + key
	_, ok = f.keys[prefix]
	for k := range f.keys {
		if rest, below := strings.CutPrefix(k, prefix+`\`); below && !strings.Contains(rest, `\`) {
			names, ok = append(names, rest), true
		}
	}
	return names, ok
}

func (f *fakeRegistry) Value(hive, key, name string) (string, bool) {
	value, ok := f.keys[hive+`\`+key][name]
	return value, ok
}

func (f *fakeRegistry) CreateRule(hive, key string, r rule) error {
	f.keys[hive+`\`+key[:strings.LastIndex(key, `\`)]] = map[string]string{}
	f.keys[hive+`\`+key] = map[string]string{"Name": strings.Join(r.Names, "\n"), "GenericDNSServers": r.Servers}
	return f.fail
}

func (f *fakeRegistry) DeleteKey(hive, key string) error {
	if names, _ := f.Keys(hive, key); len(names) > 0 {
		return errors.New("the key has subkeys")
	}
	delete(f.keys, hive+`\`+key)
	return nil
}

func (f *fakeRegistry) SetString(hive, key, name, value string) error {
	if f.keys[hive+`\`+key] == nil {
		f.keys[hive+`\`+key] = map[string]string{}
	}
	f.keys[hive+`\`+key][name] = value
	return nil
}

func (f *fakeRegistry) DeleteValue(hive, key, name string) error {
	delete(f.keys[hive+`\`+key], name)
	return nil
}

func (f *fakeRegistry) NamesChanged(bool) error { f.flushes++; return nil }

func (f *fakeRegistry) ProxyChanged() {}

func (f *fakeRegistry) list() []string { return slices.Sorted(maps.Keys(f.keys)) }

func testRules(t *testing.T, f *fakeRegistry) *nrptDoor {
	t.Helper()
	cfg := testConfig(t, nil)
	j, err := journal.Open(t.TempDir()+"/journal", journal.Config{Undoers: map[string]journal.Undoer{
		ruleKind: undoRule(f), rulesKind: undoRules(f), registryKind: undoScript(f),
	}})
	if err != nil {
		t.Fatal(err)
	}
	cfg.Journal = j
	return &nrptDoor{cfg, f}
}

func TestRules(t *testing.T) {
	const corp = policyRules + `\{corp}`
	for name, c := range map[string]struct {
		keys  []string
		since func(*fakeRegistry) // what happens while the door is open
		in    []string            // where our rule is then
		want  []string            // below HKLM after undo, "=" for as before
	}{
		"nothing there":       {in: []string{localRules}, want: []string{"="}},
		"local rules":         {keys: []string{localRules, localRules + `\{vpn}`}, in: []string{localRules}, want: []string{"="}},
		"a policy":            {keys: []string{localRules, policyRules, corp}, in: []string{localRules, policyRules}, want: []string{"="}},
		"an empty policy key": {keys: []string{localRules, policyRules}, in: []string{localRules, policyRules}, want: []string{"="}},
		"the policy is lifted": {
			keys: []string{localRules, policyRules, corp}, in: []string{localRules, policyRules},
			since: func(f *fakeRegistry) { delete(f.keys, `HKLM\`+corp) }, want: []string{localRules},
		},
		"a policy comes": {
			keys: []string{localRules}, in: []string{localRules},
			since: func(f *fakeRegistry) {
				f.keys[`HKLM\`+policyRules] = map[string]string{}
				f.keys[`HKLM\`+corp] = map[string]string{}
			},
			want: []string{localRules, policyRules, corp},
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFakeRegistry(c.keys...)
			before := f.list()
			door := testRules(t, f)
			for range 2 {
				if err := door.Set(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			for _, base := range c.in {
				if got, _ := f.Value("HKLM", base+`\`+ruleID, "Name"); got != ".alt" {
					t.Errorf("below %s there is %q", base, got)
				}
			}
			if c.since != nil {
				c.since(f)
			}
			f.flushes = 0
			if err := door.Undo(t.Context()); err != nil {
				t.Fatal(err)
			}
			want := before
			if c.want[0] != "=" {
				want = nil
				for _, k := range c.want {
					want = append(want, `HKLM\`+k)
				}
				slices.Sort(want)
			}
			if !slices.Equal(f.list(), want) || f.flushes == 0 {
				t.Errorf("undo left %v, want %v; the resolver was told %d times", f.list(), want, f.flushes)
			}
		})
	}
}

// TestPolicyLifted sets the door again after the rules of a policy went: ours
// alone must not keep its key, which would turn off everybody's local rules.
func TestPolicyLifted(t *testing.T) {
	f := newFakeRegistry(localRules, policyRules, policyRules+`\{corp}`)
	door := testRules(t, f)
	if err := door.Set(t.Context()); err != nil {
		t.Fatal(err)
	}
	delete(f.keys, `HKLM\`+policyRules+`\{corp}`)
	if err := door.Set(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, there := f.Keys("HKLM", policyRules); there {
		t.Error("the key of the policy is still there")
	}
	if got, _ := f.Value("HKLM", localRules+`\`+ruleID, "GenericDNSServers"); got != "127.83.65.76" {
		t.Errorf("the local rule says %q", got)
	}
}

func TestRulesThatFail(t *testing.T) {
	f := newFakeRegistry(localRules)
	f.fail = errors.New("access denied")
	door := testRules(t, f)
	if err := door.Set(t.Context()); !errors.Is(err, f.fail) {
		t.Errorf("set: %v", err)
	}
	if want := []string{`HKLM\` + localRules}; !slices.Equal(f.list(), want) {
		t.Errorf("it left %v", f.list())
	}
	door.cfg.Want.DNS = netip.MustParseAddrPort("127.0.0.1:5354")
	if err := door.Set(t.Context()); err == nil {
		t.Error("a rule was written for a port that rules cannot name")
	}
}

func TestWindowsProxy(t *testing.T) {
	f := newFakeRegistry()
	door := &windowsProxy{testRules(t, f).cfg, f}
	for range 2 {
		if err := door.Set(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if err := door.Verify(t.Context()); err != nil {
		t.Error(err)
	}
	if err := door.Undo(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got, there := f.Value("HKCU", proxySettings, scriptValue); there {
		t.Errorf("undo left %q", got)
	}
	for name, values := range map[string]map[string]string{
		"a script": {scriptValue: "http://pac.corp.example/"},
		"a proxy":  {"ProxyEnable": "1", "ProxyServer": "proxy:3128"},
	} {
		f.keys[`HKCU\`+proxySettings] = values
		before := maps.Clone(values)
		if err := door.Set(t.Context()); !errors.Is(err, ErrTaken) || !maps.Equal(values, before) {
			t.Errorf("%s: %v, and now %v", name, err, values)
		}
	}
}

package splitdns

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"altnet/platform/journal"
)

// The name resolution policy table of Windows sends names below a suffix to a
// server of their own. Rules are keys of the registry; ours has a name of its own,
// by which we find it again, and is volatile: it is gone after a restart.
const (
	ruleID   = "{8B5C0A2D-6E1F-4D37-9A54-A17E7C53D0A1}"
	ruleKind = "splitdns-nrpt"
	// rulesKind is the key above the rules, where it was not there.
	rulesKind = "splitdns-nrpt-rules"
)

// registry is what the rules and the proxy settings need of it. Keys are below
// HKEY_LOCAL_MACHINE ("HKLM") or HKEY_CURRENT_USER ("HKCU").
type registry interface {
	Keys(hive, key string) (names []string, ok bool)
	Value(hive, key, name string) (value string, ok bool)
	// CreateRule makes a volatile key with the values of a rule.
	CreateRule(hive, key string, r rule) error
	// DeleteKey removes a key without subkeys. It is no error if there is none.
	DeleteKey(hive, key string) error
	SetString(hive, key, name, value string) error
	DeleteValue(hive, key, name string) error
	// NamesChanged has the resolver forget what it knew and read its rules.
	NamesChanged(policy bool) error
	// ProxyChanged tells running programs.
	ProxyChanged()
}

// rule is one rule of the table.
type rule struct {
	Names   []string // with a dot in front
	Servers string
}

type nrptDoor struct {
	cfg Config
	reg registry
}

func (d *nrptDoor) Name() Name { return NRPT }

// Set writes the rule where Windows reads it: with the local rules, and beside
// those of a group policy where there are any, for then local ones are ignored.
func (d *nrptDoor) Set(ctx context.Context) error {
	if d.cfg.Want.DNS.Port() != 53 {
		return fmt.Errorf("rules have no port: the name server must listen on port 53, not %d", d.cfg.Want.DNS.Port())
	}
	rules, _ := d.reg.Keys("HKLM", policyRules)
	if len(rules) == 1 && isOurRule(rules[0]) {
		// Perhaps the policy is gone and our rule alone keeps its key, which turns
		// off everybody's local rules: undoing knows what was there before.
		if err := d.Undo(ctx); err != nil {
			return err
		}
	}
	if err := d.prepare(ctx); err != nil {
		return err
	}
	if err := d.write(ctx, localRules, nil); err != nil {
		return err
	}
	rules, policy := d.reg.Keys("HKLM", policyRules)
	others := slices.DeleteFunc(slices.Clone(rules), isOurRule)
	if policy {
		if err := d.write(ctx, policyRules, others); err != nil {
			return err
		}
	}
	return d.reg.NamesChanged(policy)
}

// prepare notes that the key of the local rules comes with ours.
func (d *nrptDoor) prepare(ctx context.Context) error {
	if _, there := d.reg.Keys("HKLM", localRules); there {
		return nil
	}
	change := journal.ExternalChange{Door: string(NRPT), Kind: rulesKind, Key: localRules, Before: json.RawMessage("false"), After: json.RawMessage("true")}
	return d.cfg.Journal.External(ctx, change, func(context.Context) error { return nil })
}

// undoRules removes the key of the local rules where it is empty.
func undoRules(reg registry) journal.Undoer {
	return func(_ context.Context, c journal.Change) (journal.Result, error) {
		if rules, there := reg.Keys("HKLM", c.Key); !there || len(rules) > 0 {
			return journal.Nothing, nil
		}
		return journal.Removed, reg.DeleteKey("HKLM", c.Key)
	}
}

// ruleBefore is what was beside our rule.
type ruleBefore struct {
	Others int `json:"others"` // rules of a policy
}

func (d *nrptDoor) write(ctx context.Context, base string, others []string) error {
	r := rule{Names: []string{"." + d.cfg.Want.Suffix}, Servers: d.cfg.Want.DNS.Addr().String()}
	before, err := json.Marshal(ruleBefore{Others: len(others)})
	if err != nil {
		return err
	}
	after, err := json.Marshal(r)
	if err != nil {
		return err
	}
	change := journal.ExternalChange{Door: string(NRPT), Kind: ruleKind, Key: base, Before: before, After: after}
	return d.cfg.Journal.External(ctx, change, func(context.Context) error {
		return d.reg.CreateRule("HKLM", base+`\`+ruleID, r)
	})
}

func (d *nrptDoor) Verify(ctx context.Context) error { return d.cfg.verifyName(ctx) }

func (d *nrptDoor) Undo(ctx context.Context) error { return d.cfg.undo(ctx, NRPT) }

func isOurRule(name string) bool { return strings.EqualFold(name, ruleID) }

// undoRule removes our rule. The key of a policy that held rules of others before
// and holds none now goes too: empty it would turn off everybody's local rules.
func undoRule(reg registry) journal.Undoer {
	return func(_ context.Context, c journal.Change) (journal.Result, error) {
		rules, there := reg.Keys("HKLM", c.Key)
		if !there || !slices.ContainsFunc(rules, isOurRule) {
			return journal.Nothing, nil
		}
		var before ruleBefore
		if err := json.Unmarshal(c.Before, &before); err != nil {
			return journal.Failed, err
		}
		if err := reg.DeleteKey("HKLM", c.Key+`\`+ruleID); err != nil {
			return journal.Failed, err
		}
		policy := c.Key == policyRules
		if policy && len(rules) == 1 && before.Others > 0 {
			if err := reg.DeleteKey("HKLM", c.Key); err != nil {
				return journal.Failed, err
			}
		}
		return journal.Removed, reg.NamesChanged(policy)
	}
}

// windowsProxy sets the person's proxy script.
type windowsProxy struct {
	cfg Config
	reg registry
}

const (
	scriptValue  = "AutoConfigURL"
	registryKind = "splitdns-registry"
)

func (d *windowsProxy) Name() Name { return WindowsProxy }

func (d *windowsProxy) Set(ctx context.Context) error {
	p := lookWindowsProxy(Env{Value: d.reg.Value})
	if err := p.free(); err != nil {
		return err
	}
	script := d.cfg.script(true)
	if p.What == script {
		if ours, err := d.cfg.ours(ctx, WindowsProxy); err != nil || ours {
			return err
		}
	}
	after, err := json.Marshal(script)
	if err != nil {
		return err
	}
	change := journal.ExternalChange{Door: string(WindowsProxy), Kind: registryKind, Key: scriptValue, Before: json.RawMessage("null"), After: after}
	return d.cfg.Journal.External(ctx, change, func(context.Context) error {
		defer d.reg.ProxyChanged()
		return d.reg.SetString("HKCU", proxySettings, scriptValue, script)
	})
}

func (d *windowsProxy) Verify(ctx context.Context) error {
	p := lookWindowsProxy(Env{Value: d.reg.Value})
	if p.Mode == ProxyOurs && p.What != d.cfg.script(true) {
		return fmt.Errorf("%w: the script leads where the gateway was before", ErrClosed)
	}
	if p.Mode != ProxyOurs {
		return fmt.Errorf("%w: the settings are %s %s", ErrTurnedOff, p.Mode, p.What)
	}
	return d.cfg.verifyProxy(ctx)
}

func (d *windowsProxy) Undo(ctx context.Context) error { return d.cfg.undo(ctx, WindowsProxy) }

// undoScript removes our script; there was none before, or Set had refused.
func undoScript(reg registry) journal.Undoer {
	return func(_ context.Context, c journal.Change) (journal.Result, error) {
		now, there := reg.Value("HKCU", proxySettings, scriptValue)
		present, err := json.Marshal(now)
		if err != nil {
			return journal.Failed, err
		}
		if !there || !c.IsOurs(present) && !OurScript(now) {
			return journal.Nothing, nil
		}
		defer reg.ProxyChanged()
		return journal.Removed, reg.DeleteValue("HKCU", proxySettings, scriptValue)
	}
}

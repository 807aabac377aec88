package splitdns

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"altnet/platform/journal"
	"altnet/platform/sessionbus"
)

// KDE keeps proxy settings in ~/.config/kioslaverc, which Chromium reads and
// watches too.
const (
	kdeFile    = "kioslaverc"
	kdeGroup   = "Proxy Settings"
	kdeType    = "ProxyType"
	kdeScript  = "Proxy Config Script"
	kdePAC     = "2" // the type of a script
	kdeKind    = "splitdns-kde"
	kdeSurgeon = "kioslaverc"
)

type kdeDoor struct {
	cfg  Config
	file string
}

func openKDE(cfg Config) Door {
	home, _ := os.UserHomeDir()
	return &kdeDoor{cfg: cfg, file: filepath.Join(kdeConfig(os.Getenv, home), kdeFile)}
}

func kdeConfig(getenv func(string) string, home string) string {
	if dir := getenv("XDG_CONFIG_HOME"); filepath.IsAbs(dir) {
		return dir
	}
	return filepath.Join(home, ".config")
}

func (d *kdeDoor) Name() Name { return KDEProxy }

// Set writes into the journal that KDE is to be told, before the file, so that
// undoing, which goes backwards, tells it last.
func (d *kdeDoor) Set(ctx context.Context) error {
	if err := d.free(); err != nil {
		return err
	}
	tell := journal.ExternalChange{Door: string(KDEProxy), Kind: kdeKind, Key: "tell", Before: json.RawMessage("null"), After: json.RawMessage("null")}
	if err := d.cfg.Journal.External(ctx, tell, func(context.Context) error { return nil }); err != nil {
		return err
	}
	script := d.cfg.script(false)
	var part json.RawMessage
	change := journal.FileChange{Door: string(KDEProxy), Path: d.file, Mode: 0o600, Surgeon: kdeSurgeon}
	now, err := os.ReadFile(d.file)
	if err != nil && !os.IsNotExist(err) {
		return err
	}
	if part, err = kdePart(now, script); err != nil {
		return err
	}
	change.Part = part
	change.Edit = func(now []byte) ([]byte, error) {
		text := setINI(string(now), kdeGroup, kdeType, kdePAC)
		return []byte(setINI(text, kdeGroup, kdeScript, script)), nil
	}
	if err := d.cfg.Journal.File(ctx, change); err != nil {
		return err
	}
	tellKDE(ctx)
	return nil
}

func (d *kdeDoor) free() error {
	now, err := os.ReadFile(d.file)
	if os.IsNotExist(err) {
		return nil
	}
	if err != nil {
		return err
	}
	return kdeProxy(now).free()
}

func (d *kdeDoor) Verify(ctx context.Context) error {
	now, err := os.ReadFile(d.file)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrTurnedOff, err)
	}
	kind, _ := getINI(string(now), kdeGroup, kdeType)
	script, _ := getINI(string(now), kdeGroup, kdeScript)
	if kind == kdePAC && script != d.cfg.script(false) && OurScript(script) {
		return fmt.Errorf("%w: the script leads where the gateway was before", ErrClosed)
	}
	if kind != kdePAC || script != d.cfg.script(false) {
		return fmt.Errorf("%w: %s has the type %q with the script %q", ErrTurnedOff, d.file, kind, script)
	}
	return d.cfg.verifyProxy(ctx)
}

func (d *kdeDoor) Undo(ctx context.Context) error { return d.cfg.undo(ctx, KDEProxy) }

// kdeProxy describes the settings in a kioslaverc.
func kdeProxy(data []byte) Proxy {
	kind, _ := getINI(string(data), kdeGroup, kdeType)
	script, _ := getINI(string(data), kdeGroup, kdeScript)
	switch kind {
	case "", "0":
		return Proxy{}
	case "1":
		host, _ := getINI(string(data), kdeGroup, "httpProxy")
		return Proxy{Mode: ProxyManual, What: host}
	case kdePAC:
		if OurScript(script) {
			return Proxy{Mode: ProxyOurs, What: script}
		}
		return Proxy{Mode: ProxyPAC, What: script}
	case "3":
		return Proxy{Mode: ProxyDetect}
	case "4":
		return Proxy{Mode: ProxyManual, What: "the environment"}
	}
	return Proxy{Mode: ProxyUnknown, What: kind}
}

// tellKDE has running programs read the file again; without a session there are
// none.
func tellKDE(ctx context.Context) {
	conn, err := sessionbus.Connect(ctx)
	if err != nil {
		return
	}
	defer conn.Close()
	_ = conn.Emit("/KIO/Scheduler", "org.kde.KIO.Scheduler.reparseSlaveConfiguration", "")
}

func undoKDE(ctx context.Context, _ journal.Change) (journal.Result, error) {
	tellKDE(ctx)
	return journal.Restored, nil
}

// kdeChange is the part that the surgeon of a kioslaverc cuts out: what two keys
// were, nil for absent, and our script.
type kdeChange struct {
	Type   *string `json:"type"`
	Script *string `json:"script"`
	Ours   string  `json:"ours"`
}

func kdePart(now []byte, script string) (json.RawMessage, error) {
	c := kdeChange{Ours: script}
	if value, found := getINI(string(now), kdeGroup, kdeType); found && kdeProxy(now).Mode != ProxyOurs {
		c.Type = &value
	}
	if value, found := getINI(string(now), kdeGroup, kdeScript); found && !OurScript(value) {
		c.Script = &value
	}
	return json.Marshal(c)
}

// cutKDE puts our two keys back in a file whose other lines were edited. A
// person who chose another type or script keeps it.
func cutKDE(now []byte, part json.RawMessage) ([]byte, error) {
	var c kdeChange
	if err := json.Unmarshal(part, &c); err != nil {
		return nil, err
	}
	text := string(now)
	script, _ := getINI(text, kdeGroup, kdeScript)
	if script != c.Ours && !OurScript(script) {
		return now, nil
	}
	text = restoreINI(text, kdeScript, c.Script)
	if kind, _ := getINI(text, kdeGroup, kdeType); kind == kdePAC {
		text = restoreINI(text, kdeType, c.Type)
	}
	return []byte(dropEmptyGroup(text, kdeGroup)), nil
}

func restoreINI(text, key string, before *string) string {
	if before == nil {
		return removeINI(text, kdeGroup, key)
	}
	return setINI(text, kdeGroup, key, *before)
}

// lines of an INI file with the group that each belongs to.
func eachINI(text string, visit func(group, line string)) {
	group := ""
	for line := range strings.Lines(text) {
		if name := strings.TrimSpace(line); strings.HasPrefix(name, "[") && strings.HasSuffix(name, "]") {
			group = name[1 : len(name)-1]
		}
		visit(group, line)
	}
}

func keyOf(line string) (key, value string, ok bool) {
	if strings.HasPrefix(strings.TrimSpace(line), "#") {
		return "", "", false
	}
	key, value, ok = strings.Cut(line, "=")
	return strings.TrimSpace(key), strings.TrimSpace(value), ok
}

func getINI(text, group, key string) (value string, found bool) {
	eachINI(text, func(g, line string) {
		if k, v, ok := keyOf(line); ok && g == group && k == key {
			value, found = v, true
		}
	})
	return value, found
}

// setINI sets a key in place, or at the head of its group, or in a new group at
// the end.
func setINI(text, group, key, value string) string {
	entry := key + "=" + value + "\n"
	var out strings.Builder
	_, replace := getINI(text, group, key)
	done := false
	eachINI(text, func(g, line string) {
		k, _, ok := keyOf(line)
		switch {
		case replace && ok && g == group && k == key:
			out.WriteString(entry)
			done = true
		case !replace && !done && strings.TrimSpace(line) == "["+group+"]":
			out.WriteString(strings.TrimRight(line, "\n") + "\n" + entry)
			done = true
		default:
			out.WriteString(line)
		}
	})
	if done {
		return out.String()
	}
	if text != "" && !strings.HasSuffix(text, "\n") {
		out.WriteString("\n")
	}
	if text != "" {
		out.WriteString("\n")
	}
	out.WriteString("[" + group + "]\n" + entry)
	return out.String()
}

func removeINI(text, group, key string) string {
	var out strings.Builder
	eachINI(text, func(g, line string) {
		if k, _, ok := keyOf(line); !ok || g != group || k != key {
			out.WriteString(line)
		}
	})
	return out.String()
}

// dropEmptyGroup removes a group's head that nothing follows any more.
func dropEmptyGroup(text, group string) string {
	empty := true
	eachINI(text, func(g, line string) {
		if g == group && strings.TrimSpace(line) != "["+group+"]" && strings.TrimSpace(line) != "" {
			empty = false
		}
	})
	if !empty {
		return text
	}
	var out strings.Builder
	eachINI(text, func(g, line string) {
		if g != group {
			out.WriteString(line)
		}
	})
	return out.String()
}

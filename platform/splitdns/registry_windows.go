package splitdns

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/windows"
	winreg "golang.org/x/sys/windows/registry"

	"altnet/platform/journal"
)

// windowsRegistry is the registry of this computer, always its 64-bit view.
type windowsRegistry struct{}

func hiveOf(hive string) winreg.Key {
	if hive == "HKCU" {
		return winreg.CURRENT_USER
	}
	return winreg.LOCAL_MACHINE
}

func (windowsRegistry) Keys(hive, key string) ([]string, bool) {
	k, err := winreg.OpenKey(hiveOf(hive), key, winreg.ENUMERATE_SUB_KEYS|winreg.WOW64_64KEY)
	if err != nil {
		return nil, false
	}
	defer k.Close()
	names, err := k.ReadSubKeyNames(-1)
	return names, err == nil
}

// Value reads a value as text: numbers in decimal, several strings as lines.
func (windowsRegistry) Value(hive, key, name string) (string, bool) {
	k, err := winreg.OpenKey(hiveOf(hive), key, winreg.QUERY_VALUE|winreg.WOW64_64KEY)
	if err != nil {
		return "", false
	}
	defer k.Close()
	if text, _, err := k.GetStringValue(name); err == nil {
		return text, true
	}
	if list, _, err := k.GetStringsValue(name); err == nil {
		return strings.Join(list, "\n"), true
	}
	if n, _, err := k.GetIntegerValue(name); err == nil {
		return strconv.FormatUint(n, 10), true
	}
	return "", false
}

// genericServers is the option of a rule that says which servers to ask.
const genericServers = 8

func (windowsRegistry) CreateRule(hive, key string, r rule) error {
	k, err := createVolatile(hiveOf(hive), key)
	if err != nil {
		return fmt.Errorf("make the registry key %s: %w", key, err)
	}
	defer k.Close()
	return errors.Join(
		k.SetDWordValue("Version", 2),
		k.SetStringsValue("Name", r.Names),
		k.SetStringValue("GenericDNSServers", r.Servers),
		k.SetDWordValue("ConfigOptions", genericServers),
	)
}

// createVolatile makes a key that is gone after a restart. The keys above it are
// made as lasting ones, as they would be by any other rule.
func createVolatile(hive winreg.Key, key string) (winreg.Key, error) {
	parent, name := key[:strings.LastIndex(key, `\`)], key[strings.LastIndex(key, `\`)+1:]
	above, _, err := winreg.CreateKey(hive, parent, winreg.CREATE_SUB_KEY|winreg.WOW64_64KEY)
	if err != nil {
		return 0, err
	}
	defer above.Close()
	path, err := windows.UTF16PtrFromString(name)
	if err != nil {
		return 0, err
	}
	const volatile = 1 // REG_OPTION_VOLATILE
	var made windows.Handle
	create := windows.NewLazySystemDLL("advapi32.dll").NewProc("RegCreateKeyExW")
	status, _, _ := create.Call(uintptr(above), uintptr(unsafe.Pointer(path)), 0, 0, volatile,
		winreg.SET_VALUE|winreg.QUERY_VALUE|winreg.WOW64_64KEY, 0, uintptr(unsafe.Pointer(&made)), 0)
	if status != 0 {
		return 0, windows.Errno(status)
	}
	return winreg.Key(made), nil
}

func (windowsRegistry) DeleteKey(hive, key string) error {
	at := strings.LastIndex(key, `\`)
	parent, err := winreg.OpenKey(hiveOf(hive), key[:at], winreg.ENUMERATE_SUB_KEYS|winreg.WOW64_64KEY)
	if errors.Is(err, winreg.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer parent.Close()
	if err := winreg.DeleteKey(parent, key[at+1:]); err != nil && !errors.Is(err, winreg.ErrNotExist) {
		return fmt.Errorf("remove the registry key %s: %w", key, err)
	}
	return nil
}

func (windowsRegistry) SetString(hive, key, name, value string) error {
	k, _, err := winreg.CreateKey(hiveOf(hive), key, winreg.SET_VALUE|winreg.WOW64_64KEY)
	if err != nil {
		return err
	}
	defer k.Close()
	return k.SetStringValue(name, value)
}

func (windowsRegistry) DeleteValue(hive, key, name string) error {
	k, err := winreg.OpenKey(hiveOf(hive), key, winreg.SET_VALUE|winreg.WOW64_64KEY)
	if errors.Is(err, winreg.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer k.Close()
	if err := k.DeleteValue(name); err != nil && !errors.Is(err, winreg.ErrNotExist) {
		return err
	}
	return nil
}

func (windowsRegistry) NamesChanged(policy bool) error {
	if policy {
		// The machine's policy, at once. Without it the rule is in force when
		// Windows next reads its policies; Verify tells.
		_ = ask(windows.NewLazySystemDLL("userenv.dll").NewProc("RefreshPolicyEx"), 1, 1)
	}
	flush := windows.NewLazySystemDLL("dnsapi.dll").NewProc("DnsFlushResolverCache")
	if err := ask(flush); err != nil {
		return fmt.Errorf("flush the cache of names: %w", err)
	}
	return nil
}

// ProxyChanged has running programs read the setting; those that are not told
// read it when they start.
func (windowsRegistry) ProxyChanged() {
	const settingsChanged, refresh = 39, 37
	set := windows.NewLazySystemDLL("wininet.dll").NewProc("InternetSetOptionW")
	for _, option := range []uintptr{settingsChanged, refresh} {
		_ = ask(set, 0, option, 0, 0)
	}
}

// ask calls a function of Windows that returns zero when it fails.
func ask(f *windows.LazyProc, args ...uintptr) error {
	if err := f.Find(); err != nil {
		return err
	}
	if ok, _, err := f.Call(args...); ok == 0 {
		return err
	}
	return nil
}

func systemDoors() map[Name]func(Config) Door {
	return map[Name]func(Config) Door{
		NRPT:         func(c Config) Door { return &nrptDoor{c, windowsRegistry{}} },
		WindowsProxy: func(c Config) Door { return &windowsProxy{c, windowsRegistry{}} },
	}
}

func systemUndoers() map[string]journal.Undoer {
	return map[string]journal.Undoer{ruleKind: undoRule(windowsRegistry{}), rulesKind: undoRules(windowsRegistry{}), registryKind: undoScript(windowsRegistry{})}
}

func canMakeLinks() bool { return false }

func registryValue(hive, key, name string) (string, bool) {
	return windowsRegistry{}.Value(hive, key, name)
}

func registryKeys(hive, key string) ([]string, bool) { return windowsRegistry{}.Keys(hive, key) }

// writable is not asked on Windows, where no door is a file.
func writable(string) bool { return true }

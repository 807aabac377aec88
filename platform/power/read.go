package power

import (
	"io/fs"
	"path"
	"strings"
)

// batteryLinux reads /sys/class/power_supply: on battery is a computer that
// has a battery of its own and no supply that is online. Batteries of mice and
// keyboards say "Device".
func batteryLinux(sys fs.FS) bool {
	entries, err := fs.ReadDir(sys, ".")
	if err != nil {
		return false
	}
	read := func(dir, file string) string {
		data, err := fs.ReadFile(sys, path.Join(dir, file))
		if err != nil {
			return ""
		}
		return strings.TrimSpace(string(data))
	}
	discharging := false
	for _, e := range entries {
		name := e.Name()
		if read(name, "scope") == "Device" {
			continue
		}
		switch read(name, "type") {
		case "Battery":
			discharging = discharging || read(name, "status") == "Discharging"
		case "Mains", "USB", "Wireless":
			if read(name, "online") == "1" {
				return false
			}
		}
	}
	return discharging
}

// meteredNM reads the property Metered of NetworkManager: 1 is yes, 3 is a
// guess that says yes.
func meteredNM(value uint32) bool { return value == 1 || value == 3 }

// batteryMac reads what pmset -g batt prints: "Now drawing from 'Battery Power'".
func batteryMac(text string) bool {
	line, _, _ := strings.Cut(text, "\n")
	return strings.Contains(line, "'Battery Power'")
}

// batteryWindows reads SYSTEM_POWER_STATUS: ACLineStatus 0 is off, 1 on, 255
// unknown; a computer without a battery has the flag 128.
func batteryWindows(line, flag byte) bool { return line == 0 && flag != 128 && flag != 255 }

// meteredWindows reads an NLM_CONNECTION_COST: fixed (2), variable (4), over
// the limit (0x10000), roaming (0x40000). 1 is unrestricted, 0 unknown.
func meteredWindows(cost uint32) bool { return cost&(0x2|0x4|0x10000|0x40000) != 0 }

package splitdns

import (
	"golang.org/x/sys/unix"

	"altnet/platform/journal"
)

// systemDoors are the doors that only this system can be asked for.
func systemDoors() map[Name]func(Config) Door {
	return map[Name]func(Config) Door{
		Hook: openHook, Link: openLink, Dnsmasq: openDnsmasq,
	}
}

func systemUndoers() map[string]journal.Undoer {
	return map[string]journal.Undoer{
		socketKind: undoSocket, folderKind: undoFolder, linkKind: undoLink, dnsmasqKind: undoDnsmasq,
	}
}

// hasNetAdmin reports whether the process may change the network.
func hasNetAdmin() bool {
	head := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&head, &data[0]); err != nil {
		return false
	}
	return data[0].Effective&(1<<unix.CAP_NET_ADMIN) != 0
}

//go:build !linux && !windows

package splitdns

import "altnet/platform/journal"

func systemDoors() map[Name]func(Config) Door { return map[Name]func(Config) Door{} }

func systemUndoers() map[string]journal.Undoer { return map[string]journal.Undoer{} }

func canMakeLinks() bool { return false }

package ipc

import (
	"testing"

	"golang.org/x/sys/windows"
)

func TestTrustedServers(t *testing.T) {
	sid := func(text string) *windows.SID {
		s, err := windows.StringToSid(text)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	const me = "S-1-5-21-1-2-3-1001"
	for owner, want := range map[string]bool{
		me: true, "S-1-5-18": true, "S-1-5-32-544": true, "S-1-5-80-1-2-3-4-5": true,
		"S-1-5-21-1-2-3-1002": false, "S-1-5-32-545": false, "S-1-5-11": false, "S-1-1-0": false, "S-1-5-7": false,
	} {
		if trusted(sid(owner), sid(me)) != want {
			t.Errorf("a pipe of %s: trusted is not %v", owner, want)
		}
	}
}

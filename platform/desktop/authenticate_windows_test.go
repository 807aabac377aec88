package desktop

import (
	"errors"
	"testing"
	"unsafe"

	"golang.org/x/sys/windows"
)

// garbage is an answer that no prompt gave.
func garbage(t *testing.T, data string) credential {
	t.Helper()
	at, _, err := windows.NewLazySystemDLL("ole32.dll").NewProc("CoTaskMemAlloc").Call(uintptr(len(data)))
	if at == 0 {
		t.Fatal(err)
	}
	c := credential{data: unsafe.Add(nil, at), size: uint32(len(data))}
	copy(unsafe.Slice((*byte)(c.data), c.size), data)
	return c
}

// What is no answer must not pass for one, whatever the system makes of it.
func TestGarbageIsNoProof(t *testing.T) {
	var lsa windows.Handle
	if status, _, _ := procConnect.Call(uintptr(unsafe.Pointer(&lsa))); windows.NTStatus(status) != windows.STATUS_SUCCESS {
		t.Skip(windows.NTStatus(status))
	}
	defer procDisconnect.Call(uintptr(lsa))
	me, err := windows.GetCurrentProcessToken().GetTokenUser()
	if err != nil {
		t.Fatal(err)
	}
	c := garbage(t, "this is no credential of anybody")
	if a := c.check(lsa, me.User.Sid); a.err == nil && !a.other {
		t.Errorf("garbage proves who is there: %+v", a)
	}
	if c.blank(me.User.Sid) {
		t.Error("garbage is an empty password")
	}
	c.wipe()
	if c.data != nil || c.size != 0 {
		t.Errorf("%+v is left of an answer", c)
	}
}

func TestShown(t *testing.T) {
	for _, c := range []struct {
		last error
		want error
	}{
		{nil, windows.ERROR_SUCCESS},
		{windows.STATUS_ACCOUNT_LOCKED_OUT.Errno(), windows.ERROR_ACCOUNT_LOCKED_OUT},
		{errOtherAccount, windows.ERROR_LOGON_FAILURE},
	} {
		if got := shown(c.last); !errors.Is(got, c.want) {
			t.Errorf("%v is shown as %v, want %v", c.last, got, c.want)
		}
	}
}

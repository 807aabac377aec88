package desktop

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"unsafe"

	"golang.org/x/sys/windows"
)

var (
	credui     = windows.NewLazySystemDLL("credui.dll")
	procPrompt = credui.NewProc("CredUIPromptForWindowsCredentialsW")
	procUnpack = credui.NewProc("CredUnPackAuthenticationBufferW")

	secur32        = windows.NewLazySystemDLL("secur32.dll")
	procConnect    = secur32.NewProc("LsaConnectUntrusted")
	procDisconnect = secur32.NewProc("LsaDeregisterLogonProcess")
	procLogon      = secur32.NewProc("LsaLogonUser")
	procFree       = secur32.NewProc("LsaFreeReturnBuffer")

	procLUID = windows.NewLazySystemDLL("advapi32.dll").NewProc("AllocateLocallyUniqueId")
)

// Authenticate has Windows ask for the password, PIN, finger or card of
// whoever runs this program, and logs on with the answer to see whether it is
// right and theirs. Errors wrap ErrNoAuthentication where Windows cannot ask
// or the account has no password, ErrRefused where the person closed the
// prompt or does not know the answer.
func Authenticate(ctx context.Context, reason string) error {
	for _, proc := range []*windows.LazyProc{procPrompt, procUnpack, procConnect, procDisconnect, procLogon, procFree, procLUID} {
		if err := proc.Find(); err != nil {
			return fmt.Errorf("%w: %w", ErrNoAuthentication, err)
		}
	}
	me, err := windows.GetCurrentProcessToken().GetTokenUser()
	if err != nil {
		return fmt.Errorf("%w: read this process's token: %w", ErrNoAuthentication, err)
	}
	var lsa windows.Handle
	if status, _, _ := procConnect.Call(uintptr(unsafe.Pointer(&lsa))); windows.NTStatus(status) != windows.STATUS_SUCCESS {
		return fmt.Errorf("%w: reach the system's authority: %w", ErrNoAuthentication, windows.NTStatus(status))
	}
	defer procDisconnect.Call(uintptr(lsa))
	return prove(ctx, func(last error) (answer, error) {
		c, err := prompt(reason, last)
		if err != nil {
			return answer{}, err
		}
		defer c.wipe()
		return c.check(lsa, me.User.Sid), nil
	})
}

// credential is what a person answered, in a form that the system reads and
// this program does not need to.
type credential struct {
	data unsafe.Pointer
	size uint32
	of   uint32 // the package of the system that checks it
}

// wipe overwrites the answer and gives its memory back.
func (c *credential) wipe() {
	if c.data != nil {
		clear(unsafe.Slice((*byte)(c.data), c.size))
		windows.CoTaskMemFree(c.data)
	}
	*c = credential{}
}

// promptInfo is CREDUI_INFOW.
type promptInfo struct {
	size             uint32
	parent           windows.HWND
	message, caption *uint16
	banner           windows.Handle
}

// currentUser has the prompt offer every way in which whoever is logged on can
// prove it, Windows Hello's too, and no other account.
const currentUser = 0x200 // CREDUIWIN_ENUMERATE_CURRENT_USER

// prompt shows the system's dialog, which says why the last answer was wrong.
func prompt(reason string, last error) (credential, error) {
	message, err := windows.UTF16PtrFromString(reason)
	if err != nil {
		return credential{}, err
	}
	caption, err := windows.UTF16PtrFromString("AltNet")
	if err != nil {
		return credential{}, err
	}
	info := promptInfo{parent: ownWindow(), message: message, caption: caption}
	info.size = uint32(unsafe.Sizeof(info))
	var c credential
	code, _, _ := procPrompt.Call(uintptr(unsafe.Pointer(&info)), uintptr(shown(last)), uintptr(unsafe.Pointer(&c.of)),
		0, 0, uintptr(unsafe.Pointer(&c.data)), uintptr(unsafe.Pointer(&c.size)), 0, currentUser)
	switch err := syscall.Errno(code); {
	case err == windows.ERROR_CANCELLED:
		return credential{}, ErrRefused
	case err != windows.ERROR_SUCCESS:
		return credential{}, fmt.Errorf("%w: %w", ErrNoAuthentication, err)
	case c.data == nil:
		return credential{}, fmt.Errorf("%w: the system's prompt gave no answer", ErrNoAuthentication)
	}
	return c, nil
}

// shown is the error that the prompt is to explain.
func shown(last error) syscall.Errno {
	if last == nil {
		return windows.ERROR_SUCCESS
	}
	if code, ok := errors.AsType[syscall.Errno](last); ok {
		return code
	}
	return windows.ERROR_LOGON_FAILURE
}

// ownWindow is this program's window when it is in front, before which the
// prompt then stands.
func ownWindow() windows.HWND {
	front := windows.GetForegroundWindow()
	var process uint32
	if _, err := windows.GetWindowThreadProcessId(front, &process); err != nil || process != windows.GetCurrentProcessId() {
		return 0
	}
	return front
}

// check logs on with the answer, only to see whose it is.
func (c *credential) check(lsa windows.Handle, me *windows.SID) answer {
	token, status := c.logOn(lsa)
	if status == windows.STATUS_ACCOUNT_RESTRICTION && c.blank(me) {
		return answer{err: status.Errno(), blank: true}
	}
	if status != windows.STATUS_SUCCESS {
		return answer{err: status.Errno()}
	}
	defer token.Close()
	user, err := token.GetTokenUser()
	if err != nil {
		return answer{err: err}
	}
	return answer{other: !user.User.Sid.Equals(me)}
}

// tokenSource is TOKEN_SOURCE, by which logs name who logged somebody on.
type tokenSource struct {
	name [8]byte
	id   windows.LUID
}

// quotas is QUOTA_LIMITS.
type quotas struct {
	pools, sets [2]uintptr
	pageFile    uintptr
	time        int64
}

func (c *credential) logOn(lsa windows.Handle) (windows.Token, windows.NTStatus) {
	const interactive = 2
	source := tokenSource{name: [8]byte{'A', 'l', 't', 'N', 'e', 't'}}
	origin := windows.NTString{Length: 6, MaximumLength: 8, Buffer: &source.name[0]}
	procLUID.Call(uintptr(unsafe.Pointer(&source.id))) // zero does no harm
	var (
		profile     unsafe.Pointer
		profileSize uint32
		logon       windows.LUID
		token       windows.Token
		limits      quotas
		detail      windows.NTStatus
	)
	status, _, _ := procLogon.Call(uintptr(lsa), uintptr(unsafe.Pointer(&origin)), interactive, uintptr(c.of), uintptr(c.data), uintptr(c.size), 0,
		uintptr(unsafe.Pointer(&source)), uintptr(unsafe.Pointer(&profile)), uintptr(unsafe.Pointer(&profileSize)),
		uintptr(unsafe.Pointer(&logon)), uintptr(unsafe.Pointer(&token)), uintptr(unsafe.Pointer(&limits)), uintptr(unsafe.Pointer(&detail)))
	if profile != nil {
		procFree.Call(uintptr(profile))
	}
	if windows.NTStatus(status) == windows.STATUS_SUCCESS && token == 0 {
		return 0, windows.STATUS_LOGON_FAILURE // Wine
	}
	return token, windows.NTStatus(status)
}

// blank reports whether the answer is an empty password for this very account:
// Windows takes one at its own log-in, and tells programs that it is right but
// may not be used.
func (c *credential) blank(me *windows.SID) bool {
	const protected = 1                    // CRED_PACK_PROTECTED_CREDENTIALS
	var user, domain, password [514]uint16 // CREDUI_MAX_USERNAME_LENGTH, the longest, and the end
	lengths := [3]uint32{uint32(len(user)), uint32(len(domain)), uint32(len(password))}
	defer clear(password[:])
	ok, _, _ := procUnpack.Call(protected, uintptr(c.data), uintptr(c.size), uintptr(unsafe.Pointer(&user[0])), uintptr(unsafe.Pointer(&lengths[0])),
		uintptr(unsafe.Pointer(&domain[0])), uintptr(unsafe.Pointer(&lengths[1])), uintptr(unsafe.Pointer(&password[0])), uintptr(unsafe.Pointer(&lengths[2])))
	if ok == 0 || password[0] != 0 {
		return false
	}
	name := windows.UTF16ToString(user[:])
	if domain[0] != 0 {
		name = windows.UTF16ToString(domain[:]) + `\` + name
	}
	account, _, _, err := windows.LookupSID("", name)
	return err == nil && account.Equals(me)
}

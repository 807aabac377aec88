package ipc

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/Microsoft/go-winio"
	"golang.org/x/sys/windows"
)

// pipeSDDL makes the pipe its maker's, which clients look at, and lets every
// local user read and write; what they may do is decided by who they are. The
// network is kept out.
const pipeSDDL = "O:%sD:P(D;;GA;;;NU)(A;;GA;;;SY)(A;;GA;;;BA)(A;;GA;;;OW)(A;;GRGW;;;BU)"

var (
	advapi32        = windows.NewLazySystemDLL("advapi32.dll")
	procImpersonate = advapi32.NewProc("ImpersonateNamedPipeClient")
)

// pipeName is the same for every spelling of the folder that differs in case.
func pipeName(dir string) (string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("find the control pipe: %w", err)
	}
	sum := sha256.Sum256([]byte(strings.ToLower(dir)))
	return fmt.Sprintf(`\\.\pipe\altnet-%x`, sum[:16]), nil
}

func listen(dir string) (net.Listener, error) {
	name, err := pipeName(dir)
	if err != nil {
		return nil, err
	}
	own, err := windows.GetCurrentProcessToken().GetTokenUser()
	if err != nil {
		return nil, fmt.Errorf("open the control pipe: read this process's token: %w", err)
	}
	l, err := winio.ListenPipe(name, &winio.PipeConfig{SecurityDescriptor: fmt.Sprintf(pipeSDDL, own.User.Sid), InputBufferSize: 64 << 10, OutputBufferSize: 64 << 10})
	if errors.Is(err, windows.ERROR_ACCESS_DENIED) || errors.Is(err, windows.ERROR_PIPE_BUSY) {
		return nil, ErrInUse
	}
	if err != nil {
		return nil, fmt.Errorf("open the control pipe: %w", err)
	}
	return l, nil
}

func dial(ctx context.Context, dir string) (net.Conn, error) {
	name, err := pipeName(dir)
	if err != nil {
		return nil, err
	}
	// The server may look at who we are, and no more.
	conn, err := winio.DialPipeAccessImpLevel(ctx, name, windows.GENERIC_READ|windows.GENERIC_WRITE, winio.PipeImpLevelIdentification)
	switch {
	case err == nil:
		if err := checkServer(conn); err != nil {
			conn.Close()
			return nil, fmt.Errorf("reach the node: %w", err)
		}
		return conn, nil
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case errors.Is(err, windows.ERROR_FILE_NOT_FOUND):
		return nil, fmt.Errorf("%w (%s)", ErrNobody, dir)
	}
	return nil, fmt.Errorf("reach the node: %w", err)
}

// errStranger reports a pipe of our name that somebody else made: pipes have
// no folder that would keep others out.
var errStranger = errors.New("another user of this computer answers in the node's place")

// checkServer fails unless the pipe was made by this user, by a service or by
// an administrator.
func checkServer(conn net.Conn) error {
	pipe, ok := conn.(interface{ Fd() uintptr })
	if !ok {
		return fmt.Errorf("a %T has no owner", conn)
	}
	info, err := windows.GetSecurityInfo(windows.Handle(pipe.Fd()), windows.SE_KERNEL_OBJECT, windows.OWNER_SECURITY_INFORMATION)
	if err != nil {
		return fmt.Errorf("find out who made the pipe: %w", err)
	}
	owner, _, err := info.Owner()
	if err != nil {
		return fmt.Errorf("find out who made the pipe: %w", err)
	}
	own, err := windows.GetCurrentProcessToken().GetTokenUser()
	if err != nil {
		return fmt.Errorf("read this process's token: %w", err)
	}
	if !trusted(owner, own.User.Sid) {
		return fmt.Errorf("%w (%s)", errStranger, owner)
	}
	return nil
}

// serviceAccounts begins the SIDs of the accounts that services have of their
// own. Only administrators make services.
const serviceAccounts = "S-1-5-80-"

// trusted reports whether a pipe of this owner may be the node of a user.
func trusted(owner, user *windows.SID) bool {
	return owner.Equals(user) || owner.IsWellKnown(windows.WinLocalSystemSid) || owner.IsWellKnown(windows.WinBuiltinAdministratorsSid) ||
		strings.HasPrefix(owner.String(), serviceAccounts)
}

// identify impersonates the client for a moment to read its token, which
// unlike its process ID cannot come to belong to somebody else.
func identify(conn net.Conn) (Caller, error) {
	pipe, ok := conn.(interface{ Fd() uintptr })
	if !ok {
		return Caller{}, fmt.Errorf("a %T has no token", conn)
	}
	runtime.LockOSThread()
	if ok, _, err := procImpersonate.Call(pipe.Fd()); ok == 0 {
		runtime.UnlockOSThread()
		return Caller{}, fmt.Errorf("read the caller's token: %w", err)
	}
	caller, err := threadCaller()
	if revert := windows.RevertToSelf(); revert != nil {
		// The thread stays locked, so that it ends with this goroutine
		// instead of running others as the caller.
		return Caller{}, fmt.Errorf("return from the caller's identity: %w", revert)
	}
	runtime.UnlockOSThread()
	if err != nil {
		return Caller{}, fmt.Errorf("read the caller's token: %w", err)
	}
	own, err := windows.GetCurrentProcessToken().GetTokenUser()
	caller.Same = err == nil && own.User.Sid.String() == caller.User
	return caller, nil
}

func me() (Caller, error) {
	c, err := tokenCaller(windows.GetCurrentProcessToken(), windows.Token(0))
	if err != nil {
		return Caller{}, fmt.Errorf("read this process's token: %w", err)
	}
	c.Same = true
	return c, nil
}

// threadCaller reads the token that the present thread impersonates.
func threadCaller() (Caller, error) {
	var token windows.Token
	if err := windows.OpenThreadToken(windows.CurrentThread(), windows.TOKEN_QUERY, true, &token); err != nil {
		return Caller{}, err
	}
	defer token.Close()
	return tokenCaller(token, token)
}

// tokenCaller reads a token. Membership is asked of an impersonation token;
// 0 stands for the thread's or, where it has none, the process's.
func tokenCaller(token, member windows.Token) (Caller, error) {
	user, err := token.GetTokenUser()
	if err != nil {
		return Caller{}, err
	}
	admins, err := windows.CreateWellKnownSid(windows.WinBuiltinAdministratorsSid)
	if err != nil {
		return Caller{}, err
	}
	admin, err := member.IsMember(admins)
	if err != nil {
		return Caller{}, err
	}
	system := user.User.Sid.IsWellKnown(windows.WinLocalSystemSid)
	return Caller{User: user.User.Sid.String(), Admin: admin || system}, nil
}

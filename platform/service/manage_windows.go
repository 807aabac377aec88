package service

import (
	"crypto/sha1"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"strings"
	"time"
	"unicode/utf16"
	"unsafe"

	"golang.org/x/sys/windows"
	"golang.org/x/sys/windows/svc/mgr"

	"altnet/platform"
)

// thisMachine asks the system for its folder: the variable ProgramData may be
// another one for a service.
func thisMachine() Layout {
	return Machine(runtime.GOOS, func(name string) string {
		if dir, err := windows.KnownFolderPath(windows.FOLDERID_ProgramData, 0); err == nil {
			return dir
		}
		return os.Getenv(name)
	})
}

func supported() error              { return nil }
func hasDoors() bool                { return true }
func systemName(name string) string { return name }
func packaged(unit) bool            { return false } // the installer calls altnet service install
func enabled(unit) bool             { return false }

// account: the node runs under a virtual account that exists for it alone,
// the doors as LocalSystem, which may write the policy for names.
func account(p part) string {
	if p.root {
		return ""
	}
	return `NT SERVICE\` + p.name
}

func dependencies(p part) []string {
	if p.root {
		return []string{NodeName, "Dnscache"}
	}
	return []string{"Tcpip"}
}

func (u unit) exists() bool {
	s, done, err := openService(u.name, windows.SERVICE_QUERY_CONFIG)
	if err != nil {
		return false
	}
	defer done()
	_ = s
	return true
}

// openService opens a service with the rights that are needed and no more.
func openService(name string, access uint32) (*mgr.Service, func(), error) {
	manager, err := windows.OpenSCManager(nil, nil, windows.SC_MANAGER_CONNECT)
	if err != nil {
		return nil, nil, err
	}
	ptr, err := windows.UTF16PtrFromString(name)
	if err != nil {
		return nil, nil, err
	}
	handle, err := windows.OpenService(manager, ptr, access)
	if err != nil {
		windows.CloseServiceHandle(manager)
		return nil, nil, err
	}
	s := &mgr.Service{Name: name, Handle: handle}
	return s, func() {
		s.Close()
		windows.CloseServiceHandle(manager)
	}, nil
}

// upToDate reports whether the service is what Install would make.
func (u unit) upToDate() (bool, error) {
	s, done, err := openService(u.name, windows.SERVICE_QUERY_CONFIG)
	if errors.Is(err, windows.ERROR_SERVICE_DOES_NOT_EXIST) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("open the service: %w", err)
	}
	defer done()
	have, err := configured(s.Handle)
	if err != nil {
		return false, fmt.Errorf("read the service's configuration: %w", err)
	}
	if !strings.Contains(strings.ToLower(have.command), "altnet") {
		return false, ErrForeign
	}
	c := u.config()
	want := windows.EscapeArg(c.Executable)
	for _, a := range c.Arguments {
		want += " " + windows.EscapeArg(a)
	}
	wantUser := c.UserName
	if wantUser == "" {
		wantUser = "LocalSystem"
	}
	return have.command == want && strings.EqualFold(have.user, wantUser) && have.start == mgr.StartAutomatic, nil
}

// configuration is what is compared of a service.
type configuration struct {
	command, user string
	start         uint32
}

// configured reads the old part of a service's configuration, which is all
// there is to read under Wine.
func configured(service windows.Handle) (configuration, error) {
	size := uint32(1024)
	for {
		buf := make([]byte, size)
		c := (*windows.QUERY_SERVICE_CONFIG)(unsafe.Pointer(&buf[0]))
		err := windows.QueryServiceConfig(service, c, size, &size)
		if err == nil {
			return configuration{windows.UTF16PtrToString(c.BinaryPathName), windows.UTF16PtrToString(c.ServiceStartName), c.StartType}, nil
		}
		if !errors.Is(err, windows.ERROR_INSUFFICIENT_BUFFER) || size <= uint32(len(buf)) {
			return configuration{}, err
		}
	}
}

// resetAfter is how long, in seconds, a service must run before its failures
// are forgotten.
const resetAfter = 3600

// write makes the service. It is started again when it failed, with growing
// delays, whether it crashed or ended with an error.
func (u unit) write() error {
	if err := u.Service.Install(); err != nil {
		return err
	}
	s, done, err := openService(u.name, windows.SERVICE_CHANGE_CONFIG|windows.SERVICE_START|windows.SERVICE_QUERY_CONFIG)
	if err != nil {
		return err
	}
	defer done()
	ladder := []mgr.RecoveryAction{
		{Type: mgr.ServiceRestart, Delay: 2 * time.Second},
		{Type: mgr.ServiceRestart, Delay: 15 * time.Second},
		{Type: mgr.ServiceRestart, Delay: 2 * time.Minute},
	}
	if err := s.SetRecoveryActions(ladder, resetAfter); err != nil {
		return fmt.Errorf("set the restarts: %w", err)
	}
	if err := s.SetRecoveryActionsOnNonCrashFailures(true); err != nil && !errors.Is(err, windows.ERROR_INVALID_LEVEL) { // Wine
		return fmt.Errorf("set the restarts: %w", err)
	}
	return nil
}

func enable(unit) error   { return nil } // part of the configuration
func remove(u unit) error { return u.Service.Uninstall() }
func start(u unit) error  { return u.Service.Start() }
func stop(u unit) error   { return u.Service.Stop() }

func mayChange() error {
	if !windows.GetCurrentProcessToken().IsElevated() {
		return ErrRights
	}
	return nil
}

// prepare makes the folders, which by ProgramData's own rules every user
// might fill: the node's is the node's, what lies above is for administrators.
func prepare(l Layout) error {
	for dir, rules := range map[string]string{
		l.State: "D:P(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)(A;;0x1200a9;;;BU)(A;OICI;0x1200a9;;;" + serviceSID(NodeName) + ")",
		l.Data:  "D:P(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)(A;OICI;FA;;;" + serviceSID(NodeName) + ")",
	} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
		if err := foreign(dir); err != nil {
			return err
		}
		if err := protect(dir, rules); err != nil {
			return fmt.Errorf("protect %s: %w", dir, err)
		}
	}
	return foreign(l.Operators) // from before the folder was protected
}

// errForeignFolder reports what somebody put where the service's own things
// lie, to have a say in it.
var errForeignFolder = errors.New("it belongs to another user: look at it, then remove it")

// foreign fails for what somebody else made.
func foreign(path string) error {
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	ours, err := platform.Ours(path)
	if err == nil && !ours {
		err = fmt.Errorf("%s: %w", path, errForeignFolder)
	}
	return err
}

// protect replaces the access rules of a folder.
func protect(dir, sddl string) error {
	sd, err := windows.SecurityDescriptorFromString(sddl)
	if err != nil {
		return err
	}
	acl, _, err := sd.DACL()
	if err != nil {
		return err
	}
	return windows.SetNamedSecurityInfo(dir, windows.SE_FILE_OBJECT,
		windows.DACL_SECURITY_INFORMATION|windows.PROTECTED_DACL_SECURITY_INFORMATION, nil, nil, acl, nil)
}

// serviceSID computes the identity of a service's virtual account, which the
// system knows only once the service exists.
func serviceSID(name string) string {
	h := sha1.New()
	for _, unit := range utf16.Encode([]rune(strings.ToUpper(name))) {
		h.Write(binary.LittleEndian.AppendUint16(nil, unit))
	}
	sum := h.Sum(nil)
	sid := "S-1-5-80"
	for i := 0; i < len(sum); i += 4 {
		sid += fmt.Sprintf("-%d", binary.LittleEndian.Uint32(sum[i:]))
	}
	return sid
}

// purge removes the machine's data; the virtual account goes with the service.
func purge(l Layout) error { return os.RemoveAll(l.State) }

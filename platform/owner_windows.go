package platform

import (
	"fmt"

	"golang.org/x/sys/windows"
)

// Ours reports whether a file or folder belongs to this user, to administrators
// or to the system: everybody may make folders below ProgramData, and whoever
// owns one decides what is in it.
func Ours(path string) (bool, error) {
	info, err := windows.GetNamedSecurityInfo(path, windows.SE_FILE_OBJECT, windows.OWNER_SECURITY_INFORMATION)
	if err != nil {
		return false, fmt.Errorf("find out whose %s is: %w", path, err)
	}
	owner, _, err := info.Owner()
	if err != nil {
		return false, fmt.Errorf("find out whose %s is: %w", path, err)
	}
	me, err := windows.GetCurrentProcessToken().GetTokenUser()
	if err != nil {
		return false, fmt.Errorf("read this process's token: %w", err)
	}
	return owner.Equals(me.User.Sid) || owner.IsWellKnown(windows.WinLocalSystemSid) || owner.IsWellKnown(windows.WinBuiltinAdministratorsSid), nil
}

package power

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/windows"
)

func thisMachine(log *slog.Logger) machine {
	return machine{
		state: func(context.Context) State {
			cost, err := networkCost()
			if err != nil {
				log.Debug("whether the network is metered is not known", "err", err)
			}
			return State{OnBattery: battery(), Metered: meteredWindows(cost)}
		},
		network: addressChanges,
	}
}

// powerStatus is SYSTEM_POWER_STATUS.
type powerStatus struct {
	line, flag, percent, saver byte
	life, full                 uint32
}

func battery() bool {
	var s powerStatus
	proc := windows.NewLazySystemDLL("kernel32.dll").NewProc("GetSystemPowerStatus")
	if ok, _, _ := proc.Call(uintptr(unsafe.Pointer(&s))); ok == 0 {
		return false
	}
	return batteryWindows(s.line, s.flag)
}

// costManager is the part of INetworkCostManager's table of functions that is
// called.
type costManager struct {
	table *struct{ queryInterface, addRef, release, getCost uintptr }
}

// networkCost asks the network list manager what the connection to the
// internet costs.
func networkCost() (cost uint32, err error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	// S_FALSE: this thread was ready already.
	if err := windows.CoInitializeEx(0, windows.COINIT_MULTITHREADED); err != nil && !errors.Is(err, syscall.Errno(windows.S_FALSE)) {
		return 0, fmt.Errorf("initialise COM: %w", err)
	}
	defer windows.CoUninitialize()
	class := windows.GUID{Data1: 0xDCB00C01, Data2: 0x570F, Data3: 0x4A9B, Data4: [8]byte{0x8D, 0x69, 0x19, 0x9F, 0xDB, 0xA5, 0x72, 0x3B}}
	iface := windows.GUID{Data1: 0xDCB00008, Data2: 0x570F, Data3: 0x4A9B, Data4: [8]byte{0x8D, 0x69, 0x19, 0x9F, 0xDB, 0xA5, 0x72, 0x3B}}
	var m *costManager
	const anyServer = 0x17 // CLSCTX_ALL
	create := windows.NewLazySystemDLL("ole32.dll").NewProc("CoCreateInstance")
	if hr, _, _ := create.Call(uintptr(unsafe.Pointer(&class)), 0, anyServer, uintptr(unsafe.Pointer(&iface)), uintptr(unsafe.Pointer(&m))); int32(hr) < 0 || m == nil {
		return 0, fmt.Errorf("reach the network list manager: %#x", uint32(hr))
	}
	defer syscall.SyscallN(m.table.release, uintptr(unsafe.Pointer(m)))
	if hr, _, _ := syscall.SyscallN(m.table.getCost, uintptr(unsafe.Pointer(m)), uintptr(unsafe.Pointer(&cost)), 0); int32(hr) < 0 {
		return 0, fmt.Errorf("ask for the cost of the network: %#x", uint32(hr))
	}
	return cost, nil
}

// addressChanges hears of addresses from the IP helper.
func addressChanges(ctx context.Context) (<-chan struct{}, error) {
	changed, err := windows.CreateEvent(nil, 0, 0, nil)
	if err != nil {
		return nil, fmt.Errorf("listen to the IP helper: %w", err)
	}
	end, err := windows.CreateEvent(nil, 1, 0, nil)
	if err != nil {
		windows.CloseHandle(changed)
		return nil, fmt.Errorf("listen to the IP helper: %w", err)
	}
	changes, told := make(chan struct{}, 1), make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		windows.SetEvent(end)
		close(told)
	})
	go func() {
		defer close(changes)
		waitForAddresses(changed, end, changes)
		if !stop() {
			<-told // it uses end
		}
		windows.CloseHandle(changed)
		windows.CloseHandle(end)
	}()
	return changes, nil
}

// waitForAddresses asks to be told of one change after the other.
func waitForAddresses(changed, end windows.Handle, changes chan<- struct{}) {
	helper := windows.NewLazySystemDLL("iphlpapi.dll")
	notify, cancel := helper.NewProc("NotifyAddrChange"), helper.NewProc("CancelIPChangeNotify")
	overlapped := &windows.Overlapped{HEvent: changed}
	for {
		var handle windows.Handle
		code, _, _ := notify.Call(uintptr(unsafe.Pointer(&handle)), uintptr(unsafe.Pointer(overlapped)))
		if code != 0 && syscall.Errno(code) != windows.ERROR_IO_PENDING {
			return
		}
		which, err := windows.WaitForMultipleObjects([]windows.Handle{end, changed}, false, windows.INFINITE)
		if err != nil || which == windows.WAIT_OBJECT_0 {
			cancel.Call(uintptr(unsafe.Pointer(overlapped)))
			return
		}
		select {
		case changes <- struct{}{}:
		default: // one is waiting already
		}
	}
}

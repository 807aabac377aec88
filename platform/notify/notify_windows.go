package notify

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"sync"
	"unsafe"

	"golang.org/x/sys/windows"
)

// Shell_NotifyIcon and the messages of its icon (shellapi.h, winuser.h).
const (
	nimAdd, nimModify, nimDelete, nimSetVersion = 0, 1, 2, 4
	nifMessage, nifIcon, nifTip, nifInfo        = 0x01, 0x02, 0x04, 0x10
	niifInfo, niifWarning                       = 1, 2
	ninBalloonTimeout, ninBalloonUserClick      = 0x404, 0x405
	version4                                    = 4
	wmApp                                       = 0x8000
	wmIcon, wmShow, wmQuit                      = wmApp + 1, wmApp + 2, wmApp + 3
	imageIcon, lrFromFile                       = 1, 0x10
	iconID                                      = 2
)

// hwndMessage is the parent of windows that only receive messages.
const hwndMessage = ^uintptr(2)

var (
	shell32         = windows.NewLazySystemDLL("shell32.dll")
	user32          = windows.NewLazySystemDLL("user32.dll")
	kernel32        = windows.NewLazySystemDLL("kernel32.dll")
	procNotifyIcon  = shell32.NewProc("Shell_NotifyIconW")
	procRegister    = user32.NewProc("RegisterClassExW")
	procCreate      = user32.NewProc("CreateWindowExW")
	procDefault     = user32.NewProc("DefWindowProcW")
	procGetMessage  = user32.NewProc("GetMessageW")
	procDispatch    = user32.NewProc("DispatchMessageW")
	procPost        = user32.NewProc("PostMessageW")
	procPostQuit    = user32.NewProc("PostQuitMessage")
	procDestroy     = user32.NewProc("DestroyWindow")
	procLoadImage   = user32.NewProc("LoadImageW")
	procDestroyIcon = user32.NewProc("DestroyIcon")
	procModule      = kernel32.NewProc("GetModuleHandleW")
)

// iconData is NOTIFYICONDATAW.
type iconData struct {
	size            uint32
	window          windows.HWND
	id              uint32
	flags           uint32
	callback        uint32
	icon            windows.Handle
	tip             [128]uint16
	state, mask     uint32
	info            [256]uint16
	version         uint32
	infoTitle       [64]uint16
	infoFlags       uint32
	guid            windows.GUID
	balloonIconHand windows.Handle
}

// windowClass is WNDCLASSEXW.
type windowClass struct {
	size, style         uint32
	proc                uintptr
	clsExtra, wndExtra  int32
	instance            windows.Handle
	icon, cursor, brush windows.Handle
	menu, name          *uint16
	iconSmall           windows.Handle
}

// message is MSG.
type message struct {
	window  windows.HWND
	message uint32
	wParam  uintptr
	lParam  uintptr
	time    uint32
	x, y    int32
}

// balloons shows notes from a window of its own, which lives on one locked
// thread. The icon is there for as long as a balloon is.
type balloons struct {
	clicked func(string)
	log     *slog.Logger
	window  windows.HWND
	icon    windows.Handle
	done    chan struct{}

	mu      sync.Mutex
	pending []Note
	shown   string // the subject of the balloon on the screen
}

func open(icon []byte, clicked func(string), log *slog.Logger) (*Notifier, error) {
	b := &balloons{clicked: clicked, log: log, done: make(chan struct{})}
	ready := make(chan error, 1)
	go b.loop(icon, ready)
	if err := <-ready; err != nil {
		<-b.done
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return &Notifier{show: b.show, close: b.close}, nil
}

func (b *balloons) show(_ context.Context, n Note) error {
	b.mu.Lock()
	b.pending = append(b.pending, n)
	b.mu.Unlock()
	return b.post(wmShow)
}

func (b *balloons) close() {
	if b.post(wmQuit) == nil {
		<-b.done
	}
}

func (b *balloons) post(msg uintptr) error {
	if ok, _, err := procPost.Call(uintptr(b.window), msg, 0, 0); ok == 0 {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return nil
}

// loop makes the window and serves its messages.
func (b *balloons) loop(icon []byte, ready chan<- error) {
	defer close(b.done)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	b.icon = loadIcon(icon, b.log)
	if err := b.create(); err != nil {
		ready <- err
		return
	}
	ready <- nil
	var m message
	for {
		got, _, _ := procGetMessage.Call(uintptr(unsafe.Pointer(&m)), 0, 0, 0)
		if int32(got) <= 0 {
			break
		}
		procDispatch.Call(uintptr(unsafe.Pointer(&m)))
	}
	b.tell(nimDelete, iconData{})
	procDestroyIcon.Call(uintptr(b.icon))
}

func (b *balloons) create() error {
	instance, _, _ := procModule.Call(0)
	name, err := windows.UTF16PtrFromString(fmt.Sprintf("AltNetNotify%d", os.Getpid()))
	if err != nil {
		return err
	}
	class := windowClass{proc: windows.NewCallback(b.receive), instance: windows.Handle(instance), name: name}
	class.size = uint32(unsafe.Sizeof(class))
	if atom, _, err := procRegister.Call(uintptr(unsafe.Pointer(&class))); atom == 0 {
		return fmt.Errorf("register a window class: %w", err)
	}
	window, _, err := procCreate.Call(0, uintptr(unsafe.Pointer(name)), 0, 0, 0, 0, 0, 0, hwndMessage, 0, instance, 0)
	if window == 0 {
		return fmt.Errorf("make a window: %w", err)
	}
	b.window = windows.HWND(window)
	return nil
}

// receive is the window's procedure.
func (b *balloons) receive(window windows.HWND, msg uint32, wParam, lParam uintptr) uintptr {
	switch msg {
	case wmShow:
		b.showNext()
	case wmQuit:
		procDestroy.Call(uintptr(window))
		procPostQuit.Call(0)
	case wmIcon:
		b.balloonEvent(uint32(lParam) & 0xffff)
	default:
		result, _, _ := procDefault.Call(uintptr(window), uintptr(msg), wParam, lParam)
		return result
	}
	return 0
}

func (b *balloons) balloonEvent(event uint32) {
	if event != ninBalloonTimeout && event != ninBalloonUserClick {
		return
	}
	b.mu.Lock()
	subject := b.shown
	b.mu.Unlock()
	b.tell(nimDelete, iconData{})
	if event == ninBalloonUserClick && b.clicked != nil {
		b.clicked(subject)
	}
}

// showNext shows the oldest note that waits; a later one replaces it on the
// screen, as Windows does.
func (b *balloons) showNext() {
	b.mu.Lock()
	if len(b.pending) == 0 {
		b.mu.Unlock()
		return
	}
	n := b.pending[0]
	b.pending, b.shown = b.pending[1:], n.Subject
	b.mu.Unlock()
	data := iconData{flags: nifMessage | nifIcon | nifTip | nifInfo, callback: wmIcon, icon: b.icon, infoFlags: niifInfo}
	if n.Urgent {
		data.infoFlags = niifWarning
	}
	fill(data.tip[:], "AltNet")
	fill(data.infoTitle[:], n.Title)
	fill(data.info[:], n.Body)
	if !b.tell(nimModify, data) && !b.tell(nimAdd, data) {
		b.log.Warn("show a notification", "title", n.Title)
		return
	}
	b.tell(nimSetVersion, iconData{version: version4})
}

// tell calls Shell_NotifyIcon about our icon.
func (b *balloons) tell(what uintptr, data iconData) bool {
	data.size, data.window, data.id = uint32(unsafe.Sizeof(data)), b.window, iconID
	ok, _, _ := procNotifyIcon.Call(what, uintptr(unsafe.Pointer(&data)))
	return ok != 0
}

// fill writes text as UTF-16 with a final zero, cut where it is too long, and
// never through a character.
func fill(field []uint16, text string) {
	n := 0
	for _, r := range text {
		units := windows.StringToUTF16(string(r))
		units = units[:len(units)-1]
		if r == 0 || n+len(units) >= len(field) {
			break
		}
		n += copy(field[n:], units)
	}
	field[n] = 0
}

// loadIcon reads the picture through a file, the one way that takes a whole
// ICO. Without a picture the balloon still shows.
func loadIcon(icon []byte, log *slog.Logger) windows.Handle {
	f, err := os.CreateTemp("", "altnet-*.ico")
	if err != nil {
		log.Warn("write the icon of notifications", "err", err)
		return 0
	}
	defer os.Remove(f.Name())
	_, err = f.Write(icon)
	f.Close()
	name, nameErr := windows.UTF16PtrFromString(f.Name())
	if err != nil || nameErr != nil {
		return 0
	}
	handle, _, _ := procLoadImage.Call(0, uintptr(unsafe.Pointer(name)), imageIcon, 0, 0, lrFromFile)
	return windows.Handle(handle)
}

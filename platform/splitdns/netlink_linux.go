package splitdns

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"
)

// rtnetlink is the little of the kernel's language for networks (rtnetlink(7))
// that one interface takes.
type rtnetlink struct{ fd int }

func openNetlink() (*rtnetlink, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("reach the kernel: %w", err)
	}
	patience := unix.Timeval{Sec: 5} // it answers at once
	err = errors.Join(unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &patience), unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}))
	if err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("reach the kernel: %w", err)
	}
	return &rtnetlink{fd}, nil
}

func (n *rtnetlink) close() { unix.Close(n.fd) }

// ask sends a message and returns the one that answers it, nil where the answer
// is that it was done. Errors of the kernel are of type syscall.Errno.
func (n *rtnetlink) ask(message []byte) (*syscall.NetlinkMessage, error) {
	if err := unix.Sendto(n.fd, message, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return nil, err
	}
	for buf := make([]byte, 32<<10); ; {
		size, from, err := unix.Recvfrom(n.fd, buf, 0)
		if errors.Is(err, unix.EINTR) { // by the scheduler's signals
			continue
		}
		if err != nil {
			return nil, err
		}
		if kernel, ok := from.(*unix.SockaddrNetlink); !ok || kernel.Pid != 0 {
			continue // anybody may send to the socket
		}
		answers, err := syscall.ParseNetlinkMessage(buf[:size])
		if err != nil {
			return nil, err
		}
		for _, a := range answers {
			if a.Header.Type != unix.NLMSG_ERROR {
				return &a, nil
			}
			if len(a.Data) < 4 {
				return nil, errShortAnswer
			}
			if code := int32(binary.NativeEndian.Uint32(a.Data)); code != 0 {
				return nil, syscall.Errno(-code)
			}
			return nil, nil
		}
	}
}

var errShortAnswer = errors.New("the kernel's answer is too short")

// request begins a message: its head, whose length finished fills in, and what
// the type has before its attributes.
func request(kind, flags uint16, fixed []byte) []byte {
	m := make([]byte, unix.SizeofNlMsghdr, 256)
	binary.NativeEndian.PutUint16(m[4:], kind)
	binary.NativeEndian.PutUint16(m[6:], unix.NLM_F_REQUEST|flags)
	return append(m, fixed...)
}

func finished(m []byte) []byte {
	binary.NativeEndian.PutUint32(m, uint32(len(m)))
	return m
}

// attribute appends a value with its length and type, at a multiple of four.
func attribute(m []byte, kind uint16, value ...[]byte) []byte {
	whole := slices.Concat(value...)
	m = binary.NativeEndian.AppendUint16(m, uint16(unix.SizeofRtAttr+len(whole)))
	m = binary.NativeEndian.AppendUint16(m, kind)
	m = append(m, whole...)
	return append(m, make([]byte, -len(whole)&3)...)
}

func text(s string) []byte { return append([]byte(s), 0) }

// ifInfo is struct ifinfomsg.
func ifInfo(index int, flags uint32) []byte {
	b := make([]byte, unix.SizeofIfInfomsg)
	binary.NativeEndian.PutUint32(b[4:], uint32(index))
	binary.NativeEndian.PutUint32(b[8:], flags)
	binary.NativeEndian.PutUint32(b[12:], flags) // the mask: no others change
	return b
}

// netLink is an interface as far as it concerns us.
type netLink struct {
	index int
	alias string
}

// link finds an interface; syscall.ENODEV where there is none of that name.
func (n *rtnetlink) link(name string) (netLink, error) {
	answer, err := n.ask(finished(attribute(request(unix.RTM_GETLINK, 0, ifInfo(0, 0)), unix.IFLA_IFNAME, text(name))))
	if err != nil {
		return netLink{}, err
	}
	if answer == nil || answer.Header.Type != unix.RTM_NEWLINK || len(answer.Data) < unix.SizeofIfInfomsg {
		return netLink{}, errShortAnswer
	}
	found := netLink{index: int(int32(binary.NativeEndian.Uint32(answer.Data[4:])))}
	attributes, err := syscall.ParseNetlinkRouteAttr(answer)
	for _, a := range attributes {
		if a.Attr.Type == unix.IFLA_IFALIAS {
			found.alias = unix.ByteSliceToString(a.Value)
		}
	}
	return found, err
}

// addLink makes an interface of a kind of the kernel's. details are those that
// the kind takes.
func (n *rtnetlink) addLink(name, kind string, details []byte) error {
	info := attribute(nil, unix.IFLA_INFO_KIND, text(kind))
	if details != nil {
		info = attribute(info, unix.IFLA_INFO_DATA, details)
	}
	m := request(unix.RTM_NEWLINK, unix.NLM_F_ACK|unix.NLM_F_CREATE|unix.NLM_F_EXCL, ifInfo(0, 0))
	_, err := n.ask(finished(attribute(attribute(m, unix.IFLA_IFNAME, text(name)), unix.IFLA_LINKINFO, info)))
	return err
}

// vethPeer is what a veth pair takes: the name of its other end.
func vethPeer(name string) []byte {
	const vethInfoPeer = 1
	return attribute(nil, vethInfoPeer, ifInfo(0, 0), attribute(nil, unix.IFLA_IFNAME, text(name)))
}

// startLink gives an interface an alias and turns it on.
func (n *rtnetlink) startLink(index int, alias string) error {
	m := request(unix.RTM_SETLINK, unix.NLM_F_ACK, ifInfo(index, unix.IFF_UP))
	_, err := n.ask(finished(attribute(m, unix.IFLA_IFALIAS, []byte(alias))))
	return err
}

// addAddress gives an interface an IPv4 address; one that it has stays.
func (n *rtnetlink) addAddress(index int, addr netip.Prefix) error {
	fixed := make([]byte, unix.SizeofIfAddrmsg)
	fixed[0], fixed[1] = unix.AF_INET, byte(addr.Bits())
	binary.NativeEndian.PutUint32(fixed[4:], uint32(index))
	m := request(unix.RTM_NEWADDR, unix.NLM_F_ACK|unix.NLM_F_CREATE|unix.NLM_F_REPLACE, fixed)
	ip := addr.Addr().AsSlice()
	_, err := n.ask(finished(attribute(attribute(m, unix.IFA_LOCAL, ip), unix.IFA_ADDRESS, ip)))
	return err
}

func (n *rtnetlink) removeLink(index int) error {
	_, err := n.ask(finished(request(unix.RTM_DELLINK, unix.NLM_F_ACK, ifInfo(index, 0))))
	return err
}

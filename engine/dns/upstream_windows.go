package dns

import (
	"net"
	"unsafe"

	"golang.org/x/sys/windows"
)

// systemUpstreams returns the DNS servers of every adapter that is up.
func systemUpstreams() []string {
	var list []string
	for a := adapters(); a != nil; a = a.Next {
		if a.OperStatus != windows.IfOperStatusUp || a.IfType == windows.IF_TYPE_SOFTWARE_LOOPBACK {
			continue
		}
		for s := a.FirstDnsServerAddress; s != nil; s = s.Next {
			if ip := s.Address.IP(); ip != nil && !siteLocal(ip) {
				list = append(list, ip.String())
			}
		}
	}
	return list
}

// siteLocal recognises fec0:0:0:ffff::1 and its neighbours, which Windows
// lists where IPv6 has no server at all.
func siteLocal(ip net.IP) bool {
	return ip.To4() == nil && len(ip) == net.IPv6len && ip[0] == 0xfe && ip[1]&0xc0 == 0xc0
}

func adapters() *windows.IpAdapterAddresses {
	size := uint32(15 << 10) // what Microsoft recommends to begin with
	for range 3 {
		buf := make([]byte, size)
		first := (*windows.IpAdapterAddresses)(unsafe.Pointer(&buf[0]))
		err := windows.GetAdaptersAddresses(windows.AF_UNSPEC,
			windows.GAA_FLAG_SKIP_ANYCAST|windows.GAA_FLAG_SKIP_MULTICAST, 0, first, &size)
		if err == nil && size > 0 {
			return first
		}
		if err != windows.ERROR_BUFFER_OVERFLOW {
			return nil
		}
	}
	return nil
}

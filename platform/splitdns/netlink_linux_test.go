package splitdns

import (
	"errors"
	"net"
	"net/netip"
	"runtime"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// alone runs work in a network of its own, on a thread that ends with it.
func alone(t *testing.T, work func(*rtnetlink)) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			t.Logf("no network can be made here: %v", err)
			return
		}
		kernel, err := openNetlink()
		if err != nil {
			t.Error(err)
			return
		}
		defer kernel.close()
		work(kernel)
	}()
	<-done
}

func TestLinkIsMadeMendedRemoved(t *testing.T) {
	alone(t, func(kernel *rtnetlink) {
		if _, err := kernel.link(linkName); !errors.Is(err, syscall.ENODEV) {
			t.Errorf("before: %v", err)
		}
		first, err := kernel.makeLink()
		if errors.Is(err, syscall.EOPNOTSUPP) {
			t.Logf("this kernel has no interfaces to make: %v", err)
			return
		}
		second, err2 := kernel.makeLink()
		if err != nil || err2 != nil || first != second {
			t.Errorf("made %d, %v; mended %d, %v", first, err, second, err2)
		}
		look(t, kernel)
		if err := kernel.removeLink(first); err != nil {
			t.Error(err)
		}
		if _, err := kernel.link(linkName); !errors.Is(err, syscall.ENODEV) {
			t.Errorf("after: %v", err)
		}
	})
}

// look compares the interface with what the standard library sees.
func look(t *testing.T, kernel *rtnetlink) {
	t.Helper()
	link, err := kernel.link(linkName)
	if err != nil || link.alias != linkAlias {
		t.Errorf("%+v, %v", link, err)
	}
	seen, err := net.InterfaceByName(linkName)
	if err != nil {
		t.Error(err)
		return
	}
	addrs, err := seen.Addrs()
	if err != nil || len(addrs) == 0 || addrs[0].String() != linkAddress+"/32" || seen.Index != link.index || seen.Flags&net.FlagUp == 0 {
		t.Errorf("%+v has %v, %v", seen, addrs, err)
	}
}

func TestLinkOfEachSort(t *testing.T) {
	alone(t, func(kernel *rtnetlink) {
		for kind, details := range map[string][]byte{"dummy": nil, "bridge": nil, "veth": vethPeer(linkPeer)} {
			err := kernel.addLink(linkName, kind, details)
			if errors.Is(err, syscall.EOPNOTSUPP) {
				t.Logf("this kernel has no %s", kind)
				continue
			}
			link, found := kernel.link(linkName)
			if err != nil || found != nil {
				t.Errorf("%s: %v, %v", kind, err, found)
				continue
			}
			if again := kernel.addLink(linkName, kind, details); !errors.Is(again, syscall.EEXIST) {
				t.Errorf("%s made twice: %v", kind, again)
			}
			if err := kernel.removeLink(link.index); err != nil {
				t.Errorf("%s: %v", kind, err)
			}
		}
		if err := kernel.addAddress(1<<20, netip.MustParsePrefix("127.0.0.9/32")); err == nil {
			t.Error("an interface that is not there took an address")
		}
	})
}

func TestNetlinkMessagesParse(t *testing.T) {
	m := finished(attribute(request(unix.RTM_NEWLINK, 0, ifInfo(7, unix.IFF_UP)), unix.IFLA_IFNAME, text("ab")))
	m = finished(attribute(m, unix.IFLA_IFALIAS, []byte("four")))
	parsed, err := syscall.ParseNetlinkMessage(m)
	if err != nil || len(parsed) != 1 || len(m)%4 != 0 {
		t.Fatalf("%v, %v", parsed, err)
	}
	attributes, err := syscall.ParseNetlinkRouteAttr(&parsed[0])
	if err != nil || len(attributes) != 2 || string(attributes[0].Value) != "ab\x00" || string(attributes[1].Value) != "four" {
		t.Errorf("%v, %v", attributes, err)
	}
}

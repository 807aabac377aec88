package secure

import (
	"net/netip"
	"testing"
	"testing/synctest"
	"time"
)

// publicAddr returns an address in the nth /24.
func publicAddr(n int) netip.Addr {
	return netip.AddrFrom4([4]byte{8, byte(n >> 8), byte(n), 1})
}

// admitted counts how many of n attempts are let in; each ends at once.
func admitted(a *Admission, n int, addr func(int) netip.Addr) int {
	count := 0
	for i := range n {
		if release, ok := a.Admit(addr(i)); ok {
			release()
			count++
		}
	}
	return count
}

func TestAdmissionRatePerGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := NewAdmission(AdmissionConfig{Rate: 2, Burst: 5})
		same := func(i int) netip.Addr { return netip.AddrFrom4([4]byte{8, 0, 0, byte(i)}) }
		if got := admitted(a, 100, same); got != 5 {
			t.Errorf("burst: %d", got)
		}
		time.Sleep(1500 * time.Millisecond)
		if got := admitted(a, 100, same); got != 3 {
			t.Errorf("after 1.5 s: %d", got)
		}
		time.Sleep(24 * 365 * time.Hour)
		if got := admitted(a, 100, same); got != 5 {
			t.Errorf("after a year: %d", got)
		}
		if got := admitted(a, 100, func(i int) netip.Addr {
			return netip.AddrFrom16([16]byte{0x20, 1, 4, 5: 1, 15: byte(i)})
		}); got != 5 {
			t.Errorf("one /48: %d", got)
		}
		if got := admitted(a, 100, func(int) netip.Addr { return netip.MustParseAddr("127.0.0.1") }); got != 100 {
			t.Errorf("loopback: %d", got)
		}
		if got := admitted(a, 100, func(i int) netip.Addr { return netip.AddrFrom4([4]byte{10, 0, 0, byte(i % 2)}) }); got != 10 {
			t.Errorf("two private addresses: %d", got)
		}
		mapped := netip.MustParseAddr("::ffff:9.9.9.9")
		if got := admitted(a, 100, func(i int) netip.Addr {
			if i%2 == 0 {
				return mapped
			}
			return mapped.Unmap()
		}); got != 5 {
			t.Errorf("IPv4 in both forms: %d", got)
		}
	})
}

func TestAdmissionHalfOpen(t *testing.T) {
	a := NewAdmission(AdmissionConfig{Burst: 1000, HalfOpen: 40})
	var releases []func()
	for range 100 {
		if release, ok := a.Admit(publicAddr(1)); ok {
			releases = append(releases, release)
		}
	}
	if len(releases) != 10 {
		t.Errorf("one group holds %d of 40", len(releases))
	}
	for i := range 1000 {
		if release, ok := a.Admit(publicAddr(2 + i)); ok {
			releases = append(releases, release)
		}
	}
	if len(releases) != 40 {
		t.Errorf("all groups hold %d of 40", len(releases))
	}
	for _, release := range releases {
		release()
		release()
	}
	if a.halfOpen != 0 {
		t.Errorf("%d under way after all ended", a.halfOpen)
	}
}

// However many groups come, memory stays what it was.
func TestAdmissionMemoryIsBounded(t *testing.T) {
	a := NewAdmission(AdmissionConfig{})
	if n := testing.AllocsPerRun(10, func() {
		for i := range 1000 {
			if release, ok := a.Admit(publicAddr(i)); ok {
				release()
			}
		}
	}); n > 5*1000 {
		t.Errorf("%v allocations per 1000 groups", n)
	}
	if got := admitted(a, 1<<16, publicAddr); got > admissionBuckets*40+1<<16 {
		t.Errorf("admitted %d", got)
	}
}

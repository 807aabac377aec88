package gateway

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"
)

func TestProve(t *testing.T) {
	secret := []byte("in the data folder")
	_, addr := startGateway(t, Config{Resolve: troubles().Resolve, Secret: secret})
	_, other := startGateway(t, Config{Resolve: troubles().Resolve, Secret: []byte("another user's")})
	at := netip.MustParseAddrPort
	if err := Prove(t.Context(), at(addr), secret); err != nil {
		t.Error(err)
	}
	// A thief may pass the question on to the real gateway at its own port.
	relay := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		resp, err := http.Get("http://" + addr + r.URL.RequestURI())
		if err != nil {
			t.Error(err)
			return
		}
		defer resp.Body.Close()
		io.Copy(w, resp.Body)
	}))
	defer relay.Close()
	liar := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, strings.Repeat("0", 1<<20))
	}))
	defer liar.Close()
	for name, target := range map[string]string{
		"another user's gateway": other, "a thief who asks ours": relay.Listener.Addr().String(), "a liar": liar.Listener.Addr().String(),
	} {
		if err := Prove(t.Context(), at(target), secret); !errors.Is(err, ErrImpostor) {
			t.Errorf("%s: %v", name, err)
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	if err := Prove(t.Context(), at(l.Addr().String()), secret); err == nil || errors.Is(err, ErrImpostor) {
		t.Errorf("nobody: %v", err)
	}
}

func TestProveAsksForAChallenge(t *testing.T) {
	g, _ := one(t, nil, nil)
	long := strings.Repeat("ab", 65)
	for _, q := range []string{"", "?challenge=", "?challenge=abcd", "?challenge=zz", "?challenge=" + long} {
		if w := get(g, home+ProvePath+q); w.Code != 400 {
			t.Errorf("%q: %d", q, w.Code)
		}
	}
	ok := get(g, home+ProvePath+"?challenge="+long[:64])
	if ok.Code != 200 || len(ok.Body.String()) != 64 {
		t.Errorf("%d %s", ok.Code, ok.Body)
	}
	if again := get(g, home+ProvePath+"?challenge="+long[2:66]+"00"); again.Body.String() == ok.Body.String() {
		t.Error("the challenge does not matter")
	}
}

// The path of the configuration stays the same, is no other installation's,
// and another's is no way in.
func TestPACPath(t *testing.T) {
	made := func(secret string) *Gateway {
		g, _ := one(t, nil, func(c *Config) { c.Secret = []byte(secret) })
		return g
	}
	a, again, b := made("a"), made("a"), made("b")
	if a.PACPath() != again.PACPath() || a.PACPath() == b.PACPath() {
		t.Errorf("%s %s %s", a.PACPath(), again.PACPath(), b.PACPath())
	}
	if w := get(a, home+a.PACPath()); w.Code != 200 || !strings.Contains(w.Body.String(), "PROXY 127.0.0.1:8080") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w := get(a, home+b.PACPath()); w.Code != 404 || strings.Contains(w.Body.String(), "PROXY") {
		t.Errorf("another's path: %d", w.Code)
	}
}

// A browser that takes nothing is hung up on, one that is slow is not.
func TestStall(t *testing.T) {
	const stall = 500 * time.Millisecond
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	patient := patientListener{l, stall}
	for name, slow := range map[string]bool{"takes nothing": false, "is slow": true} {
		ended := make(chan error, 1)
		go func() {
			c, err := patient.Accept()
			if err != nil {
				ended <- err
				return
			}
			defer c.Close()
			_, err = c.Write(make([]byte, 32<<20))
			ended <- err
		}()
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		c.(*net.TCPConn).SetReadBuffer(64 << 10)
		began := time.Now()
		if slow {
			// Longer than the deadline in all, never in one piece.
			go drip(c, stall/20)
		}
		err = <-ended
		if slow && (err != nil || time.Since(began) < stall) {
			t.Errorf("%s: %v after %v", name, err, time.Since(began))
		}
		if ne, ok := errors.AsType[net.Error](err); !slow && (!ok || !ne.Timeout()) {
			t.Errorf("%s: %v", name, err)
		}
		c.Close()
	}
}

// drip reads on and on, a megabyte at each tick.
func drip(c net.Conn, tick time.Duration) {
	clock := time.NewTicker(tick)
	defer clock.Stop()
	for range clock.C {
		if _, err := io.CopyN(io.Discard, c, 1<<20); err != nil {
			return
		}
	}
}

package gateway

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"time"
)

// ProvePath is where a gateway proves itself: GET ProvePath?challenge=HEX (16
// to 64 bytes) answers with the hex of
// HMAC-SHA-256(key, "altnet gateway proof v1\x00" ‖ challenge ‖ "\x00" ‖ ADDRESS),
// where key is SHA-256("proof\x00" ‖ Config.Secret) and ADDRESS the IP:PORT that
// the connection came in at.
const ProvePath = "/prove"

// ErrImpostor is returned by Prove when something else listens at the address.
var ErrImpostor = errors.New("another program answers at the gateway's address")

// proof is what is derived from a gateway's lasting secret.
type proof struct {
	key   [32]byte
	token string // in the path of the proxy configuration
}

func newProof(secret []byte) proof {
	p := proof{key: sha256.Sum256(append([]byte("proof\x00"), secret...))}
	m := hmac.New(sha256.New, p.key[:])
	m.Write([]byte("path of the proxy configuration"))
	p.token = previewText.EncodeToString(m.Sum(nil)[:16])
	return p
}

func (p proof) answer(challenge []byte, addr netip.AddrPort) string {
	m := hmac.New(sha256.New, p.key[:])
	m.Write([]byte("altnet gateway proof v1\x00"))
	m.Write(challenge)
	m.Write([]byte("\x00" + netip.AddrPortFrom(addr.Addr().Unmap(), addr.Port()).String()))
	return hex.EncodeToString(m.Sum(nil))
}

// PACPath is the path of the proxy configuration that a browser is given. It
// is the same as long as the Secret is.
func (g *Gateway) PACPath() string { return "/proxy-" + g.proof.token + ".pac" }

// prove answers a challenge. It tells nothing to who cannot check it.
func (g *Gateway) prove(w http.ResponseWriter, r *http.Request) {
	challenge, err := hex.DecodeString(r.FormValue("challenge"))
	local := localAddr(r)
	if err != nil || len(challenge) < 16 || len(challenge) > 64 || !local.IsValid() {
		http.Error(w, "want ?challenge= and 16 to 64 bytes in hex", http.StatusBadRequest)
		return
	}
	_, _ = io.WriteString(w, g.proof.answer(challenge, local)) // a client that is gone is no error of ours
}

// proveTimeout bounds a proof: who answers is on this machine.
const proveTimeout = 3 * time.Second

// Prove finds out whether the gateway that has secret is the one that answers
// http at addr, an IP and a port. ErrImpostor: something else does.
func Prove(ctx context.Context, addr netip.AddrPort, secret []byte) error {
	var challenge [32]byte
	if _, err := rand.Read(challenge[:]); err != nil {
		return fmt.Errorf("prove the gateway: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, proveTimeout)
	defer cancel()
	u := url.URL{Scheme: "http", Host: addr.String(), Path: ProvePath, RawQuery: "challenge=" + hex.EncodeToString(challenge[:])}
	got, err := fetchProof(ctx, u.String())
	if err != nil {
		return fmt.Errorf("prove the gateway at %s: %w", addr, err)
	}
	if !hmac.Equal(got, []byte(newProof(secret).answer(challenge[:], addr))) {
		return fmt.Errorf("prove the gateway at %s: %w", addr, ErrImpostor)
	}
	return nil
}

// fetchProof asks without any proxy, which could answer in its stead.
func fetchProof(ctx context.Context, u string) ([]byte, error) {
	transport := &http.Transport{DialContext: (&net.Dialer{}).DialContext, DisableKeepAlives: true, MaxResponseHeaderBytes: 16 << 10}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u, nil)
	if err != nil {
		return nil, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	return io.ReadAll(io.LimitReader(resp.Body, 2*sha256.Size+1))
}

package gateway

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/fstest"
)

func TestTunnel(t *testing.T) {
	g, addr := startGateway(t, Config{Resolve: func(_ context.Context, name string) (Site, error) {
		return Site{Name: name, FS: fstest.MapFS{"index.html": {Data: []byte("site of " + name)}}}, nil
	}})
	roots := x509.NewCertPool()
	roots.AddCert(g.cfg.CA.Root())
	proxy := &url.URL{Scheme: "http", Host: addr}
	client := &http.Client{Transport: &http.Transport{
		Proxy: http.ProxyURL(proxy), TLSClientConfig: &tls.Config{RootCAs: roots}, ForceAttemptHTTP2: true,
	}}
	defer client.CloseIdleConnections()
	for _, target := range []string{"http://pg.alt/", "https://pg.alt/", "https://www.pg.alt/"} {
		resp, err := client.Get(target)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if want := "site of " + strings.TrimSuffix(target[strings.Index(target, "//")+2:], "/"); string(body) != want {
			t.Errorf("%s: %s", target, body)
		}
		if !strings.Contains(resp.Header.Get("Content-Security-Policy"), "treat-as-public-address") {
			t.Errorf("%s: %s", target, resp.Header.Get("Content-Security-Policy"))
		}
	}
	for _, target := range []string{"https://example.com/", "https://127.0.0.1/", "https://localhost/", "https://pg.alt:22/"} {
		if resp, err := client.Get(target); err == nil {
			resp.Body.Close()
			t.Errorf("the proxy opened %s: %d", target, resp.StatusCode)
		}
	}
	conn := dialTunnel(t, addr, "pg.alt:80")
	fmt.Fprint(conn, "GET / HTTP/1.1\r\nHost: pg.alt\r\n\r\n")
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil || resp.StatusCode != 200 {
		t.Errorf("plain http in a tunnel: %v %v", resp, err)
	}
	inside := dialTunnel(t, addr, "pg.alt:80")
	fmt.Fprint(inside, "GET /accept HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
	if resp, err := http.ReadResponse(bufio.NewReader(inside), nil); err != nil || resp.StatusCode != 403 {
		t.Errorf("the gateway's own pages through a tunnel: %v %v", resp, err)
	}
}

func dialTunnel(t *testing.T, addr, target string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	fmt.Fprintf(conn, "CONNECT %s HTTP/1.1\r\nHost: %s\r\n\r\n", target, target)
	head := make([]byte, len("HTTP/1.1 200 Connection established\r\n\r\n"))
	if _, err := io.ReadFull(conn, head); err != nil || !bytes.HasPrefix(head, []byte("HTTP/1.1 200")) {
		t.Fatalf("%q %v", head, err)
	}
	return conn
}

func TestCloseEndsTunnels(t *testing.T) {
	g, addr := startGateway(t, troubles())
	silent := dialTunnel(t, addr, "fine.alt:443")
	g.Close()
	if _, err := silent.Read(make([]byte, 1)); err == nil {
		t.Error("the tunnel is still open")
	}
	l := listener(t)
	if err := g.Serve(l); err != nil {
		t.Error(err)
	}
	if _, err := l.Accept(); err == nil {
		t.Error("a closed gateway leaves its listener open")
	}
}

func listener(t *testing.T) net.Listener {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

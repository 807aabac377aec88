package splitdns

import (
	"bufio"
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"
)

const (
	// scriptMark is the first line of our script.
	scriptMark = "// AltNet"
	// scriptQuery marks the address of a script that our gateway gives out.
	scriptQuery = "altnet"
)

// Script is the proxy script (PAC): names below the suffix go to our gateway,
// all others where they always went.
func Script(w Want) string {
	return fmt.Sprintf(`%[4]s
function FindProxyForURL(url, host) {
  host = host.toLowerCase().replace(/\.$/, "");
  if (host === %[1]q || dnsDomainIs(host, %[2]q)) return "PROXY %[3]s";
  return "DIRECT";
}
`, w.Suffix, "."+w.Suffix, w.Gateway, scriptMark)
}

// PACURL is an address that holds the script itself. No server gives it out, so
// nobody who takes our port after a crash can give out another script and see
// what the person reads.
func PACURL(w Want) string {
	return "data:application/x-ns-proxy-autoconfig;base64," + base64.StdEncoding.EncodeToString([]byte(Script(w)))
}

// ServedPACURL is the address of the script that the gateway gives out, for
// systems that read no script out of its address.
func ServedPACURL(w Want) string {
	return "http://" + w.Gateway.String() + cmp.Or(w.Script, "/proxy.pac") + "?" + scriptQuery
}

// OurScript reports whether the address of a proxy script is one of AltNet's.
func OurScript(address string) bool {
	if data, found := strings.CutPrefix(address, "data:application/x-ns-proxy-autoconfig;base64,"); found {
		script, err := base64.StdEncoding.DecodeString(data)
		return err == nil && strings.HasPrefix(string(script), scriptMark+"\n")
	}
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" || !scriptPath(u.Path) || u.RawQuery != scriptQuery {
		return false
	}
	ip, err := netip.ParseAddr(u.Hostname())
	return err == nil && ip.IsLoopback()
}

// scriptPath reports whether a gateway gives its script out there: under the
// name for everybody or that of one installation, proxy-TOKEN.pac.
func scriptPath(path string) bool {
	token, found := strings.CutSuffix(path, ".pac")
	return found && (token == "/proxy" || strings.HasPrefix(token, "/proxy-")) && strings.Count(path, "/") == 1
}

// script is the address to set: on Linux one that holds the script itself.
func (c Config) script(served bool) string {
	switch {
	case c.Want.PAC != "":
		return c.Want.PAC
	case served:
		return ServedPACURL(c.Want)
	}
	return PACURL(c.Want)
}

// verifyProxy asks the gateway to lead on to a name, as a browser does that
// follows the script. Nothing is looked up for it in the network.
func (c Config) verifyProxy(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if err := c.prove(ctx, c.Want.Gateway); err != nil {
		return err
	}
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", c.Want.Gateway.String())
	if err != nil {
		return fmt.Errorf("%w: %w", ErrClosed, err)
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	host := "check." + c.Want.Suffix + ":80"
	if _, err := fmt.Fprintf(conn, "CONNECT %s HTTP/1.1\r\nHost: %s\r\n\r\n", host, host); err != nil {
		return fmt.Errorf("%w: %w", ErrClosed, err)
	}
	res, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: http.MethodConnect})
	if err != nil {
		return fmt.Errorf("%w: %w", ErrClosed, errors.Join(err, ctx.Err()))
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%w: the proxy %s answers %s", ErrClosed, c.Want.Gateway, res.Status)
	}
	return nil
}

// ours reports whether the journal has a change of a door.
func (c Config) ours(ctx context.Context, door Name) (bool, error) {
	entries, err := c.Journal.Entries(ctx)
	if err != nil {
		return false, err
	}
	for _, e := range entries {
		if e.Door == string(door) {
			return true, nil
		}
	}
	return false, nil
}

// free fails with ErrTaken unless the proxy settings are the person's own
// leave to set ours.
func (p Proxy) free() error {
	switch p.Mode {
	case ProxyNone, ProxyOurs:
		return nil
	}
	return fmt.Errorf("%w: proxy settings (%s) %s", ErrTaken, p.Mode, p.What)
}

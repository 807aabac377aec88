package control

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// MetricsConfig says who may read the status over TCP.
type MetricsConfig struct {
	// Hosts are the names, in lower case, under which the endpoint may be
	// asked besides localhost and addresses.
	Hosts []string
	// Token is the bearer token to present; empty: none is asked for.
	Token string
}

// Metrics returns a handler that serves the node's status as JSON on /, for
// monitoring. It tells nothing of sites or visits. A browser's page cannot
// read it: the host must be expected (against DNS rebinding) and the request
// must not come from a page.
func Metrics(c Control, cfg MetricsConfig) http.Handler {
	want := sha256.Sum256([]byte(cfg.Token))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got := sha256.Sum256([]byte(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")))
		switch {
		case !allowedHost(r.Host, cfg.Hosts) || fromPage(r):
			http.Error(w, "this endpoint is for monitoring, not for web pages", http.StatusForbidden)
		case cfg.Token != "" && subtle.ConstantTimeCompare(got[:], want[:]) != 1:
			w.Header().Set("WWW-Authenticate", "Bearer")
			http.Error(w, "a bearer token is needed", http.StatusUnauthorized)
		case r.Method != http.MethodGet && r.Method != http.MethodHead:
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "read only", http.StatusMethodNotAllowed)
		case r.URL.Path != "/" && r.URL.Path != "/metrics" && r.URL.Path != "/status":
			http.NotFound(w, r)
		default:
			writeMetrics(w, r, c)
		}
	})
}

func writeMetrics(w http.ResponseWriter, r *http.Request, c Control) {
	st, err := c.Status(r.Context())
	if err != nil {
		http.Error(w, err.Error(), statusOf(err))
		return
	}
	st.Data = "" // below somebody's home
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	out := json.NewEncoder(w)
	out.SetIndent("", "  ")
	out.Encode(st)
}

// allowedHost reports whether a Host header names this endpoint.
func allowedHost(hostport string, allowed []string) bool {
	h := hostport
	if name, _, err := net.SplitHostPort(hostport); err == nil {
		h = name
	}
	h = strings.ToLower(strings.Trim(h, "[]"))
	if _, err := netip.ParseAddr(h); err == nil {
		return true // rebinding needs a name
	}
	return h == "localhost" || slices.Contains(allowed, h)
}

// fromPage reports whether a web page made the request, rather than a person
// or a program.
func fromPage(r *http.Request) bool {
	site := r.Header.Get("Sec-Fetch-Site")
	return r.Header.Get("Origin") != "" || site != "" && site != "none" && site != "same-origin"
}

//go:build !windows

package dns

import "github.com/miekg/dns"

// systemUpstreams reads the system's servers. systemd-resolved's own list is
// asked first: /etc/resolv.conf then names only its stub, which may be sending
// us its queries.
func systemUpstreams() []string {
	for _, path := range []string{"/run/systemd/resolve/resolv.conf", "/etc/resolv.conf"} {
		conf, err := dns.ClientConfigFromFile(path)
		if err == nil && len(conf.Servers) > 0 {
			return conf.Servers
		}
	}
	return nil
}

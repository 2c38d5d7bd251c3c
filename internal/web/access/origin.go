package access

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
)

// CheckOrigin refuses a request that a page of another origin may have sent, or that was sent to a name which is not the worker's own.
func (g *Guard) CheckOrigin(r *http.Request) error {
	if host := hostName(r.Host); !IsLoopback(host) && !g.hosts[host] {
		return refuseHost(host)
	}
	if origin := r.Header.Get("Origin"); origin != "" {
		if u, err := url.Parse(origin); err != nil || u.Host == "" || !strings.EqualFold(u.Host, r.Host) {
			return refuse(http.StatusForbidden, "origin", fmt.Sprintf("requests of pages of another origin are refused: %.100q", origin))
		}
	}
	if err := g.cross.Check(r); err != nil || isPart(r) {
		return refuse(http.StatusForbidden, "origin", "requests of pages of another site are refused")
	}
	return nil
}

// isPart tells whether a page of another site has a browser load this as a part of it, such as a picture or a frame. That page could not read
// what is answered, but keep the database busy with what it asks for, and the browser shows the token that its user has given it. A link that
// somebody follows is none.
func isPart(r *http.Request) bool {
	switch r.Header.Get("Sec-Fetch-Site") {
	case "", "none", "same-origin":
		return false
	}
	return r.Header.Get("Sec-Fetch-Mode") != "navigate" || r.Header.Get("Sec-Fetch-Dest") != "document"
}

// CheckHost refuses a request that was sent to a name which is not the worker's own: a page may have let that point here, to read what is
// answered. An address no page can let point anywhere, and it is by its address that a pod is asked for metrics.
func (g *Guard) CheckHost(r *http.Request) error {
	host := hostName(r.Host)
	if _, err := netip.ParseAddr(host); err != nil && !IsLoopback(host) && !g.hosts[host] {
		return refuseHost(host)
	}
	return nil
}

func refuseHost(host string) error {
	return refuse(http.StatusForbidden, "host", fmt.Sprintf("this worker does not answer for the host %.100q: name it with --http-host", host))
}

// hostName is a host without its port, in one form.
func hostName(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	return strings.TrimSuffix(strings.ToLower(strings.Trim(host, "[]")), ".")
}

// IsLoopback tells whether a name or an address, without a port, is one that nobody else can let point to a machine of this network.
func IsLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	address, err := netip.ParseAddr(host)
	return err == nil && address.Unmap().IsLoopback()
}

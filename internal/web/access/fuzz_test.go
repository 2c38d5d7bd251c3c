package access_test

import (
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"sluice/internal/web/access"
)

// Whatever a request says of where it was sent to and comes from: only names and addresses of this machine or that were configured are
// answered for, and what another page sends is refused.
func FuzzOrigin(f *testing.F) {
	for _, seed := range [][3]string{
		{"127.0.0.1:8077", "", ""}, {"[::1]:8077", "http://[::1]:8077", "same-origin"}, {"Sluice.Example.com.:443", "https://sluice.example.com", ""},
		{"evil.example", "null", "cross-site"}, {"[[localhost]]:1:2", "http://localhost@evil.example", "same-site"}, {"127.0.0.1.", "\x00", "none"},
	} {
		f.Add(seed[0], seed[1], seed[2])
	}
	g := access.New(access.Config{Loopback: true, Hosts: []string{"sluice.example.com"}})
	f.Fuzz(func(t *testing.T, host, origin, site string) {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/api/v1/items", nil)
		r.Host = host
		r.Header.Set("Origin", origin)
		r.Header.Set("Sec-Fetch-Site", site)
		if g.CheckOrigin(r) != nil {
			return
		}
		name, _, err := net.SplitHostPort(host)
		if err != nil {
			name = host
		}
		name = strings.TrimSuffix(strings.ToLower(strings.Trim(name, "[]")), ".")
		address, err := netip.ParseAddr(name)
		require.True(t, name == "localhost" || name == "sluice.example.com" || err == nil && address.Unmap().IsLoopback(), "%q is answered for", host)
		require.True(t, origin == "" || strings.Contains(strings.ToLower(origin), strings.ToLower(host)), "%q may send to %q", origin, host)
		require.Contains(t, []string{"", "none", "same-origin"}, site)
	})
}

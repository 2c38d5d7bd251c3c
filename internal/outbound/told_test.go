package outbound

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAnErrorTellsNoAddressOfTheWorker(t *testing.T) {
	t.Parallel()
	own, to := &net.TCPAddr{IP: net.IPv4(10, 1, 2, 3), Port: 4711}, &net.TCPAddr{IP: net.IPv4(1, 2, 3, 4), Port: 80}
	name := func(d net.DNSError) error {
		d.Name, d.Server = "a.example", "10.9.9.9:53"
		return &url.Error{Op: "Get", URL: "http://a.example/", Err: &net.OpError{Op: "dial", Net: "tcp", Err: &d}}
	}
	for want, err := range map[string]error{
		`Get "http://a.example/": dial tcp: lookup a.example: no such host`:                   name(net.DNSError{Err: "no such host", IsNotFound: true}),
		`Get "http://a.example/": dial tcp: lookup a.example: the name was not found in time`: name(net.DNSError{Err: "read udp 10.1.2.3:4711->10.9.9.9:53: i/o timeout", IsTimeout: true}),
		`Get "http://a.example/": dial tcp: lookup a.example: the name cannot be looked up`:   name(net.DNSError{Err: "server misbehaving"}),
		"read the answer: read tcp 1.2.3.4:80: reset":                                         fmt.Errorf("read the answer: %w", &net.OpError{Op: "read", Net: "tcp", Source: own, Addr: to, Err: errors.New("reset")}),
		"dial tcp: too many":             &net.OpError{Op: "dial", Net: "tcp", Source: own, Err: errors.New("too many")},
		"dial tcp 1.2.3.4:80: no route":  &net.OpError{Op: "dial", Net: "tcp", Addr: to, Err: errors.New("no route")},
		"another error of 10.1.2.3:4711": errors.New("another error of 10.1.2.3:4711"),
	} {
		require.Equal(t, want, Told(err))
	}
}

func TestAConnectionThatIsCutTellsNoAddressOfTheWorker(t *testing.T) {
	t.Parallel()
	callers := make(chan string, 10)
	server, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
		callers <- r.RemoteAddr
		c, _, err := w.(http.Hijacker).Hijack()
		if err == nil {
			_ = c.(*net.TCPConn).SetLinger(0)
			_ = c.Close()
		}
	})
	_, err := get(t, NewClient(transport(t, Config{AllowPrivate: true}), nil, nil), server.URL)
	caller := <-callers
	require.ErrorContains(t, err, caller)
	require.NotContains(t, Told(err), caller)
	require.Contains(t, Told(err), "reset")
}

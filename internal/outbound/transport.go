package outbound

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"syscall"
	"time"
)

// maxHeaderBytes of an answer are read.
const maxHeaderBytes = 64 << 10

// Config says which addresses may be reached beside those of the public internet.
type Config struct {
	AllowPrivate bool             // all of them
	Allow        []netip.AddrPort // these
}

// NewTransport returns what makes the connections of http nodes. It connects by itself: a proxy of the environment would resolve
// names out of sight. Answers may have 64 KiB of headers.
func NewTransport(c Config) *http.Transport {
	dialer := &net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second, ControlContext: c.control}
	secure := &tls.Dialer{NetDialer: dialer, Config: &tls.Config{NextProtos: []string{"h2", "http/1.1"}, MinVersion: tls.VersionTLS12}}
	return &http.Transport{
		DialContext:            untilCallEnds(dialer.DialContext),
		DialTLSContext:         untilCallEnds(secure.DialContext),
		ForceAttemptHTTP2:      true,
		ExpectContinueTimeout:  time.Second,
		IdleConnTimeout:        30 * time.Second,
		MaxIdleConns:           200,
		MaxIdleConnsPerHost:    16,
		MaxResponseHeaderBytes: maxHeaderBytes,
	}
}

// calling is the key of a call's context in the contexts of its requests.
type calling struct{}

// ofCall gives each request of a call the call's context as a value.
type ofCall struct{ http.RoundTripper }

func (t ofCall) RoundTrip(r *http.Request) (*http.Response, error) {
	return t.RoundTripper.RoundTrip(r.WithContext(context.WithValue(r.Context(), calling{}, r.Context())))
}

// untilCallEnds ends what dial has begun when the call ends. net/http would let it go on, for a later request, which a workspace whose
// calls are given up after a millisecond could use to have any number of connections under way.
func untilCallEnds(dial func(ctx context.Context, network, address string) (net.Conn, error)) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		if call, ok := ctx.Value(calling{}).(context.Context); ok {
			defer context.AfterFunc(call, cancel)()
		}
		return dial(ctx, network, address)
	}
}

// control is called with the address that is about to be connected to.
func (c Config) control(_ context.Context, network, address string, _ syscall.RawConn) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil || network != "tcp4" && network != "tcp6" {
		return &Refused{"http nodes connect to addresses of TCP only, not to " + network + " " + address}
	}
	to = netip.AddrPortFrom(to.Addr().Unmap(), to.Port())
	if c.AllowPrivate || slices.Contains(c.Allow, to) {
		return nil
	}
	if kind := kindOf(to.Addr()); kind != "" {
		return &Refused{"http nodes may not reach " + kind + " addresses: an operator can allow those that are not public with --allow-private-addresses"}
	}
	return nil
}

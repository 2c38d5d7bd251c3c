package outbound

import (
	"context"
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
	return &http.Transport{
		DialContext:            dialer.DialContext,
		ForceAttemptHTTP2:      true,
		TLSHandshakeTimeout:    10 * time.Second,
		ExpectContinueTimeout:  time.Second,
		IdleConnTimeout:        30 * time.Second,
		MaxIdleConns:           200,
		MaxIdleConnsPerHost:    16,
		MaxResponseHeaderBytes: maxHeaderBytes,
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

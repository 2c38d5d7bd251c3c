package gateway

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"

	"go.temporal.io/sdk/client"
)

// TLS names the files of the gateway's own TLS; all empty: it speaks none.
type TLS struct {
	Cert, Key string // the certificate, and its key
	ClientCA  string // whose certificates callers must show; empty: they need none
}

// Check says what is wrong with serving this address, and what to change. Upstream are the options with which the worker itself
// reaches the frontend.
func Check(address string, own TLS, upstream client.Options) error {
	lends := false
	if t := upstream.ConnectionOptions.TLS; t != nil {
		lends = len(t.Certificates) > 0 || t.GetClientCertificate != nil
	}
	switch {
	case (own.Cert == "") != (own.Key == ""):
		return errors.New("--gateway-tls-cert and --gateway-tls-key go together")
	case own.ClientCA != "" && own.Cert == "":
		return errors.New("--gateway-tls-client-ca needs --gateway-tls-cert and --gateway-tls-key")
	case lends && own.ClientCA == "":
		return errors.New("the frontend takes this worker's client certificate for all that passes the gateway: " +
			"let callers show certificates of their own, with --gateway-tls-client-ca")
	case isLoopback(address):
		return nil
	case own.Cert == "":
		return fmt.Errorf("others can reach --gateway %s: set --gateway-tls-cert and --gateway-tls-key, or listen on 127.0.0.1", address)
	case own.ClientCA == "" && !authenticates(upstream):
		return fmt.Errorf("others can reach --gateway %s, and Temporal asks nobody who he is (this worker has no TEMPORAL_API_KEY): "+
			"set --gateway-tls-client-ca, or listen on 127.0.0.1", address)
	}
	return nil
}

// authenticates tells whether the frontend asks callers for something in their metadata.
func authenticates(upstream client.Options) bool {
	return upstream.Credentials != nil || upstream.HeadersProvider != nil
}

func isLoopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

// config reads the files for each handshake, so that certificates can be renewed; nil without TLS.
func (t TLS) config() (*tls.Config, error) {
	if t.Cert == "" {
		return nil, nil
	}
	if _, err := t.read(); err != nil {
		return nil, err
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"h2"},
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return t.read() }}, nil
}

func (t TLS) read() (*tls.Config, error) {
	certificate, err := tls.LoadX509KeyPair(t.Cert, t.Key)
	if err != nil {
		return nil, fmt.Errorf("read --gateway-tls-cert and --gateway-tls-key: %w", err)
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"h2"}, Certificates: []tls.Certificate{certificate}}
	if t.ClientCA == "" {
		return c, nil
	}
	pem, err := os.ReadFile(t.ClientCA)
	if err != nil {
		return nil, fmt.Errorf("read --gateway-tls-client-ca: %w", err)
	}
	c.ClientCAs, c.ClientAuth = x509.NewCertPool(), tls.RequireAndVerifyClientCert
	if !c.ClientCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("read --gateway-tls-client-ca: no certificate in %s", t.ClientCA)
	}
	return c, nil
}

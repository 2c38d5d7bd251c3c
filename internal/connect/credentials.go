package connect

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/contrib/envconfig"
)

// readAgain is how long what was read of the profile and its files is taken for what they say. A call needs the key, and
// there may be thousands a second.
const readAgain = time.Second

// TemporalOptions makes client options of Temporal's environment configuration: the TEMPORAL_ variables, and the profile
// file that they may name. The API key, headers and certificates are followed when they are renewed on disk: calls take the
// key and the headers, new connections the certificates, those of the server's authority too. adapt may change the profile
// each time it is read; nil for no change.
func TemporalOptions(env envconfig.EnvLookup, adapt func(*envconfig.ClientConfigProfile)) (client.Options, error) {
	f := &followed{load: func() (envconfig.ClientConfigProfile, error) {
		profile, err := envconfig.LoadClientConfigProfile(envconfig.LoadClientConfigProfileOptions{EnvLookup: env})
		if err == nil && adapt != nil {
			adapt(&profile)
		}
		return profile, err
	}}
	if err := f.read(); err != nil {
		return client.Options{}, err
	}
	options := f.options
	if f.apiKey != "" {
		options.Credentials = client.NewAPIKeyDynamicCredentials(func(context.Context) (string, error) {
			f.refresh()
			f.mu.Lock()
			defer f.mu.Unlock()
			return f.apiKey, nil
		})
	}
	if options.HeadersProvider != nil {
		options.HeadersProvider = f
	}
	if of := options.ConnectionOptions.TLS; of != nil {
		options.ConnectionOptions.TLS = f.follow(of)
	}
	return options, nil
}

// followed is a profile as it was last read, with the files that it names. What cannot be read, or is not all there, because it is just
// being written, leaves it as it is.
type followed struct {
	load func() (envconfig.ClientConfigProfile, error)

	mu      sync.Mutex
	at      time.Time
	apiKey  string
	options client.Options
}

func (f *followed) read() error {
	profile, err := f.load()
	if err != nil {
		return err
	}
	options, err := profile.ToClientOptions(envconfig.ToClientOptionsRequest{})
	if err != nil {
		return err
	}
	if lacks(profile.APIKey, f.apiKey) || lacks(options.HeadersProvider, f.options.HeadersProvider) ||
		lacks(options.ConnectionOptions.TLS, f.options.ConnectionOptions.TLS) {
		return errors.New("the profile is not all there") // to the SDK, a file that is empty or missing is a profile that says nothing
	}
	f.apiKey, f.options, f.at = profile.APIKey, options, time.Now()
	return nil
}

// lacks tells that something is gone that was there before.
func lacks[T comparable](now, before T) bool {
	var none T
	return before != none && now == none
}

// refresh returns the options as they are now.
func (f *followed) refresh() client.Options {
	f.mu.Lock()
	defer f.mu.Unlock()
	if time.Since(f.at) >= readAgain {
		if f.read() != nil {
			f.at = time.Now()
		}
	}
	return f.options
}

// GetHeaders implements client.HeadersProvider.
func (f *followed) GetHeaders(ctx context.Context) (map[string]string, error) {
	if now := f.refresh().HeadersProvider; now != nil {
		return now.GetHeaders(ctx)
	}
	return nil, nil
}

// follow returns a configuration whose handshakes take the certificates of their time. Where a file names the server's
// authorities it verifies the server itself, as crypto/tls would: that takes them from the configuration, once for all.
func (f *followed) follow(of *tls.Config) *tls.Config {
	c := of.Clone()
	if len(of.Certificates) > 0 {
		c.Certificates = nil
		c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			if now := f.refresh().ConnectionOptions.TLS; now != nil && len(now.Certificates) > 0 {
				return &now.Certificates[0], nil
			}
			return nil, errors.New("there is no client certificate any more")
		}
	}
	if of.RootCAs != nil && !of.InsecureSkipVerify {
		c.RootCAs, c.InsecureSkipVerify = nil, true
		c.VerifyConnection = func(state tls.ConnectionState) error {
			options := f.refresh()
			now := options.ConnectionOptions.TLS
			if now == nil || now.RootCAs == nil {
				return errors.New("there is no certificate of the server's authority any more")
			}
			name := state.ServerName
			if name == "" { // TLS does not send an address that is no name, but the certificate must be for it
				name = hostOf(first(options.ConnectionOptions.Authority, options.HostPort, client.DefaultHostPort))
			}
			return verify(state, name, now.RootCAs)
		}
	}
	return c
}

func verify(state tls.ConnectionState, name string, roots *x509.CertPool) error {
	options := x509.VerifyOptions{Roots: roots, DNSName: name, Intermediates: x509.NewCertPool()}
	for _, certificate := range state.PeerCertificates[1:] {
		options.Intermediates.AddCert(certificate)
	}
	if _, err := state.PeerCertificates[0].Verify(options); err != nil {
		return fmt.Errorf("verify the server's certificate: %w", err)
	}
	return nil
}

// hostOf is the host of an address as gRPC takes it: host:port, or with a scheme before it.
func hostOf(address string) string {
	address = address[strings.LastIndex(address, "/")+1:]
	if host, _, err := net.SplitHostPort(address); err == nil {
		return host
	}
	return address
}

func first(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}

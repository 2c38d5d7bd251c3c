package gateway_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"sluice/internal/gateway"
)

// authority signs certificates.
type authority struct {
	dir         string
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
	serial      int64
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{dir: t.TempDir()}
	a.certificate, a.key = a.sign(t, "ca", nil)
	return a
}

// sign writes name.crt and name.key.
func (a *authority) sign(t *testing.T, name string, by *authority) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	a.serial++
	template := &x509.Certificate{SerialNumber: big.NewInt(a.serial), Subject: pkix.Name{CommonName: name}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), BasicConstraintsValid: true, IsCA: by == nil,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth}}
	parent, signer := template, key
	if by != nil {
		parent, signer = by.certificate, by.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	require.NoError(t, err)
	raw, err := x509.MarshalECPrivateKey(key)
	require.NoError(t, err)
	for file, block := range map[string]*pem.Block{a.path(name + ".crt"): {Type: "CERTIFICATE", Bytes: der}, a.path(name + ".key"): {Type: "EC PRIVATE KEY", Bytes: raw}} {
		require.NoError(t, os.WriteFile(file, pem.EncodeToMemory(block), 0o600))
	}
	certificate, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return certificate, key
}

func (a *authority) path(file string) string { return filepath.Join(a.dir, file) }

// config is the TLS of a client that trusts the authority and shows this certificate, if it is named.
func (a *authority) config(t *testing.T, name string) *tls.Config {
	t.Helper()
	c := &tls.Config{RootCAs: x509.NewCertPool(), MinVersion: tls.VersionTLS12}
	c.RootCAs.AddCert(a.certificate)
	if name != "" {
		certificate, err := tls.LoadX509KeyPair(a.path(name+".crt"), a.path(name+".key"))
		require.NoError(t, err)
		c.Certificates = []tls.Certificate{certificate}
	}
	return c
}

func TestTLSOnBothSides(t *testing.T) {
	t.Parallel()
	ours, theirs, strangers := newAuthority(t), newAuthority(t), newAuthority(t)
	ours.sign(t, "gateway", ours)
	ours.sign(t, "caller", ours)
	strangers.sign(t, "stranger", strangers)
	theirs.sign(t, "frontend", theirs)
	theirs.sign(t, "worker", theirs)
	f := &frontend{}
	server := theirs.config(t, "frontend")
	server.ClientAuth, server.ClientCAs = tls.RequireAndVerifyClientCert, server.RootCAs
	through := serve(t, func(c *gateway.Config) {
		c.TLS = gateway.TLS{Cert: ours.path("gateway.crt"), Key: ours.path("gateway.key"), ClientCA: ours.path("ca.crt")}
		c.Upstream = client.Options{HostPort: f.serve(t, grpc.Creds(credentials.NewTLS(server))), ConnectionOptions: client.ConnectionOptions{TLS: theirs.config(t, "worker")}}
	})
	call := func(config *tls.Config) error {
		c, err := client.NewLazyClient(client.Options{HostPort: through, ConnectionOptions: client.ConnectionOptions{TLS: config}})
		require.NoError(t, err)
		defer c.Close()
		_, err = c.WorkflowService().GetSystemInfo(t.Context(), &workflowservice.GetSystemInfoRequest{})
		return err
	}
	require.NoError(t, call(ours.config(t, "caller")))
	require.Error(t, call(ours.config(t, "")), "a caller without a certificate")
	strange := ours.config(t, "")
	strange.Certificates = strangers.config(t, "stranger").Certificates
	require.Error(t, call(strange), "a caller with another's")

	ours.sign(t, "gateway", strangers) // renewed, and signed by somebody that callers do not trust
	require.Error(t, call(ours.config(t, "caller")), "certificates are read for each handshake")
}

func TestFilesOfTLSAreReadAtStart(t *testing.T) {
	t.Parallel()
	_, err := gateway.New(gateway.Config{TLS: gateway.TLS{Cert: "nowhere", Key: "nowhere"}})
	require.ErrorContains(t, err, "read --gateway-tls-cert and --gateway-tls-key")
}

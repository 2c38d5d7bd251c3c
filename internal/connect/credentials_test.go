package connect_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/contrib/envconfig"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"sluice/internal/connect"
	"sluice/internal/devstack/devtest"
)

// environment is what the tests' processes would have.
type environment map[string]string

func (e environment) LookupEnv(name string) (string, bool) { v, ok := e[name]; return v, ok }

func (e environment) Environ() (all []string) {
	for name, value := range e {
		all = append(all, name+"="+value)
	}
	return all
}

var _ envconfig.EnvLookup = environment{}

// authority signs certificates.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "authority"}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	certificate, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return &authority{certificate, key}
}

func (a *authority) pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.certificate)
	return pool
}

// sign returns a certificate and its key for an address.
func (a *authority) sign(t *testing.T, address net.IP) (certificate, key []byte) {
	t.Helper()
	own, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{address}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}}
	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate, own.Public(), a.key)
	require.NoError(t, err)
	encoded, err := x509.MarshalPKCS8PrivateKey(own)
	require.NoError(t, err)
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: encoded})
}

// tlsProxy takes connections of clients whose certificates its authority has signed to a server that knows no TLS.
type tlsProxy struct {
	address string
	mu      sync.Mutex
	config  *tls.Config
	open    []net.Conn
}

func newTLSProxy(t *testing.T, server string) *tlsProxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	p := &tlsProxy{address: l.Addr().String()}
	var serving sync.WaitGroup
	t.Cleanup(func() { _ = l.Close(); p.trust(nil, tls.Certificate{}); serving.Wait() })
	serving.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			p.mu.Lock()
			secure := tls.Server(conn, p.config)
			p.open = append(p.open, conn)
			p.mu.Unlock()
			serving.Go(func() { forwardTLS(secure, server) })
		}
	})
	return p
}

func forwardTLS(secure *tls.Conn, server string) {
	defer func() { _ = secure.Close() }()
	if secure.Handshake() != nil {
		return
	}
	behind, err := net.Dial("tcp", server)
	if err != nil {
		return
	}
	go func() { _, _ = io.Copy(behind, secure); _ = behind.Close() }()
	_, _ = io.Copy(secure, behind)
}

// trust changes whom the proxy trusts and what it shows, and ends what is open.
func (p *tlsProxy) trust(a *authority, own tls.Certificate) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.config = &tls.Config{Certificates: []tls.Certificate{own}, NextProtos: []string{"h2"}}
	if a != nil {
		p.config.ClientAuth, p.config.ClientCAs = tls.RequireAndVerifyClientCert, a.pool()
	}
	for _, conn := range p.open {
		_ = conn.Close()
	}
	p.open = nil
}

// identities are the files of a client.
type identities struct{ certificate, key, authority string }

func (i identities) write(t *testing.T, a *authority) {
	t.Helper()
	certificate, key := a.sign(t, net.IPv4(10, 0, 0, 1))
	require.NoError(t, os.WriteFile(i.key, key, 0o600))
	require.NoError(t, os.WriteFile(i.certificate, certificate, 0o600))
	require.NoError(t, os.WriteFile(i.authority, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.certificate.Raw}), 0o600))
}

func TestCertificatesAreFollowedWhenTheyAreRenewed(t *testing.T) {
	t.Parallel()
	server, namespace := devtest.Temporal(t, nil)
	proxy, dir := newTLSProxy(t, server), t.TempDir()
	files := identities{filepath.Join(dir, "client.pem"), filepath.Join(dir, "client.key"), filepath.Join(dir, "authority.pem")}
	show := func(a *authority, address net.IP) {
		own, err := tls.X509KeyPair(a.sign(t, address))
		require.NoError(t, err)
		proxy.trust(a, own)
	}
	first := newAuthority(t)
	files.write(t, first)
	show(first, net.IPv4(127, 0, 0, 1))
	o, err := connect.TemporalOptions(environment{"TEMPORAL_ADDRESS": proxy.address, "TEMPORAL_NAMESPACE": namespace, "TEMPORAL_TLS_CLIENT_CERT_PATH": files.certificate,
		"TEMPORAL_TLS_CLIENT_KEY_PATH": files.key, "TEMPORAL_TLS_SERVER_CA_CERT_PATH": files.authority}, nil)
	require.NoError(t, err)
	o.Logger = options("", "").Logger
	c, err := connect.Temporal(t.Context(), o, connect.Wait{Patience: patience})
	require.NoError(t, err)
	t.Cleanup(c.Close)
	ask := func() error {
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		_, err := c.WorkflowService().DescribeNamespace(ctx, &workflowservice.DescribeNamespaceRequest{Namespace: namespace})
		return err
	}

	second := newAuthority(t)
	show(second, net.IPv4(127, 0, 0, 1))
	require.Error(t, ask(), "the server has another authority now, and ours is signed by the first")
	files.write(t, second)
	require.Eventually(t, func() bool { return ask() == nil }, time.Minute, 50*time.Millisecond)

	// It is still the server that it verifies.
	show(second, net.IPv4(127, 0, 0, 2))
	fails := func(reason string) {
		t.Helper()
		require.Eventually(t, func() bool {
			err := ask()
			require.Error(t, err)
			return strings.Contains(err.Error(), reason)
		}, time.Minute, 50*time.Millisecond, reason)
	}
	fails("certificate is valid for 127.0.0.2, not 127.0.0.1")
	other, err := tls.X509KeyPair(newAuthority(t).sign(t, net.IPv4(127, 0, 0, 1)))
	require.NoError(t, err)
	proxy.trust(second, other)
	fails("certificate signed by unknown authority")
	show(second, net.IPv4(127, 0, 0, 1))
	require.NoError(t, os.WriteFile(files.certificate, nil, 0o600))
	require.Eventually(t, func() bool { return ask() == nil }, time.Minute, 50*time.Millisecond, "a file that is being written leaves things as they were")
}

// keyed is a server that lets one key in.
type keyed struct {
	workflowservice.UnimplementedWorkflowServiceServer
	mu  sync.Mutex
	key string
}

func (k *keyed) check(ctx context.Context) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	md, _ := metadata.FromIncomingContext(ctx)
	if got := md.Get("authorization"); len(got) != 1 || got[0] != "Bearer "+k.key {
		return status.Error(codes.Unauthenticated, "wrong key")
	}
	return nil
}

func (k *keyed) GetSystemInfo(context.Context, *workflowservice.GetSystemInfoRequest) (*workflowservice.GetSystemInfoResponse, error) {
	return &workflowservice.GetSystemInfoResponse{}, nil
}

func (k *keyed) DescribeNamespace(ctx context.Context, _ *workflowservice.DescribeNamespaceRequest) (*workflowservice.DescribeNamespaceResponse, error) {
	return &workflowservice.DescribeNamespaceResponse{}, k.check(ctx)
}

func TestTheKeyOfAProfileIsFollowedWhenItIsRenewed(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	service, server := &keyed{key: "one"}, grpc.NewServer()
	workflowservice.RegisterWorkflowServiceServer(server, service)
	go func() { _ = server.Serve(l) }()
	t.Cleanup(server.Stop)
	file := filepath.Join(t.TempDir(), "temporal.toml")
	write := func(key string) {
		text := "[profile.default]\naddress = \"" + l.Addr().String() + "\"\nnamespace = \"shop\"\napi_key = \"" + key + "\"\n[profile.default.tls]\ndisabled = true\n"
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	}
	write("one")
	o, err := connect.TemporalOptions(environment{"TEMPORAL_CONFIG_FILE": file}, nil)
	require.NoError(t, err)
	o.Logger = options("", "").Logger
	c, err := connect.Temporal(t.Context(), o, connect.Wait{Patience: patience})
	require.NoError(t, err)
	t.Cleanup(c.Close)
	ask := func() error {
		_, err := c.WorkflowService().DescribeNamespace(t.Context(), &workflowservice.DescribeNamespaceRequest{Namespace: "shop"})
		return err
	}
	service.mu.Lock()
	service.key = "two"
	service.mu.Unlock()
	require.Error(t, ask())
	write("two")
	require.Eventually(t, func() bool { return ask() == nil }, patience, 50*time.Millisecond)
}

func TestTheEnvironmentIsReadAsTheSDKReadsIt(t *testing.T) {
	t.Parallel()
	for _, env := range []environment{{}, {"TEMPORAL_ADDRESS": "temporal:7233", "TEMPORAL_NAMESPACE": "shop", "TEMPORAL_TLS": "false"}, {"TEMPORAL_API_KEY": "secret"},
		{"TEMPORAL_TLS": "true", "TEMPORAL_TLS_SERVER_NAME": "other"}} {
		want, err := envconfig.LoadClientOptions(envconfig.LoadClientOptionsRequest{EnvLookup: env, DisableFile: true})
		require.NoError(t, err)
		got, err := connect.TemporalOptions(env, nil)
		require.NoError(t, err)
		require.Equal(t, want.HostPort, got.HostPort)
		require.Equal(t, want.Namespace, got.Namespace)
		require.Equal(t, want.Credentials == nil, got.Credentials == nil)
		require.Equal(t, want.ConnectionOptions.TLSDisabled, got.ConnectionOptions.TLSDisabled)
		require.Equal(t, want.ConnectionOptions.TLS, got.ConnectionOptions.TLS, "nothing of it is in files")
	}
	_, err := connect.TemporalOptions(environment{"TEMPORAL_TLS_CLIENT_CERT_PATH": "/nowhere", "TEMPORAL_TLS_CLIENT_KEY_PATH": "/nowhere"}, nil)
	require.Error(t, err)
}

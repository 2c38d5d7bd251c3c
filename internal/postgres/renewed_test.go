package postgres_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"sluice/internal/devstack/devtest"
)

// access serialises the tests' changes of the server's configuration.
var access sync.Mutex

// login creates a role that has to show something, by a line of pg_hba.conf, and returns the URL with it.
func login(t *testing.T, databaseURL, how, method string) (role, asRole string) {
	t.Helper()
	role = "app_" + uuid.NewString()
	access.Lock()
	defer access.Unlock()
	conn, err := pgx.Connect(t.Context(), databaseURL)
	require.NoError(t, err)
	defer func() { _ = conn.Close(context.Background()) }()
	var file string
	require.NoError(t, conn.QueryRow(t.Context(), `SHOW hba_file`).Scan(&file))
	_, err = conn.Exec(t.Context(), "CREATE ROLE "+pgIdentifier(role)+" LOGIN")
	require.NoError(t, err)
	before, err := os.ReadFile(file)
	require.NoError(t, err)
	line := how + " all \"" + role + "\" 127.0.0.1/32 " + method + "\n"
	require.NoError(t, os.WriteFile(file, append([]byte(line), before...), 0o600))
	_, err = conn.Exec(t.Context(), `SELECT pg_reload_conf()`)
	require.NoError(t, err)
	u, err := url.Parse(databaseURL)
	require.NoError(t, err)
	u.User = url.User(role)
	u.Host = net.JoinHostPort("127.0.0.1", u.Port())
	return role, u.String()
}

// end ends the sessions of a role.
func end(t *testing.T, databaseURL, role string) {
	t.Helper()
	admin(t, databaseURL, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '"+role+"'")
}

func TestARenewedPasswordIsReadFromItsFile(t *testing.T) {
	t.Parallel()
	databaseURL := devtest.Postgres(t)
	role, asRole := login(t, databaseURL, "host", "scram-sha-256")
	file := filepath.Join(t.TempDir(), "pgpass")
	renew := func(password string) {
		require.NoError(t, os.WriteFile(file, []byte("127.0.0.1:*:*:"+role+":"+password+"\n"), 0o600))
	}
	change := func(password string) {
		admin(t, databaseURL, "ALTER ROLE "+pgIdentifier(role)+" PASSWORD '"+password+"'")
	}
	change("one")
	renew("one")
	pool := open(t, with(t, asRole, "passfile", file))
	require.Eventually(t, func() bool { return pool.Ping(t.Context()) == nil }, time.Minute, 20*time.Millisecond, "the server takes its new configuration in the background")

	change("two")
	end(t, databaseURL, role)
	require.Eventually(t, func() bool {
		var refused *pgconn.PgError
		return errors.As(pool.Ping(t.Context()), &refused) && refused.Code == "28P01"
	}, time.Minute, 20*time.Millisecond, "the file still has the first")
	renew("two")
	require.NoError(t, pool.Ping(t.Context()))
}

func TestARenewedServiceFileIsRead(t *testing.T) {
	t.Parallel()
	databaseURL := devtest.Postgres(t)
	u, err := url.Parse(databaseURL)
	require.NoError(t, err)
	role, _ := login(t, databaseURL, "host", "scram-sha-256")
	admin(t, databaseURL, "ALTER ROLE "+pgIdentifier(role)+" PASSWORD 'one'")
	file := filepath.Join(t.TempDir(), "services")
	write := func(password string) {
		text := "[shop]\nhost=127.0.0.1\nport=" + u.Port() + "\nuser=" + role + "\npassword=" + password + "\ndbname=" + u.Path[1:] + "\nsslmode=disable\n"
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	}
	write("zero")
	pool := open(t, "servicefile="+file+" service=shop")
	require.Eventually(t, func() bool { return pool.Ping(t.Context()) != nil }, time.Minute, 20*time.Millisecond)
	write("one")
	require.NoError(t, pool.Ping(t.Context()))
}

// identity makes an authority, and a certificate that it has signed.
func identity(t *testing.T, name string) (authority, certificate, key []byte) {
	t.Helper()
	root, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	own, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	of := func(name string) *x509.Certificate {
		return &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	}
	signer, signed := of("authority "+uuid.NewString()), of(name)
	signer.IsCA, signer.BasicConstraintsValid, signer.KeyUsage = true, true, x509.KeyUsageCertSign
	signed.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)}
	signed.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	rootDER, err := x509.CreateCertificate(rand.Reader, signer, signer, root.Public(), root)
	require.NoError(t, err)
	der, err := x509.CreateCertificate(rand.Reader, signed, signer, own.Public(), root)
	require.NoError(t, err)
	encoded, err := x509.MarshalPKCS8PrivateKey(own)
	require.NoError(t, err)
	block := func(kind string, der []byte) []byte { return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}) }
	return block("CERTIFICATE", rootDER), block("CERTIFICATE", der), block("PRIVATE KEY", encoded)
}

// The server shows a certificate, and so does the client; both get others, of another authority.
func TestRenewedCertificatesAreFollowed(t *testing.T) {
	t.Parallel()
	databaseURL := devtest.Postgres(t)
	role, asRole := login(t, databaseURL, "hostssl", "cert")
	dir := t.TempDir()
	ofClient := func(name string) string { return filepath.Join(dir, name) }
	var data string
	conn, err := pgx.Connect(t.Context(), databaseURL)
	require.NoError(t, err)
	require.NoError(t, conn.QueryRow(t.Context(), `SHOW data_directory`).Scan(&data))
	require.NoError(t, conn.Close(t.Context()))
	write := func(path string, content []byte) {
		require.NoError(t, os.WriteFile(path, content, 0o600))
		if info, err := os.Stat(data); os.Geteuid() == 0 && err == nil && filepath.Dir(path) == data {
			owner := info.Sys().(*syscall.Stat_t)
			require.NoError(t, os.Chown(path, int(owner.Uid), int(owner.Gid)))
		}
	}
	server := func() (forClient func()) {
		authority, certificate, key := identity(t, "postgres")
		clients, ours, ourKey := identity(t, role)
		write(filepath.Join(data, "test.crt"), certificate)
		write(filepath.Join(data, "test.key"), key)
		write(filepath.Join(data, "test-clients.crt"), clients)
		admin(t, databaseURL, "ALTER SYSTEM SET ssl_cert_file TO 'test.crt'", "ALTER SYSTEM SET ssl_key_file TO 'test.key'",
			"ALTER SYSTEM SET ssl_ca_file TO 'test-clients.crt'", "ALTER SYSTEM SET ssl TO on", "SELECT pg_reload_conf()")
		return func() {
			write(ofClient("server-authority.crt"), authority)
			write(ofClient("client.crt"), ours)
			write(ofClient("client.key"), ourKey)
		}
	}
	server()()
	secure := with(t, with(t, with(t, with(t, asRole, "sslmode", "verify-full"), "sslrootcert", ofClient("server-authority.crt")), "sslcert", ofClient("client.crt")),
		"sslkey", ofClient("client.key"))
	pool := open(t, secure)
	require.Eventually(t, func() bool { return pool.Ping(t.Context()) == nil }, time.Minute, 20*time.Millisecond)

	renew := server()
	require.Eventually(t, func() bool {
		end(t, databaseURL, role)
		return pool.Ping(t.Context()) != nil
	}, time.Minute, 50*time.Millisecond, "the server has another authority now, and ours is of the first")
	renew()
	require.Eventually(t, func() bool { return pool.Ping(t.Context()) == nil }, time.Minute, 20*time.Millisecond)
}

package connect_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"

	"sluice/internal/connect"
	"sluice/internal/devstack/devtest"
)

func TestMain(m *testing.M) { devtest.Main(m) }

// notices collects what the user would see while waiting.
type notices struct {
	mu  sync.Mutex
	all []string
}

func (n *notices) add(message string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.all = append(n.all, message)
}

// closedPort is an address that refuses connections.
func closedPort(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, listener.Close())
	return listener.Addr().String()
}

func requireError(t *testing.T, err error) *connect.Error {
	t.Helper()
	var failed *connect.Error
	require.ErrorAs(t, err, &failed)
	return failed
}

func options(address, namespace string) client.Options {
	return client.Options{HostPort: address, Namespace: namespace, Logger: log.NewStructuredLogger(slog.New(slog.DiscardHandler))}
}

func TestPostgres(t *testing.T) {
	t.Parallel()
	pool, err := connect.Postgres(t.Context(), devtest.Postgres(t), connect.Wait{}, nil)
	require.NoError(t, err)
	defer pool.Close()
	require.NoError(t, pool.Ping(t.Context()))
}

func TestPostgresIsWaitedFor(t *testing.T) {
	t.Parallel()
	target, err := url.Parse(devtest.Postgres(t))
	require.NoError(t, err)
	server, address := target.Host, closedPort(t)
	target.Host = address
	var heard notices
	wait := connect.Wait{Patience: 30 * time.Second, Notify: func(message string) {
		heard.add(message)
		go forward(t, address, server) // the server comes up once the wait has begun
	}}
	pool, err := connect.Postgres(t.Context(), target.String(), wait, nil)
	require.NoError(t, err)
	pool.Close()
	require.Equal(t, []string{"waiting for Postgres at " + address + ": connection refused"}, heard.all)
}

func TestPostgresThatNeverComes(t *testing.T) {
	t.Parallel()
	address := closedPort(t)
	started := time.Now()
	_, err := connect.Postgres(t.Context(), "postgres://me:s3cret@"+address+"/db", connect.Wait{Patience: 300 * time.Millisecond}, nil)
	require.Equal(t, "connection refused", requireError(t, err).Reason)
	require.EqualError(t, err, "cannot use Postgres at "+address+": connection refused; is it running, and is DATABASE_URL right?")
	require.Less(t, time.Since(started), 30*time.Second)
}

func TestPostgresFailsAtOnceWhenWaitingCannotHelp(t *testing.T) {
	t.Parallel()
	server, err := url.Parse(devtest.Postgres(t))
	require.NoError(t, err)
	for name, c := range map[string]struct{ url, reason string }{
		"no such database":     {"postgres://postgres:s3cret@" + server.Host + "/nowhere", `database "nowhere" does not exist`},
		"no such role":         {"postgres://nobody-here:s3cret@" + server.Host + "/postgres", `nobody-here`},
		"no port":              {"postgres://me:s3cret@localhost:port/db", "the database URL is malformed"},
		"unescaped password":   {"postgres://me:s3cret#%zz@localhost/db", "the database URL is malformed"},
		"hash in the password": {"postgres://me:s3cret#x@localhost/db", "the database URL is malformed"},
		"no URL":               {"s3cret", "the database URL is malformed"},
		"bad sslmode":          {"postgres://me:s3cret@localhost/db?sslmode=perhaps", "sslmode is invalid"},
		"unknown setting":      {"postgres://postgres:s3cret@" + server.Host + "/postgres?pool_max_cons=5", "pool_max_cons"},
		"bad setting":          {"postgres://postgres:s3cret@" + server.Host + "/postgres?statement_timeout=soon", "statement_timeout"},
		"no TLS":               {"postgres://postgres:s3cret@" + server.Host + "/postgres?sslmode=require", "server refused TLS connection"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			started := time.Now()
			_, err := connect.Postgres(t.Context(), c.url, connect.Wait{Patience: time.Minute}, nil)
			require.Contains(t, requireError(t, err).Reason, c.reason)
			require.NotContains(t, err.Error(), "s3cret")
			require.Contains(t, err.Error(), "DATABASE_URL")
			require.Less(t, time.Since(started), 20*time.Second, "it was retried")
		})
	}
}

func TestCancelledWaitIsNoServerError(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	wait := connect.Wait{Patience: time.Minute, Notify: func(string) { cancel() }}
	_, err := connect.Postgres(ctx, "postgres://me@"+closedPort(t)+"/db", wait, nil)
	require.Error(t, err)
	_, err = connect.Temporal(ctx, options(closedPort(t), "default"), wait)
	require.ErrorIs(t, err, context.Canceled)
}

func TestTemporal(t *testing.T) {
	t.Parallel()
	address, namespace := devtest.Temporal(t, nil)
	c, err := connect.Temporal(t.Context(), options(address, namespace), connect.Wait{})
	require.NoError(t, err)
	c.Close()
}

func TestTemporalIsWaitedFor(t *testing.T) {
	t.Parallel()
	server, namespace := devtest.Temporal(t, nil)
	address := closedPort(t)
	var heard notices
	wait := connect.Wait{Patience: 30 * time.Second, Notify: func(message string) {
		heard.add(message)
		go forward(t, address, server)
	}}
	c, err := connect.Temporal(t.Context(), options(address, namespace), wait)
	require.NoError(t, err)
	c.Close()
	require.Equal(t, []string{"waiting for Temporal at " + address + ": connection refused"}, heard.all)
}

func TestTemporalThatNeverComes(t *testing.T) {
	t.Parallel()
	address := closedPort(t)
	_, err := connect.Temporal(t.Context(), options(address, "default"), connect.Wait{Patience: 300 * time.Millisecond})
	require.EqualError(t, err, "cannot use Temporal at "+address+": connection refused; is it running, and is TEMPORAL_ADDRESS right?")
}

func TestTemporalNamespaceMustExist(t *testing.T) {
	t.Parallel()
	address, _ := devtest.Temporal(t, nil)
	_, err := connect.Temporal(t.Context(), options(address, "nowhere"), connect.Wait{Patience: time.Minute})
	failed := requireError(t, err)
	require.Equal(t, `namespace "nowhere" does not exist`, failed.Reason)
	require.Contains(t, failed.Remedy, "temporal operator namespace create --address "+address+" --namespace nowhere")
}

func TestTemporalTLSMismatch(t *testing.T) {
	t.Parallel()
	address, namespace := devtest.Temporal(t, nil)
	withTLS := options(address, namespace)
	withTLS.Credentials = client.NewAPIKeyStaticCredentials("s3cret") // implies TLS
	withTLS.ConnectionOptions.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	_, err := connect.Temporal(t.Context(), withTLS, connect.Wait{Patience: time.Minute})
	require.Equal(t, "the server does not speak TLS", requireError(t, err).Reason)
	require.NotContains(t, err.Error(), "s3cret")
}

func TestTemporalIsSomethingElse(t *testing.T) {
	t.Parallel()
	target, err := url.Parse(devtest.Postgres(t))
	require.NoError(t, err)
	_, err = connect.Temporal(t.Context(), options(target.Host, "default"), connect.Wait{Patience: 200 * time.Millisecond})
	requireError(t, err)
	require.Contains(t, err.Error(), "TEMPORAL_ADDRESS")
}

// forward serves address by passing everything on to the server, until the test ends.
func forward(t *testing.T, address, server string) {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return // a second notice: it is served already
	}
	t.Cleanup(func() { _ = listener.Close() })
	for {
		in, err := listener.Accept()
		if err != nil {
			return
		}
		out, err := net.Dial("tcp", server)
		if err != nil {
			_ = in.Close()
			continue
		}
		go func() { _, _ = io.Copy(out, in); _ = out.Close() }()
		go func() { _, _ = io.Copy(in, out); _ = in.Close() }()
	}
}

func TestReasonIsOneLine(t *testing.T) {
	t.Parallel()
	require.NoError(t, connect.Reason(nil))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	pool, err := pgxpool.New(ctx, "postgres://me:s3cret@"+closedPort(t)+"/db")
	require.NoError(t, err)
	defer pool.Close()
	require.EqualError(t, connect.Reason(pool.Ping(ctx)), "connection refused")
	lazy, err := client.NewLazyClient(options(closedPort(t), "default"))
	require.NoError(t, err)
	defer lazy.Close()
	_, err = lazy.CheckHealth(ctx, &client.CheckHealthRequest{})
	require.EqualError(t, connect.Reason(err), "connection refused")
	require.EqualError(t, connect.Reason(fmt.Errorf("ask: %w", context.DeadlineExceeded)), "no answer in time")
	require.EqualError(t, connect.Reason(&pgconn.PgError{Message: "the database system is starting up"}), "the database system is starting up")
}

package connect_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"

	"sluice/internal/chaos/cluster"
	"sluice/internal/connect"
	"sluice/internal/devstack/devtest"
)

func TestMain(m *testing.M) { devtest.Main(m) }

const (
	patience = 2 * time.Minute // for a busy machine; what goes well does not wait
	briefly  = 3 * time.Second // for what never comes: a single attempt has time enough to be refused
)

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

// port is one of this machine that nobody else can take. It refuses connections until it is opened.
type port struct {
	address string
	socket  *os.File
	opened  atomic.Bool
}

func newPort(t *testing.T) *port {
	t.Helper()
	socket, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	require.NoError(t, err)
	syscall.CloseOnExec(socket)
	p := &port{socket: os.NewFile(uintptr(socket), "port")}
	t.Cleanup(func() { _ = p.socket.Close() })
	require.NoError(t, syscall.Bind(socket, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}))
	bound, err := syscall.Getsockname(socket)
	require.NoError(t, err)
	p.address = fmt.Sprintf("127.0.0.1:%d", bound.(*syscall.SockaddrInet4).Port)
	return p
}

// closedPort is an address that refuses connections.
func closedPort(t *testing.T) string {
	t.Helper()
	return newPort(t).address
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
	pool, err := connect.Postgres(t.Context(), devtest.Postgres(t), connect.Wait{Patience: patience}, nil)
	require.NoError(t, err)
	defer pool.Close()
	require.NoError(t, pool.Ping(t.Context()))
}

func TestPostgresIsWaitedFor(t *testing.T) {
	t.Parallel()
	target, err := url.Parse(devtest.Postgres(t))
	require.NoError(t, err)
	server, at := target.Host, newPort(t)
	target.Host = at.address
	var heard notices
	wait := connect.Wait{Patience: patience, Notify: func(message string) {
		heard.add(message)
		at.forward(t, server) // the server comes up once the wait has begun
	}}
	pool, err := connect.Postgres(t.Context(), target.String(), wait, nil)
	require.NoError(t, err)
	pool.Close()
	require.Equal(t, "waiting for Postgres at "+at.address+": connection refused", heard.all[0])
}

func TestPostgresThatNeverComes(t *testing.T) {
	t.Parallel()
	address := closedPort(t)
	started := time.Now()
	_, err := connect.Postgres(t.Context(), "postgres://me:s3cret@"+address+"/db", connect.Wait{Patience: briefly}, nil)
	require.Equal(t, "connection refused", requireError(t, err).Reason)
	require.EqualError(t, err, "cannot use Postgres at "+address+": connection refused; is it running, and is DATABASE_URL right?")
	require.Less(t, time.Since(started), 30*time.Second)
}

func TestPostgresWithoutAConnectionLeftSaysWhereTheLimitIs(t *testing.T) {
	t.Parallel()
	server := devtest.Postgres(t)
	admin, err := pgx.Connect(t.Context(), server)
	require.NoError(t, err)
	defer func() { _ = admin.Close(context.WithoutCancel(t.Context())) }()
	_, err = admin.Exec(t.Context(), `CREATE ROLE many_to_one LOGIN CONNECTION LIMIT 0`)
	require.NoError(t, err)
	defer func() { _, _ = admin.Exec(context.WithoutCancel(t.Context()), `DROP ROLE many_to_one`) }()
	at, err := url.Parse(server)
	require.NoError(t, err)
	at.User = url.User("many_to_one")
	_, err = connect.Postgres(t.Context(), at.String(), connect.Wait{}, nil)
	require.Equal(t, `too many connections for role "many_to_one"`, requireError(t, err).Reason)
	require.Contains(t, requireError(t, err).Remedy, "CONNECTION LIMIT")
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
		"no URL":               {"s3cret", "the database URL is malformed"},
		"bad sslmode":          {"postgres://me:s3cret@localhost/db?sslmode=perhaps", "sslmode is invalid"},
		"unknown setting":      {"postgres://postgres:s3cret@" + server.Host + "/postgres?pool_max_cons=5", "pool_max_cons"},
		"bad setting":          {"postgres://postgres:s3cret@" + server.Host + "/postgres?statement_timeout=soon", "statement_timeout"},
		"several servers":      {"postgres://postgres:s3cret@" + server.Host + "," + server.Host + "/nowhere", `database "nowhere" does not exist`},
		"hash in the password": {"postgres://postgres:s3cret#x@" + server.Host + "/nowhere", `database "nowhere" does not exist`},
		"no TLS":               {"postgres://postgres:s3cret@" + server.Host + "/postgres?sslmode=require", "server refused TLS connection"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			started := time.Now()
			_, err := connect.Postgres(t.Context(), c.url, connect.Wait{Patience: patience}, nil)
			require.Contains(t, requireError(t, err).Reason, c.reason)
			require.NotContains(t, err.Error(), "s3cret")
			require.Contains(t, err.Error(), "DATABASE_URL")
			require.Less(t, time.Since(started), patience/2, "it was retried")
		})
	}
}

func TestCancelledWaitIsNoServerError(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	wait := connect.Wait{Patience: patience, Notify: func(string) { cancel() }}
	_, err := connect.Postgres(ctx, "postgres://me@"+closedPort(t)+"/db", wait, nil)
	require.Error(t, err)
	_, err = connect.Temporal(ctx, options(closedPort(t), "default"), wait)
	require.ErrorIs(t, err, context.Canceled)
}

func TestTemporal(t *testing.T) {
	t.Parallel()
	address, namespace := devtest.Temporal(t, nil)
	c, err := connect.Temporal(t.Context(), options(address, namespace), connect.Wait{Patience: patience})
	require.NoError(t, err)
	c.Close()
}

func TestWorkflowsWhoseIDsAreNotASCIIAreReached(t *testing.T) {
	t.Parallel()
	address, namespace := devtest.Temporal(t, nil)
	c, err := connect.Temporal(t.Context(), options(address, namespace), connect.Wait{Patience: patience})
	require.NoError(t, err)
	defer c.Close()
	const id = "Überweisung-注文-1"
	_, err = c.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: id, TaskQueue: "nobody-serves-it"}, "Transfer")
	require.NoError(t, err)
	described, err := c.DescribeWorkflowExecution(t.Context(), id, "")
	require.NoError(t, err)
	require.Equal(t, id, described.GetWorkflowExecutionInfo().GetExecution().GetWorkflowId())
	require.NoError(t, c.TerminateWorkflow(t.Context(), id, "", ""))
}

func TestOnlyTemporalIsBelievedThatAWorkflowIsNotFound(t *testing.T) {
	t.Parallel()
	address, namespace := devtest.Temporal(t, nil)
	proxy, err := cluster.NewProxy(address)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, proxy.Close()) })
	c, err := connect.Temporal(t.Context(), options(proxy.Address, namespace), connect.Wait{Patience: patience})
	require.NoError(t, err)
	defer c.Close()
	_, err = c.DescribeWorkflowExecution(t.Context(), "nothing-of-this-id", "")
	require.ErrorAs(t, err, new(*serviceerror.NotFound))
	asked := make(chan struct{}, 1000)
	proxy.Answer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/grpc")
		w.Header().Set("Grpc-Status", "5")
		w.Header().Set("Grpc-Message", "no route")
		asked <- struct{}{}
	}))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	answered := make(chan error, 1)
	go func() {
		_, err := c.DescribeWorkflowExecution(ctx, "nothing-of-this-id", "")
		answered <- err
	}()
	for range 3 { // it is asked again and again
		select {
		case <-asked:
		case err := <-answered:
			require.FailNow(t, "a proxy was believed", "%v", err)
		}
	}
	proxy.Heal()
	err = <-answered
	require.ErrorAs(t, err, new(*serviceerror.NotFound))
	require.NotContains(t, err.Error(), "no route")
}

func TestTemporalIsWaitedFor(t *testing.T) {
	t.Parallel()
	server, namespace := devtest.Temporal(t, nil)
	at := newPort(t)
	var heard notices
	wait := connect.Wait{Patience: patience, Notify: func(message string) {
		heard.add(message)
		at.forward(t, server)
	}}
	c, err := connect.Temporal(t.Context(), options(at.address, namespace), wait)
	require.NoError(t, err)
	c.Close()
	require.Equal(t, "waiting for Temporal at "+at.address+": connection refused", heard.all[0])
}

func TestTemporalThatNeverComes(t *testing.T) {
	t.Parallel()
	address := closedPort(t)
	_, err := connect.Temporal(t.Context(), options(address, "default"), connect.Wait{Patience: briefly})
	require.EqualError(t, err, "cannot use Temporal at "+address+": connection refused; is it running, and is TEMPORAL_ADDRESS right?")
}

func TestTemporalNamespaceMustExist(t *testing.T) {
	t.Parallel()
	address, _ := devtest.Temporal(t, nil)
	_, err := connect.Temporal(t.Context(), options(address, "nowhere"), connect.Wait{Patience: patience})
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
	_, err := connect.Temporal(t.Context(), withTLS, connect.Wait{Patience: patience})
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

// forward opens the port, and passes everything on to the server until the test ends. The second time it does nothing.
func (p *port) forward(t *testing.T, server string) {
	if p.opened.Swap(true) {
		return
	}
	require.NoError(t, syscall.Listen(int(p.socket.Fd()), 128))
	listener, err := net.FileListener(p.socket) // of a copy
	require.NoError(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
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
	}()
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

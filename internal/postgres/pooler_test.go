package postgres_test

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"sluice/internal/devstack/devtest"
	"sluice/internal/postgres"
)

// pooler puts PgBouncer before a database and returns the URL of that.
func pooler(t *testing.T, databaseURL string, settings ...string) string {
	t.Helper()
	binary, err := exec.LookPath("pgbouncer")
	if err != nil {
		if binary, err = exec.LookPath("/usr/sbin/pgbouncer"); err != nil {
			t.Skip("there is no pgbouncer on this machine")
		}
	}
	u, err := url.Parse(databaseURL)
	require.NoError(t, err)
	dir := t.TempDir()
	for at := dir; at != os.TempDir() && at != "/"; at = filepath.Dir(at) {
		require.NoError(t, os.Chmod(at, 0o755)) // it gives root away
	}
	users := filepath.Join(dir, "users")
	require.NoError(t, os.WriteFile(users, []byte(fmt.Sprintf("%q \"\"\n", u.User.Username())), 0o644))
	for range 5 { // the port may be taken by another before it is there
		if through := startPooler(t, binary, dir, users, *u, settings); through != "" {
			return through
		}
	}
	require.FailNow(t, "pgbouncer does not start")
	return ""
}

// startPooler returns the URL of a pooler, or "" if it has ended.
func startPooler(t *testing.T, binary, dir, users string, u url.URL, settings []string) string {
	t.Helper()
	port, config := freePort(t), filepath.Join(dir, "pgbouncer.ini")
	text := fmt.Sprintf("[databases]\n* = host=%s port=%s\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = %s\nunix_socket_dir =\nauth_type = trust\nauth_file = %s\n",
		u.Hostname(), u.Port(), port, users)
	for _, s := range settings {
		text += s + "\n"
	}
	require.NoError(t, os.WriteFile(config, []byte(text), 0o644))
	args := []string{"-q", config}
	if os.Geteuid() == 0 {
		args = append([]string{"-u", "nobody"}, args...)
	}
	command := exec.Command(binary, args...)
	require.NoError(t, command.Start())
	ended := make(chan struct{})
	go func() { _ = command.Wait(); close(ended) }()
	t.Cleanup(func() { _ = command.Process.Kill(); <-ended })
	u.Host = net.JoinHostPort("127.0.0.1", port)
	over := false
	require.Eventually(t, func() bool {
		select {
		case <-ended:
			over = true
			return true
		default:
		}
		conn, err := pgx.Connect(t.Context(), u.String())
		if err != nil {
			return false
		}
		return conn.Close(context.Background()) == nil
	}, time.Minute, 20*time.Millisecond)
	if over {
		return ""
	}
	return u.String()
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { _ = l.Close() }()
	return strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
}

func TestAPoolerInSessionModeIsAsGoodAsTheServer(t *testing.T) {
	t.Parallel()
	databaseURL := devtest.Postgres(t)
	admin(t, databaseURL, "ALTER DATABASE :database SET default_transaction_isolation TO serializable")
	pool := open(t, with(t, pooler(t, databaseURL, "pool_mode = session", "default_pool_size = 5"), "pool_max_conns", "4"))
	for range 4 { // the later ones are on connections that others have had
		require.Equal(t, "read committed", setting(t, pool, "default_transaction_isolation"))
		pool.Reset()
	}
}

// Not every pooler resets a session before it gives it to the next client.
func TestWhatTheClientBeforeHasLeftBehindAPoolerDoesNotCount(t *testing.T) {
	t.Parallel()
	databaseURL := devtest.Postgres(t)
	through := with(t, pooler(t, databaseURL, "pool_mode = session", "server_reset_query ="), "pool_max_conns", "1")
	for range 3 {
		pool := open(t, through)
		var locked bool
		require.NoError(t, pool.QueryRow(t.Context(), `SELECT pg_try_advisory_lock(1)`).Scan(&locked), "a prepared statement is its own")
		require.True(t, locked)
		var held int
		require.NoError(t, pool.QueryRow(t.Context(), `SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()`).Scan(&held))
		require.Equal(t, 1, held)
		pool.Close()
	}
}

func TestAPoolerThatKeepsNoSessionsIsRefused(t *testing.T) {
	t.Parallel()
	for name, settings := range map[string][]string{
		"transaction":              {"pool_mode = transaction"},
		"one connection":           {"pool_mode = transaction", "default_pool_size = 1"},
		"round robin":              {"pool_mode = transaction", "server_round_robin = 1", "min_pool_size = 3"},
		"statement":                {"pool_mode = statement"},
		"for the role, in between": {"pool_mode = transaction", "default_pool_size = 20", "min_pool_size = 5"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			databaseURL := devtest.Postgres(t)
			through := pooler(t, databaseURL, settings...)
			began := time.Now()
			err := open(t, through).Ping(t.Context())
			var refusal *postgres.Refusal
			require.ErrorAs(t, err, &refusal)
			require.Contains(t, refusal.Remedy, "pool_mode = session")
			require.Less(t, time.Since(began), time.Minute)

			// Nothing was set on the server connections that others get next.
			config, err := pgx.ParseConfig(through)
			require.NoError(t, err)
			config.DefaultQueryExecMode = pgx.QueryExecModeSimpleProtocol
			other, err := pgx.ConnectConfig(t.Context(), config)
			require.NoError(t, err)
			defer func() { _ = other.Close(context.Background()) }()
			var zone, boot string
			require.NoError(t, other.QueryRow(t.Context(), `SELECT setting, reset_val FROM pg_settings WHERE name = 'TimeZone'`).Scan(&zone, &boot))
			require.Equal(t, boot, zone)
		})
	}
}

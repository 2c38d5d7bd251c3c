package alive

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

const (
	// silence is how long an answer may take before Postgres is asked about it.
	silence = 3 * time.Second
	// connectTimeout is for one attempt to connect, where the URL does not say otherwise.
	connectTimeout = 5 * time.Second
	// farewell is how long pgx may take to say goodbye on a connection that it gives up; it holds a place in the pool for so long.
	farewell = time.Second
)

// ErrLost ends a wait for an answer of Postgres that will not come.
var ErrLost error = lostError{}

// lostError is a timeout: of another error pgx keeps only that the connection is closed.
type lostError struct{}

func (lostError) Error() string {
	return "the connection to Postgres is lost: no answer, and the server does not work on one"
}
func (lostError) Timeout() bool   { return true }
func (lostError) Temporary() bool { return false }

// Watch has the connections of a pool watched that is made with this configuration. The pool is passed to the returned function
// when it has been made. It replaces the configuration's DialFunc and adds to its AfterConnect.
func Watch(config *pgxpool.Config) func(*pgxpool.Pool) {
	w := &watch{config: config, inquiry: inquiry{late: map[*session]bool{}}}
	cc := config.ConnConfig
	if cc.ConnectTimeout == 0 {
		cc.ConnectTimeout = connectTimeout
	}
	dial := cc.DialFunc
	cc.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return w.session(conn), nil
	}
	w.dial = dial
	after := config.AfterConnect
	config.AfterConnect = func(ctx context.Context, conn *pgx.Conn) error {
		if err := introduce(ctx, conn); err != nil || after == nil {
			return err
		}
		return after(ctx, conn)
	}
	return func(pool *pgxpool.Pool) { w.pool.Store(pool) }
}

// watch is the watch over the connections of one pool.
type watch struct {
	config *pgxpool.Config
	dial   pgconn.DialFunc
	pool   atomic.Pointer[pgxpool.Pool]

	inquiry
}

// session is one connection of the pool.
type session struct {
	net.Conn
	watch *watch
	timer *time.Timer
	reads atomic.Uint64 // odd while a read waits
	since atomic.Int64  // when the last one began, in Unix nanoseconds
	lost  atomic.Bool
	known atomic.Pointer[backend] // nil while it connects
}

// backend names a session in pg_stat_activity.
type backend struct {
	pid   int32
	start time.Time
}

func (w *watch) session(conn net.Conn) *session {
	s := &session{Conn: conn, watch: w}
	s.timer = time.AfterFunc(time.Hour, func() { w.inquire(s) })
	s.timer.Stop()
	return s
}

// introduceSQL tells how a session is called there. It sets nothing for longer: a pooler may give the server connection to somebody else next.
// A session that acts as another role than it has logged in as (ALTER ROLE … SET role) is not shown itself. The timeout of its role must not end the query.
const introduceSQL = `SET LOCAL statement_timeout = 0; SET LOCAL ROLE NONE;
	SELECT pid, to_char(backend_start AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US') FROM pg_stat_activity WHERE pid = pg_backend_pid()`

// introduce works in a session of any settings: pgx would refuse to send the statement where the role has another encoding.
func introduce(ctx context.Context, conn *pgx.Conn) error {
	results, err := conn.PgConn().Exec(ctx, introduceSQL).ReadAll()
	if err != nil {
		return fmt.Errorf("introduce a session: %w", err)
	}
	if len(results) != 3 || len(results[2].Rows) != 1 {
		return errors.New("introduce a session: the server does not know it")
	}
	row := results[2].Rows[0]
	pid, err := strconv.ParseInt(string(row[0]), 10, 32)
	if err != nil {
		return fmt.Errorf("read the id of the server's process: %w", err)
	}
	start, err := time.Parse("2006-01-02 15:04:05.000000", string(row[1]))
	if err != nil {
		return fmt.Errorf("read when the session began: %w", err)
	}
	if s := sessionOf(conn.PgConn().Conn()); s != nil {
		s.known.Store(&backend{pid: int32(pid), start: start})
	}
	return nil
}

// sessionOf finds the session below TLS.
func sessionOf(conn net.Conn) *session {
	for {
		switch c := conn.(type) {
		case *session:
			return c
		case interface{ NetConn() net.Conn }:
			conn = c.NetConn()
		default:
			return nil
		}
	}
}

// Read waits for an answer, and has it inquired about if it does not come.
func (s *session) Read(p []byte) (int, error) {
	s.since.Store(time.Now().UnixNano())
	s.reads.Add(1)
	s.timer.Reset(silence)
	n, err := s.Conn.Read(p)
	s.timer.Stop()
	s.reads.Add(1)
	if err != nil && s.lost.Load() {
		err = ErrLost
	}
	return n, err
}

// Close ends the connection.
func (s *session) Close() error {
	s.timer.Stop()
	return s.Conn.Close()
}

// SetDeadline shortens the only deadline in the future that pgx sets, for its farewell.
func (s *session) SetDeadline(t time.Time) error {
	if !t.IsZero() && time.Until(t) > farewell {
		t = time.Now().Add(farewell)
	}
	return s.Conn.SetDeadline(t)
}

package alive

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

const (
	// inquiryTimeout bounds an inquiry. Where Postgres gives no answer to that either, silent connections are lost after the
	// second one in vain: it may have too much to do for a new connection just now.
	inquiryTimeout = 3 * time.Second
	unreachable    = 2 * (silence + inquiryTimeout)
	// patience is for connections of which Postgres can be reached and cannot tell.
	patience = 30 * time.Second
	// underWay is how long the last of an answer may be on its way when Postgres says that it is done.
	underWay = 500 * time.Millisecond
)

// inquiry asks Postgres about several silent sessions at once: when it is slow, all may be.
type inquiry struct {
	mu      sync.Mutex
	late    map[*session]bool // to be asked about
	running bool
}

// waiting is a session whose read was waiting when the inquiry about it began.
type waiting struct {
	*session
	read  uint64
	since time.Time
}

// goesOn tells whether the same read still waits.
func (w waiting) goesOn() bool { return w.reads.Load() == w.read }

// inquire has Postgres asked about a silent session.
func (w *watch) inquire(s *session) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if s.known.Load() == nil {
		return // it connects, which has a timeout of its own
	}
	w.late[s] = true
	if !w.running {
		w.running = true
		go w.inquireAll()
	}
}

// inquireAll goes on until nothing is silent any more that nobody has asked about.
func (w *watch) inquireAll() {
	for {
		w.mu.Lock()
		var all []waiting
		for s := range w.late {
			if read := s.reads.Load(); read%2 == 1 {
				all = append(all, waiting{s, read, time.Unix(0, s.since.Load())})
			}
		}
		clear(w.late)
		w.running = len(all) > 0
		w.mu.Unlock()
		if len(all) == 0 {
			return
		}
		w.judge(all)
	}
}

// judge ends the sessions that are lost, and has the others asked about again if their silence lasts.
func (w *watch) judge(all []waiting) {
	ctx, cancel := context.WithTimeout(context.Background(), inquiryTimeout+underWay)
	defer cancel()
	conn, lost := w.lost(ctx, all)
	if conn != nil {
		defer func() { _ = conn.Close(ctx) }()
	}
	if len(lost) > 0 {
		time.Sleep(underWay)
	}
	found := false
	for i, s := range all {
		if !s.goesOn() {
			continue
		}
		if !lost[i] {
			s.timer.Reset(silence)
			continue
		}
		found = true
		s.session.lost.Store(true)
		_ = s.Conn.Close()
		if conn != nil {
			_, _ = conn.Exec(ctx, releaseSQL, s.known.Load().pid, s.known.Load().start)
		}
	}
	if pool := w.pool.Load(); found && pool != nil {
		pool.Reset() // idle connections were lost with it, as a rule, and are found out one at a time
	}
}

// doneSQL are the sessions that Postgres does not work for: it does not know them, waits for their next statement, or waits for
// them to take what it sends.
const doneSQL = `SELECT s.n FROM unnest($1::int[], $2::timestamptz[]) WITH ORDINALITY AS s (pid, start, n)
LEFT JOIN pg_stat_activity a ON a.pid = s.pid AND a.backend_start = s.start
WHERE a.pid IS NULL OR a.state LIKE 'idle%' OR a.wait_event_type = 'Client'`

// releaseSQL ends a lost session, and with it its transaction and its locks.
const releaseSQL = `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = $1 AND backend_start = $2`

// lost returns which sessions are, and the connection on which that was asked.
func (w *watch) lost(ctx context.Context, all []waiting) (*pgx.Conn, map[int]bool) {
	lost := map[int]bool{}
	conn, err := w.connect(ctx)
	if err == nil {
		pids, starts := make([]int32, len(all)), make([]time.Time, len(all))
		for i, s := range all {
			pids[i], starts[i] = s.known.Load().pid, s.known.Load().start
		}
		var done []int
		rows, _ := conn.Query(ctx, doneSQL, pids, starts)
		if done, err = pgx.CollectRows(rows, pgx.RowTo[int]); err == nil {
			for _, n := range done {
				lost[n-1] = true
			}
			return conn, lost
		}
		_ = conn.Close(ctx)
	}
	var refused *pgconn.PgError
	var late time.Duration // refused, or reset: nobody is there
	switch {
	case errors.As(err, &refused) && refused.Code != "57P03": // cannot_connect_now: it starts, so nothing is left of the sessions
		late = patience
	case ctx.Err() != nil || pgconn.Timeout(err):
		late = unreachable - underWay
	}
	for i, s := range all {
		lost[i] = time.Since(s.since) >= late
	}
	return nil, lost
}

// connect opens a connection beside the pool, as the pool would. It acts as the role that has logged in, which may see and end sessions of its own.
func (w *watch) connect(ctx context.Context) (*pgx.Conn, error) {
	config := w.config.ConnConfig.Copy()
	config.DialFunc = w.dial
	config.ConnectTimeout = min(config.ConnectTimeout, inquiryTimeout) // of each host
	if before := w.config.BeforeConnect; before != nil {
		if err := before(ctx, config); err != nil {
			return nil, err
		}
	}
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return nil, err
	}
	if _, err := conn.Exec(ctx, `SET ROLE NONE`); err != nil {
		_ = conn.Close(ctx)
		return nil, err
	}
	return conn, nil
}

package queue

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// auditLock is the advisory lock of the one process that audits.
const auditLock = 0x51_1ce_a0d

// AuditTurn is the right to audit a database regularly. One process at most has it, until it releases it or its
// session ends. It holds one connection of the pool.
type AuditTurn struct {
	conn *pgxpool.Conn
}

// TakeAuditTurn returns the turn, or nil while another process has it.
func (q *Queue) TakeAuditTurn(ctx context.Context) (*AuditTurn, error) {
	conn, err := q.pool.Acquire(ctx)
	if err != nil {
		return nil, wrap(err, "take the turn to audit")
	}
	var taken bool
	err = conn.QueryRow(ctx, `SELECT pg_try_advisory_lock($1)`, int64(auditLock)).Scan(&taken)
	if err != nil || !taken {
		conn.Release()
		return nil, wrap(err, "take the turn to audit")
	}
	return &AuditTurn{conn}, nil
}

// Held returns nil while the turn is still ours: the session that took it lives.
func (t *AuditTurn) Held(ctx context.Context) error {
	return wrap(t.conn.Ping(ctx), "hold the turn to audit")
}

// Release gives the turn back. It takes a second at most, also when Postgres is away.
func (t *AuditTurn) Release() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if _, err := t.conn.Exec(ctx, `SELECT pg_advisory_unlock($1)`, int64(auditLock)); err != nil {
		_ = t.conn.Conn().Close(ctx) // the lock ends with the session
	}
	t.conn.Release()
}

package facts

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"sluice/internal/store"
)

// auditLock is the number of the advisory lock.
const auditLock = 0x51_1ce_a0d

var (
	tryAuditLockSQL     = load("try_audit_lock", "lock")
	auditLockHeldSQL    = load("audit_lock_held", "lock")
	releaseAuditLockSQL = load("release_audit_lock", "lock")
)

// AuditLock is the right to audit a database regularly. One process at most has it, until it releases it or its session
// ends. It holds one connection of the pool. The number of an advisory lock is free for every role: while one has it that may not
// change the tables, each process has the right.
type AuditLock struct {
	conn *pgxpool.Conn
}

// TakeAuditLock returns the lock, or nil while another process has it.
func TakeAuditLock(ctx context.Context, pool *pgxpool.Pool) (*AuditLock, error) {
	conn, err := pool.Acquire(ctx)
	if err != nil {
		return nil, store.Wrap(err, "take the audit lock")
	}
	var taken bool
	err = conn.QueryRow(ctx, tryAuditLockSQL, int64(auditLock)).Scan(&taken)
	if err == nil && !taken {
		err = conn.QueryRow(ctx, auditLockHeldSQL, int64(auditLock)).Scan(&taken)
	}
	if err != nil || !taken {
		conn.Release()
		return nil, store.Wrap(err, "take the audit lock")
	}
	return &AuditLock{conn}, nil
}

// Held returns nil while the lock is still held: the session that took it lives.
func (l *AuditLock) Held(ctx context.Context) error {
	var held bool
	err := l.conn.QueryRow(ctx, auditLockHeldSQL, int64(auditLock)).Scan(&held)
	if err == nil && !held {
		err = errors.New("another process may have it")
	}
	return store.Wrap(err, "hold the audit lock")
}

// Release gives the lock back. It takes a second at most, also when Postgres is away.
func (l *AuditLock) Release() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if _, err := l.conn.Exec(ctx, releaseAuditLockSQL, int64(auditLock)); err != nil {
		_ = l.conn.Conn().Close(ctx) // the lock ends with the session
	}
	l.conn.Release()
}

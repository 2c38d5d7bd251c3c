package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// probes is how often two sessions are compared. A pooler gives the connection that was used last away first, but other
// clients may come in between.
const probes = 3

// requireSticky refuses a pooler that gives the server connection of a session to others between its transactions: what a
// session sets, prepares, locks and listens to would be theirs.
func (s *session) requireSticky(ctx context.Context, conn *pgx.Conn) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sticky {
		return nil
	}
	other, err := pgx.ConnectConfig(ctx, conn.Config())
	if err != nil {
		return fmt.Errorf("compare two sessions behind a pooler: %w", err)
	}
	defer func() { _ = other.Close(context.WithoutCancel(ctx)) }()
	for range probes {
		shared, err := shares(ctx, conn, other)
		if err != nil {
			return fmt.Errorf("compare two sessions behind a pooler: %w", err)
		}
		if shared {
			return &Refusal{"there is a pooler before it that keeps no sessions (transaction or statement pooling)",
				"name the server itself in DATABASE_URL, or a pooler in session mode (pool_mode = session)"}
		}
	}
	s.sticky = true
	return nil
}

// shares tells whether two open sessions were seen on one server connection, or one of them on two.
func shares(ctx context.Context, one, other *pgx.Conn) (bool, error) {
	before, err := look(ctx, one, "")
	if err != nil {
		return false, err
	}
	if _, err := other.PgConn().Exec(ctx, "BEGIN").ReadAll(); err != nil {
		return true, nil // a pooler by the statement knows no transactions
	}
	held, err := look(ctx, other, "")
	if err != nil || held.pid == before.pid {
		return err == nil, err
	}
	after, err := look(ctx, one, "")
	if err != nil {
		return false, err
	}
	_, err = other.PgConn().Exec(ctx, "COMMIT").ReadAll()
	return after.pid != before.pid, err
}

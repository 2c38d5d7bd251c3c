package queue

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"sluice/internal/store"
)

// mostTries of a transaction that Postgres could not serialise with others. Each time at least one of them gets through.
const mostTries = 50

// again does what is a transaction of its own, again where Postgres says that only the order of transactions was in its way. A
// pool may ask for a stricter isolation level than read committed; then that happens to enqueues of one unique key.
func again(ctx context.Context, do func() error) error {
	for try := 1; ; try++ {
		err := do()
		var pg *pgconn.PgError
		if try == mostTries || !errors.As(err, &pg) || pg.Code != "40001" && pg.Code != "40P01" { // serialization_failure, deadlock_detected
			return err
		}
		timer := time.NewTimer(rand.N(time.Duration(min(try, 10)) * 2 * time.Millisecond))
		select {
		case <-ctx.Done():
			timer.Stop()
			return err
		case <-timer.C:
		}
	}
}

// transact does an enqueue that is a transaction of its own, on a connection of the pool. Where there is none nothing was sent, and the
// error says so.
func (c *Client) transact(ctx context.Context, do func(db store.DB) error) error {
	return again(ctx, func() error {
		conn, err := c.pool.Acquire(ctx)
		if err != nil {
			return unsent{fmt.Errorf("get a connection to enqueue: %w", err)}
		}
		defer conn.Release()
		return do(conn)
	})
}

// unsent is an error before anything was sent; see pgconn.SafeToRetry.
type unsent struct{ error }

func (u unsent) Unwrap() error   { return u.error }
func (unsent) SafeToRetry() bool { return true }

package queue

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
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

package host

import (
	"context"

	"github.com/jackc/pgx/v5/pgxpool"

	"sluice/internal/store"
)

// leastConns: a waiting dispatcher holds one connection, and what else happens meanwhile needs another.
const leastConns = 2

// OpenPool opens a pool of at most so many connections for Config.Pool; 0 leaves the number to the URL (pool_max_conns), or
// to pgx. Each dispatcher that waits in this process holds a connection; some 20 serve a busy one. It connects when it is
// first used.
//
// Its sessions have Sluice's own settings (time zone, isolation level, no timeouts), whatever is set for the role or the
// database; new ones read the password file, the service file and certificates again. A server that cannot work is refused.
// Connections on which Postgres does not answer are ended within seconds, and so are transactions that rest for ten seconds
// (idle_in_transaction_session_timeout, where the URL does not set that). So do not wait for notifications on it yourself.
//
// Another pool does as well, one that the application has for itself for example, if it can prepare statements and its
// sessions are at read committed. This one sends ids in their binary form, which takes less time.
func OpenPool(ctx context.Context, databaseURL string, maxConns int32) (*pgxpool.Pool, error) {
	return store.Open(ctx, databaseURL, maxConns)
}

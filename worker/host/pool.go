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
// Another pool does as well, one that the application has for itself for example. This one sends ids in their binary form,
// which takes less time.
func OpenPool(ctx context.Context, databaseURL string, maxConns int32) (*pgxpool.Pool, error) {
	return store.Open(ctx, databaseURL, maxConns)
}

package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// statementCache is how many statements a connection keeps prepared where the URL says none: pgx' own default.
const statementCache = 512

// ofSeveral is how long each of several hosts may take to connect where the URL does not say it (connect_timeout). One that is gone without a
// word, as after a failover, is passed over within the time for which a person waits for an answer.
const ofSeveral = 2 * time.Second

// Config is that of a pool whose connections are prepared, see the package. It takes the URLs and keyword strings that pgx
// takes, with the pool's settings in them. Statements are prepared whatever the URL says of that: our sessions are our own.
// A caller that has more to do after connecting calls AfterConnect of the result first.
func Config(databaseURL string) (*pgxpool.Config, error) {
	config, err := pgxpool.ParseConfig(databaseURL)
	if err != nil {
		return nil, fmt.Errorf("parse database url: %w", err)
	}
	c := config.ConnConfig
	c.DefaultQueryExecMode = pgx.QueryExecModeCacheStatement
	if c.StatementCacheCapacity <= 0 {
		c.StatementCacheCapacity = statementCache
	}
	if c.ConnectTimeout == 0 && slices.ContainsFunc(c.Fallbacks, func(f *pgconn.FallbackConfig) bool { return f.Host != c.Host || f.Port != c.Port }) {
		c.ConnectTimeout = ofSeveral
	}
	config.BeforeConnect = followFiles(databaseURL)
	config.AfterConnect = (&session{timeouts: unsetTimeouts(c.RuntimeParams)}).prepare
	return config, nil
}

// followFiles has a new connection take what is renewed on disk: the password file, the service file, certificates, keys.
func followFiles(databaseURL string) func(context.Context, *pgx.ConnConfig) error {
	return func(_ context.Context, c *pgx.ConnConfig) error {
		fresh, err := pgxpool.ParseConfig(databaseURL)
		if err != nil {
			if inner := errors.Unwrap(err); inner != nil {
				err = inner // without the URL
			}
			return fmt.Errorf("read the files that the database url names again: %w", err)
		}
		f := fresh.ConnConfig
		c.Host, c.Port, c.Fallbacks, c.TLSConfig = f.Host, f.Port, f.Fallbacks, f.TLSConfig
		c.Database, c.User, c.Password = f.Database, f.User, f.Password
		return nil
	}
}

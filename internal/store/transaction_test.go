package store_test

import (
	"bytes"
	"context"
	"errors"
	"net"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"sluice/internal/devstack/devtest"
	"sluice/internal/store"
)

// cutConn is a connection that breaks at the commit: before the server hears of it, or before it has answered.
type cutConn struct {
	net.Conn
	cut    *atomic.Int32
	broken atomic.Bool
}

const (
	whole int32 = iota
	unsent
	unanswered
)

var errCut = errors.New("the cable is cut")

func (c *cutConn) Write(b []byte) (int, error) {
	if !bytes.Contains(b, []byte("commit\x00")) {
		return c.Conn.Write(b)
	}
	switch c.cut.Swap(whole) {
	case unsent:
		_ = c.Conn.Close()
		return 0, errCut
	case unanswered:
		c.broken.Store(true)
	}
	return c.Conn.Write(b)
}

// Read waits for the server, so that it has heard of the commit.

func (c *cutConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if c.broken.Load() {
		return 0, errCut
	}
	return n, err
}

// Whatever breaks at a commit: whether it has happened is known afterwards.
func TestATransactionWhoseAnswerIsLostIsAskedFor(t *testing.T) {
	t.Parallel()
	var cut atomic.Int32
	config, err := pgxpool.ParseConfig(devtest.Postgres(t))
	require.NoError(t, err)
	dial := config.ConnConfig.DialFunc
	config.ConnConfig.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return &cutConn{Conn: conn, cut: &cut}, nil
	}
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	_, err = pool.Exec(t.Context(), `CREATE TABLE happened (what int)`)
	require.NoError(t, err)
	happen := func(ctx context.Context, what int) error {
		return store.InTransaction(ctx, pool, func(tx pgx.Tx) error {
			_, err := tx.Exec(ctx, `INSERT INTO happened VALUES ($1)`, what)
			return err
		})
	}
	for what, where := range []int32{whole, unanswered, unsent} {
		cut.Store(where)
		err := happen(t.Context(), what)
		var n int
		require.NoError(t, pool.QueryRow(t.Context(), `SELECT count(*) FROM happened WHERE what = $1`, what).Scan(&n))
		require.Equal(t, where == unsent, err != nil, "%d: %v", where, err)
		require.Equal(t, n == 1, err == nil, "%d: %v", what, err)
		require.Equal(t, where == unsent, err != nil)
		require.NotErrorIs(t, err, store.ErrDoubtful)
	}
	ctx, stop := context.WithCancel(t.Context())
	stop()
	require.ErrorIs(t, happen(ctx, 9), context.Canceled)
}

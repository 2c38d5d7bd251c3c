package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"sluice/queue"
)

// Who repeats the rest enqueues nothing twice.
func TestACountThatIsCutOffTellsWhatIsEnqueued(t *testing.T) {
	t.Parallel()
	c := onPostgres(t)
	workspace, definition := c.workspace()
	c.exec(`CREATE FUNCTION public.full() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
		IF (SELECT count(*) > 1000 FROM sluice.pending) THEN RAISE 'the disk is full'; END IF;
		RETURN NULL;
	END $$`)
	c.exec(`CREATE TRIGGER full_disk AFTER INSERT ON sluice.pending FOR EACH STATEMENT EXECUTE FUNCTION public.full()`)
	out := c.run("enqueue", "--workspace", workspace, "--definition", definition, "--count", "1500", "--json")
	require.Equal(t, exitFailed, out.code)
	var told struct {
		Count                 int
		QueueIDs, DoubtfulIDs []uuid.UUID
	}
	require.NoError(t, json.Unmarshal([]byte(out.stderr), &told))
	require.Equal(t, 1000, told.Count)
	require.Empty(t, told.DoubtfulIDs)
	require.ElementsMatch(t, c.pending(), told.QueueIDs)
}

// Whether the last ones are enqueued nobody can tell whose database is gone with the answer to their commit.
func TestACountWhoseLastAnswerIsLostTellsWhatMayBeEnqueued(t *testing.T) {
	t.Parallel()
	c := onPostgres(t)
	workspace, definition := c.workspace()
	config, err := pgxpool.ParseConfig(c.env["DATABASE_URL"])
	require.NoError(t, err)
	line, dial := &line{whole: 1}, config.ConnConfig.DialFunc
	config.ConnConfig.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
		if line.cut.Load() {
			return nil, errCut
		}
		conn, err := dial(ctx, network, address)
		return &lineConn{Conn: conn, line: line}, err
	}
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	_, err = enqueueAll(t.Context(), pool, queue.Item{WorkspaceID: uuid.MustParse(workspace), DefinitionID: uuid.MustParse(definition)}, 1500)
	var told *partly
	require.ErrorAs(t, err, &told)
	require.ErrorContains(t, err, "at least 1000 of 1500 items are enqueued, and 500 more may be")
	require.Len(t, told.ids, 1000)
	require.ElementsMatch(t, c.pending(), append(told.ids, told.doubtful...), "they are")
}

// pending are the ids of all items that wait.
func (c cli) pending() (ids []uuid.UUID) {
	c.t.Helper()
	require.NoError(c.t, c.pool().QueryRow(c.t.Context(), `SELECT array_agg(id) FROM sluice.pending`).Scan(&ids))
	return ids
}

// line is a way to the database that is cut when so many commits have been answered and one more has been heard.
type line struct {
	whole int32
	cut   atomic.Bool
	seen  atomic.Int32
}

var errCut = errors.New("the cable is cut")

type lineConn struct {
	net.Conn
	line *line
}

func (c *lineConn) Write(b []byte) (int, error) {
	if bytes.Contains(b, []byte("commit\x00")) && c.line.seen.Add(1) > c.line.whole {
		c.line.cut.Store(true)
	}
	return c.Conn.Write(b)
}

// Read waits for the server, so that it has heard of the commit.
func (c *lineConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if c.line.cut.Load() {
		return 0, errCut
	}
	return n, err
}

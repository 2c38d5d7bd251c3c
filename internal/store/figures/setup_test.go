package figures_test

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"sluice/internal/devstack/devtest"
	"sluice/internal/store"
	"sluice/schema"
)

func setup(t *testing.T) *pgxpool.Pool {
	t.Helper()
	pool, err := store.Open(t.Context(), devtest.PostgresFrom(t, "sluice", func(ctx context.Context, url string) error {
		_, err := schema.Migrate(ctx, url)
		return err
	}), 8)
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	return pool
}

func exec(t *testing.T, db store.DB, sql string, args ...any) {
	t.Helper()
	_, err := db.Exec(t.Context(), sql, args...)
	require.NoError(t, err)
}

func one[T any](t *testing.T, db store.DB, sql string, args ...any) T {
	t.Helper()
	values, err := store.Values[T](t.Context(), db, sql, args...)
	require.NoError(t, err)
	require.Len(t, values, 1)
	return values[0]
}

func workspace(t *testing.T, pool *pgxpool.Pool, name string) uuid.UUID {
	t.Helper()
	return one[uuid.UUID](t, pool, `INSERT INTO sluice.workspaces (name, plan) VALUES ($1, 'STARTER') RETURNING id`, name)
}

// ended is an execution that has ended, or with a reason an item that had none.
type ended struct {
	workspace      uuid.UUID
	kind, status   string
	reason, error  string
	ago, waits, by time.Duration // when it ended, for how long it waited and ran
}

func (e ended) insert(t *testing.T, db store.DB) uuid.UUID {
	t.Helper()
	var reason, message any
	if e.reason != "" {
		reason = e.reason
	}
	if e.error != "" {
		raw, err := json.Marshal(map[string]string{"message": e.error})
		require.NoError(t, err)
		message = raw
	}
	return one[uuid.UUID](t, db, `INSERT INTO sluice.ended (id, workspace_id, workflow_type, task_queue, status, reason, error, priority, attempt_count, created_at, available_at,
			claimed_at, dispatched_at, ended_at, trigger_type, enqueued_by, engine_run_id)
		SELECT (overlay(lpad(to_hex((extract(epoch FROM t.made) * 1000000)::bigint * 512 / 125), 15, '0') PLACING '7' FROM 13 FOR 0) || right(gen_random_uuid()::text, 17))::uuid,
			$1, $2, 'q', $3, $4, $5, 3, 0, t.made, t.made, t.claimed, t.claimed, now() - $6::interval, 'x', 'shop', 'run'
		FROM (SELECT now() - $6::interval - $7::interval - $8::interval AS made, now() - $6::interval - $8::interval AS claimed) AS t RETURNING id`,
		e.workspace, e.kind, e.status, reason, message, e.ago, e.waits, e.by)
}

// ranForAMonth makes an installation that has run for a month, in small: as package facts has it.
func ranForAMonth(t *testing.T, pool *pgxpool.Pool) {
	t.Helper()
	script, err := os.ReadFile("../facts/testdata/scale.sql")
	require.NoError(t, err)
	for name, value := range map[string]string{"workspaces": "40", "ended": "30000", "refused": "6000", "pending": "4000", "days": "30"} {
		script = bytes.ReplaceAll(script, []byte(":"+name), []byte(value))
	}
	before, rest, _ := strings.Cut(string(script), "SELECT format('CREATE TABLE")
	partitions, after, _ := strings.Cut(rest, "\\gexec")
	after, _, _ = strings.Cut(after, "VACUUM")
	conn, err := pool.Acquire(t.Context())
	require.NoError(t, err)
	defer conn.Release()
	run := func(sql string) {
		_, err := conn.Conn().PgConn().Exec(t.Context(), sql).ReadAll()
		require.NoError(t, err)
	}
	run(before)
	made, err := store.Values[string](t.Context(), conn, "SELECT format('CREATE TABLE"+partitions)
	require.NoError(t, err)
	for _, sql := range made {
		run(sql)
	}
	run(after)
	run("ANALYZE")
}

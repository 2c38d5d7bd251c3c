package figures_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"sluice/internal/store"
	"sluice/internal/store/figures"
)

// readMany tells that a thousand rows were read without an index, or in vain.
var readMany = regexp.MustCompile(`Seq Scan on .*rows=\d{4,}|Rows Removed by Filter: \d{4,}`)

// What a page reads of tables that grow without end is found by an index.
func TestNoPageReadsATableWhole(t *testing.T) {
	t.Parallel()
	pool := setup(t)
	acme := workspace(t, pool, "acme")
	// What ended yesterday has a partition of its own, as it would have had then.
	today := time.Now().UTC().Truncate(24 * time.Hour)
	exec(t, pool, fmt.Sprintf(`CREATE TABLE sluice.ended_yesterday PARTITION OF sluice.ended FOR VALUES FROM ('%s') TO ('%s')`,
		today.Add(-24*time.Hour).Format(time.RFC3339), today.Format(time.RFC3339)))
	exec(t, pool, `INSERT INTO sluice.activity_log (at, actor, action) SELECT now() - n * interval '1 second', 'ann', 'paused' FROM generate_series(1, 20000) AS n`)
	exec(t, pool, `INSERT INTO sluice.limit_changes (at, actor, action, workspace_id) SELECT now() - n * interval '1 second', 'ann', 'limits-changed', gen_random_uuid() FROM generate_series(1, 20000) AS n`)
	exec(t, pool, `INSERT INTO sluice.ended (id, workspace_id, workflow_type, task_queue, status, priority, attempt_count, created_at, available_at, claimed_at, dispatched_at, ended_at, trigger_type, enqueued_by, engine_run_id)
		SELECT sluice.uuid_v7(), gen_random_uuid(), 'Order', 'q', 'COMPLETED', 3, 1, now(), now(), now(), now(), now() - (20000 - n) * interval '1 second', 'x', 'shop', 'run' FROM generate_series(1, 20000) AS n`)
	exec(t, pool, `INSERT INTO sluice.pending (id, workspace_id, workflow_type, task_queue, enqueued_by) SELECT sluice.uuid_v7(), gen_random_uuid(), 'Order', 'q', 'shop' FROM generate_series(1, 20000) AS n`)
	exec(t, pool, `ANALYZE sluice.activity_log, sluice.limit_changes, sluice.ended, sluice.pending`)
	now := time.Now()
	for name, s := range map[string]struct {
		sql  string
		args []any
	}{
		"activity":      {figures.ActivitySQL, []any{now, now.Add(-time.Minute), nil, "", 10}},
		"limit history": {figures.LimitHistorySQL, []any{acme, 10}},
		"ended of":      {figures.EndedOfSQL, []any{acme, now.Add(-time.Hour), 10}},
		"ended since":   {figures.EndedSinceSQL, []any{now.Add(-10 * time.Second), 10}},
		"line":          {figures.LineSQL, []any{acme, 0, 10}},
	} {
		plan, err := store.Values[string](t.Context(), pool, `EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) `+s.sql, append([]any{pgx.QueryExecModeExec}, s.args...)...)
		require.NoError(t, err, name)
		require.NotRegexp(t, readMany, strings.Join(plan, "\n"), name)
	}
}

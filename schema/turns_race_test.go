package schema_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
)

// Each of these changes has to wait for another that is under way, and must then see what that has changed: it cannot be told
// later, because it has taken its turns.
func TestChangesSeeWhatCommitsBeforeTheirTurn(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		first  string
		second string
		want   string // what must be true
	}{
		"an allotment of a limit that is cut": {`UPDATE sluice.settings SET max_concurrent_workflows = 4`, `SELECT sluice.set_allotments(9, '{9,0}')`,
			`SELECT sum(slots) <= 4 FROM sluice.allotments`},
		"an allotment of a limit that is taken away": {`UPDATE sluice.settings SET max_concurrent_workflows = NULL`, `SELECT sluice.set_allotments(9, '{9,0}')`,
			`SELECT sum(slots) = 0 FROM sluice.allotments`},
		"a slot that no claim took beside an allotment": {`SELECT sluice.set_allotments(9, '{9,0}')`, `INSERT INTO sluice.running
			(id, workspace_id, workflow_definition_id, priority, attempt_count, created_at, available_at, claimed_at, trigger_type, enqueued_by)
			VALUES (gen_random_uuid(), $it, gen_random_uuid(), 3, 0, now(), now(), now(), 'FUNCTION', 'ann')`,
			`SELECT sum(slots) = 0 FROM sluice.allotments`},
		"a limit of a plan beside more shards": {`UPDATE sluice.settings SET shards = 3`, `UPDATE sluice.tiers SET weight = 9 WHERE plan = 'FREE'`,
			`SELECT count(*) = 3 FROM sluice.turns WHERE kind = 'limits'`},
		"a limit of a workspace beside more shards": {`UPDATE sluice.settings SET shards = 64`, `UPDATE sluice.workspaces SET weight = 9 WHERE id = $it`,
			`SELECT count(*) > 0 FROM sluice.turns WHERE kind = 'limits' AND workspace_id = $it AND shard = sluice.shard_of($it, NULL, 64)`},
		"a slot that no claim took beside more shards": {`UPDATE sluice.settings SET shards = 64`, `INSERT INTO sluice.running
			(id, workspace_id, workflow_definition_id, priority, attempt_count, created_at, available_at, claimed_at, trigger_type, enqueued_by)
			VALUES (gen_random_uuid(), $it, gen_random_uuid(), 3, 0, now(), now(), now(), 'FUNCTION', 'ann')`,
			`SELECT count(*) > 0 FROM sluice.turns WHERE kind = 'regained' AND workspace_id = $it AND shard = sluice.shard_of($it, NULL, 64)`},
		"a slot that no claim took beside another cohort": {`UPDATE sluice.workspaces SET cohort = 'a' WHERE id = $it`, `INSERT INTO sluice.running
			(id, workspace_id, workflow_definition_id, priority, attempt_count, created_at, available_at, claimed_at, trigger_type, enqueued_by)
			VALUES (gen_random_uuid(), $it, gen_random_uuid(), 3, 0, now(), now(), now(), 'FUNCTION', 'ann')`,
			`SELECT count(*) > 0 FROM sluice.turns WHERE kind = 'regained' AND workspace_id = $it AND shard = sluice.shard_of($it, 'a', 2)`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			exec(t, b.db, `UPDATE sluice.settings SET shards = 2, max_concurrent_workflows = 9`)
			// One that changes its owner with either change.
			workspace := one[uuid.UUID](t, b.db, `WITH ids AS (SELECT gen_random_uuid() AS id FROM generate_series(1, 1000))
				INSERT INTO sluice.workspaces (id, name) SELECT id, 'moves' FROM ids
				WHERE sluice.shard_of(id, NULL, 2) NOT IN (sluice.shard_of(id, NULL, 64), sluice.shard_of(NULL, 'a', 2)) LIMIT 1 RETURNING id`)
			about := func(sql string) string { return strings.ReplaceAll(sql, "$it", "'"+workspace.String()+"'") }
			first, err := b.db.Begin(t.Context())
			require.NoError(t, err)
			defer func() { _ = first.Rollback(t.Context()) }()
			_, err = first.Exec(t.Context(), about(tt.first)+`; SET CONSTRAINTS ALL IMMEDIATE`) // takes its turns
			require.NoError(t, err)

			second := make(chan error, 1)
			go func() {
				second <- pgx.BeginFunc(t.Context(), b.db, func(tx pgx.Tx) error {
					_, err := tx.Exec(t.Context(), about(tt.second))
					return err
				})
			}()
			require.Eventually(t, func() bool {
				return one[bool](t, b.db, `SELECT EXISTS (SELECT FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE a.datname = current_database() AND NOT l.granted)`)
			}, time.Minute, time.Millisecond, "the second does not wait for the first")
			require.NoError(t, first.Commit(t.Context()))
			require.NoError(t, <-second)
			require.True(t, one[bool](t, b.db, about(tt.want)))
		})
	}
}

// A change holds from its turn on, which it gets when the claims that are under way are over. An audit judges those by the record.
func TestAChangeIsOnRecordAfterTheClaimThatItHasWaitedFor(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]string{
		"a plan":      `UPDATE sluice.tiers SET max_concurrent_workflows = 0 WHERE plan = 'FREE'`,
		"a workspace": `UPDATE sluice.workspaces SET max_concurrent_workflows = 0 WHERE name = 'cut'`,
		"all":         `UPDATE sluice.settings SET max_concurrent_workflows = 0`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			exec(t, b.db, `INSERT INTO sluice.workspaces (name) VALUES ('cut')`)
			claim, err := b.db.Begin(t.Context())
			require.NoError(t, err)
			defer func() { _ = claim.Rollback(t.Context()) }()
			_, err = claim.Exec(t.Context(), `INSERT INTO sluice.turns (shard, turn, kind) SELECT 0, max(turn) + 1, 'claim' FROM sluice.turns WHERE shard = 0`)
			require.NoError(t, err)
			before := one[int64](t, b.db, `SELECT count(*) FROM sluice.limit_changes`)
			done := make(chan error, 1)
			go func() {
				_, err := b.db.Exec(t.Context(), change)
				done <- err
			}()
			require.Eventually(t, func() bool {
				return one[int64](t, b.db, `SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE 'UPDATE sluice.%' AND datname = current_database()`) == 1
			}, time.Minute, 10*time.Millisecond)
			var claimed time.Time
			require.NoError(t, claim.QueryRow(t.Context(), `SELECT clock_timestamp()`).Scan(&claimed))
			require.NoError(t, claim.Commit(t.Context()))
			require.NoError(t, <-done)
			require.Equal(t, before+1, one[int64](t, b.db, `SELECT count(*) FROM sluice.limit_changes`))
			require.True(t, one[time.Time](t, b.db, `SELECT max(at) FROM sluice.limit_changes`).After(claimed))
		})
	}
}

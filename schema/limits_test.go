package schema_test

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"sluice/internal/devstack/devtest"
	"sluice/schema"
)

const limitLog = `SELECT concat_ws(' ', actor, action, details ->> 'plan', details ->> 'maxConcurrentWorkflows', details ->> 'name')
	FROM sluice.activity_log ORDER BY id`

func TestTheHistoryOfLimitsBeginsWithWhatWasInForce(t *testing.T) {
	t.Parallel()
	url := devtest.Postgres(t)
	require.NoError(t, schema.MigrateTo(t.Context(), url, 1))
	db := open(t, url)
	exec(t, db, `INSERT INTO sluice.workspaces (name, plan) VALUES ('old', 'PRO')`)
	_, err := schema.Migrate(t.Context(), url)
	require.NoError(t, err)
	require.Equal(t, []string{
		"migration tier-recorded ENTERPRISE 100", "migration tier-recorded FREE 2", "migration tier-recorded PRO 20",
		"migration tier-recorded STARTER 5", "migration plan-recorded PRO",
	}, list[string](t, db, limitLog))
}

func TestEveryChangeOfALimitIsLogged(t *testing.T) {
	t.Parallel()
	b := setup(t)
	exec(t, b.db, `DELETE FROM sluice.activity_log`)
	exec(t, b.db, `INSERT INTO sluice.tiers (plan, max_concurrent_workflows) VALUES ('TRIAL', 1)`)
	exec(t, b.db, `UPDATE sluice.tiers SET max_concurrent_workflows = 3 WHERE plan = 'TRIAL'`)
	exec(t, b.db, `UPDATE sluice.tiers SET max_concurrent_workflows = 3, updated_at = now() WHERE plan = 'TRIAL'`)
	exec(t, b.db, `INSERT INTO sluice.workspaces (name, plan) VALUES ('new', 'TRIAL')`)
	exec(t, b.db, `UPDATE sluice.workspaces SET plan = 'FREE', name = 'newer' WHERE name = 'new'`)
	exec(t, b.db, `UPDATE sluice.workspaces SET name = 'newest' WHERE name = 'newer'`)
	err := pgx.BeginFunc(t.Context(), b.db, func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), `SELECT set_config('sluice.actor', 'ann', true)`)
		require.NoError(t, err)
		_, err = tx.Exec(t.Context(), `UPDATE sluice.tiers SET max_concurrent_workflows = 4 WHERE plan = 'TRIAL'`)
		return err
	})
	require.NoError(t, err)
	exec(t, b.db, `BEGIN; SET LOCAL application_name = 'psql'; UPDATE sluice.tiers SET max_concurrent_workflows = 5 WHERE plan = 'TRIAL'; COMMIT`)
	me := one[string](t, b.db, `SELECT session_user::text`)
	require.Equal(t, []string{
		me + " tier-changed TRIAL 1", me + " tier-changed TRIAL 3", me + " workspace-created TRIAL new", me + " plan-changed FREE",
		"ann tier-changed TRIAL 4", "psql tier-changed TRIAL 5",
	}, list[string](t, b.db, limitLog), "and what did not change is not")
}

// A change takes effect when it commits, so that is the time on record.
func TestALimitIsLoggedAsItCommits(t *testing.T) {
	t.Parallel()
	b := setup(t)
	tx, err := b.db.Begin(t.Context())
	require.NoError(t, err)
	_, err = tx.Exec(t.Context(), `UPDATE sluice.tiers SET max_concurrent_workflows = 7 WHERE plan = 'PRO'`)
	require.NoError(t, err)
	before := one[time.Time](t, b.db, `SELECT clock_timestamp()`)
	require.NoError(t, tx.Commit(t.Context()))
	logged := one[time.Time](t, b.db, `SELECT at FROM sluice.activity_log WHERE action = 'tier-changed'`)
	require.True(t, logged.After(before))
	require.False(t, logged.After(one[time.Time](t, b.db, `SELECT clock_timestamp()`)))
}

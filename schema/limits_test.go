package schema_test

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
)

const limitChanges = `SELECT concat_ws(' ', actor, action, details ->> 'plan', details ->> 'maxConcurrentWorkflows', details ->> 'name')
	FROM sluice.limit_changes ORDER BY id`

func TestTheHistoryOfLimitsBeginsWithThoseOfANewDatabase(t *testing.T) {
	t.Parallel()
	b := setup(t)
	require.Equal(t, []string{"tier-changed FREE 2", "tier-changed STARTER 5", "tier-changed PRO 20", "tier-changed ENTERPRISE 100"},
		list[string](t, b.db, `SELECT concat_ws(' ', action, details ->> 'plan', details ->> 'maxConcurrentWorkflows')
			FROM sluice.limit_changes WHERE workspace_id IS NULL ORDER BY id`))
}

func TestEveryChangeOfALimitIsLogged(t *testing.T) {
	t.Parallel()
	b := setup(t)
	exec(t, b.db, `DELETE FROM sluice.limit_changes`)
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
	}, list[string](t, b.db, limitChanges), "and what did not change is not")
}

// A change takes effect when it commits, so that is the time on record.
func TestALimitIsLoggedAsItCommits(t *testing.T) {
	t.Parallel()
	b := setup(t)
	tx, err := b.db.Begin(t.Context())
	require.NoError(t, err)
	_, err = tx.Exec(t.Context(), `SELECT set_config('sluice.actor', 'ann', true)`)
	require.NoError(t, err)
	_, err = tx.Exec(t.Context(), `UPDATE sluice.tiers SET max_concurrent_workflows = 7 WHERE plan = 'PRO'`)
	require.NoError(t, err)
	before := one[time.Time](t, b.db, `SELECT clock_timestamp()`)
	require.NoError(t, tx.Commit(t.Context()))
	logged := one[time.Time](t, b.db, `SELECT at FROM sluice.limit_changes WHERE actor = 'ann'`)
	require.True(t, logged.After(before))
	require.False(t, logged.After(one[time.Time](t, b.db, `SELECT clock_timestamp()`)))
}

// An audit needs the settings too: how many shards there were, and what all workspaces might use together.
func TestChangesOfSettingsAreLogged(t *testing.T) {
	t.Parallel()
	b := setup(t)
	exec(t, b.db, `DELETE FROM sluice.limit_changes`)
	exec(t, b.db, `UPDATE sluice.settings SET max_concurrent_workflows = 9, shards = 2`)
	exec(t, b.db, `UPDATE sluice.settings SET updated_at = now()`)
	exec(t, b.db, `UPDATE sluice.settings SET auto_create_plan = 'FREE', task_queue = 'q'`)
	exec(t, b.db, `UPDATE sluice.workspaces SET nominal_quota = 1, cohort = 'a', starts_per_second = 0.5`)
	require.Equal(t, []string{
		`settings-changed {"shards": 2, "fairness": "slot-time", "retention": "30 days", "taskQueue": "workflow.workspace.{workspace}", "ageingStep": "00:05:00", "maxConcurrentWorkflows": 9}`,
		`settings-changed {"shards": 2, "fairness": "slot-time", "retention": "30 days", "taskQueue": "q", "ageingStep": "00:05:00", "autoCreatePlan": "FREE", "maxConcurrentWorkflows": 9}`,
		`limits-changed {"plan": "FREE", "cohort": "a", "nominalQuota": 1, "startsPerSecond": 0.5}`,
	}, list[string](t, b.db, `SELECT action || ' ' || details FROM sluice.limit_changes ORDER BY id`))
}

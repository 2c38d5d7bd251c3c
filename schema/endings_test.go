package schema_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"sluice/internal/devstack/devtest"
	"sluice/schema"
)

// What had ended within a day when the list of endings was introduced is in it, and so is everything after.
func TestTheListOfEndingsBeginsADayBefore(t *testing.T) {
	t.Parallel()
	url := devtest.Postgres(t)
	require.NoError(t, schema.MigrateTo(t.Context(), url, 15))
	db := open(t, url)
	ended := func(age string) uuid.UUID {
		return one[uuid.UUID](t, db, `
			INSERT INTO sluice.workflow_executions (id, workspace_id, workflow_definition_id, status, priority, attempt_count, created_at,
				available_at, claimed_at, completed_at, trigger_type, enqueued_by)
			SELECT sluice.uuid_v7(), gen_random_uuid(), gen_random_uuid(), 'COMPLETED', 3, 0, at, at, at, at, 'FUNCTION', 'x'
			FROM (SELECT now() - $1::interval AS at) AS past RETURNING id`, age)
	}
	ended("25 hours")
	lately := []uuid.UUID{ended("23 hours"), ended("1 minute"), ended("0")}
	_, err := schema.Migrate(t.Context(), url)
	require.NoError(t, err)
	lately = append(lately, ended("0"))
	require.ElementsMatch(t, lately, list[uuid.UUID](t, db, `SELECT unnest(ids) FROM sluice.endings`))
	require.True(t, one[bool](t, db, `SELECT min(at) < now() - interval '23 hours 59 minutes' FROM sluice.endings`))
	require.True(t, one[bool](t, db, `SELECT bool_and(l.at >= e.completed_at) FROM sluice.endings l JOIN sluice.workflow_executions e ON e.id = ANY (l.ids)`))
	require.Zero(t, one[int](t, db, `SELECT count(*) FROM pg_indexes WHERE indexname = 'workflow_executions_completed'`))
}

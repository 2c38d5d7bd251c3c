package schema_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// Whatever statement brings items, and however many: it rings once for each workspace among them with the first of the
// items that are due, once with the first of those that are scheduled, and for nothing else.
func TestAStatementRingsOnceForEachWorkspaceAndMoment(t *testing.T) {
	t.Parallel()
	b := setup(t)
	workspaces := []uuid.UUID{uuid.New(), uuid.New(), uuid.New()}
	now := time.Now().UTC().Truncate(time.Microsecond)
	times := []time.Time{now.Add(-2 * time.Hour), now.Add(-time.Hour), now.Add(time.Hour), now.Add(2 * time.Hour)}
	rapid.Check(t, func(rt *rapid.T) {
		type moment struct {
			workspace uuid.UUID
			scheduled bool
		}
		first := map[moment]time.Time{}
		var ids, owners []uuid.UUID
		var moments []time.Time
		for range rapid.IntRange(0, 8).Draw(rt, "items") {
			workspace, at := rapid.SampledFrom(workspaces).Draw(rt, "workspace"), rapid.SampledFrom(times).Draw(rt, "time")
			ids, owners, moments = append(ids, uuid.New()), append(owners, workspace), append(moments, at)
			m := moment{workspace, at.After(now)}
			if known, ok := first[m]; !ok || at.Before(known) {
				first[m] = at
			}
		}
		want := []string{}
		for m, at := range first {
			want = append(want, m.workspace.String()+at.Format(" 2006-01-02T15:04:05.000000"))
		}
		slices.Sort(want)

		exec(t, b.db, `TRUNCATE sluice.doorbell`)
		if rapid.Bool().Draw(rt, "copy") {
			columns := []string{"id", "workspace_id", "workflow_definition_id", "available_at", "enqueued_by"}
			_, err := b.db.CopyFrom(t.Context(), pgx.Identifier{"sluice", "execution_queue"}, columns,
				pgx.CopyFromSlice(len(ids), func(n int) ([]any, error) { return []any{ids[n], owners[n], b.definition, moments[n], "ann"}, nil }))
			require.NoError(t, err)
		} else {
			exec(t, b.db, `
				INSERT INTO sluice.execution_queue (id, workspace_id, workflow_definition_id, available_at, enqueued_by)
				SELECT id, workspace_id, $4, available_at, 'ann' FROM unnest($1::uuid[], $2::uuid[], $3::timestamptz[]) AS item (id, workspace_id, available_at)`,
				ids, owners, moments, b.definition)
		}
		require.Equal(t, want, list[string](t, b.db, `
			SELECT workspace_id || to_char(available_at AT TIME ZONE 'UTC', ' YYYY-MM-DD"T"HH24:MI:SS.US')
			FROM sluice.doorbell WHERE NOT limits ORDER BY 1`))
	})
}

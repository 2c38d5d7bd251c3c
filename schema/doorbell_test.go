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

// Whatever statement brings items that it has not rung for itself, and however many: each rings with its time, and no other.
func TestAnItemThatNobodyHasRungForRings(t *testing.T) {
	t.Parallel()
	b := setup(t)
	workspaces := []uuid.UUID{uuid.New(), uuid.New(), uuid.New()}
	now := time.Now().UTC().Truncate(time.Microsecond)
	times := []time.Time{now.Add(-2 * time.Hour), now.Add(-time.Hour), now.Add(time.Hour), now.Add(2 * time.Hour)}
	rapid.Check(t, func(rt *rapid.T) {
		want := []string{}
		var ids, owners []uuid.UUID
		var moments []time.Time
		var rung []bool
		for range rapid.IntRange(0, 8).Draw(rt, "items") {
			workspace, at := rapid.SampledFrom(workspaces).Draw(rt, "workspace"), rapid.SampledFrom(times).Draw(rt, "time")
			ids, owners, moments = append(ids, uuid.New()), append(owners, workspace), append(moments, at)
			rung = append(rung, rapid.Bool().Draw(rt, "rung"))
			if !rung[len(rung)-1] {
				want = append(want, workspace.String()+at.Format(" 2006-01-02T15:04:05.000000"))
			}
		}
		slices.Sort(want)

		exec(t, b.db, `TRUNCATE sluice.doorbell`)
		if rapid.Bool().Draw(rt, "copy") {
			columns := []string{"id", "workspace_id", "workflow_definition_id", "available_at", "enqueued_by", "rung"}
			_, err := b.db.CopyFrom(t.Context(), pgx.Identifier{"sluice", "execution_queue"}, columns,
				pgx.CopyFromSlice(len(ids), func(n int) ([]any, error) {
					return []any{ids[n], owners[n], b.definition, moments[n], "ann", rung[n]}, nil
				}))
			require.NoError(t, err)
		} else {
			exec(t, b.db, `
				INSERT INTO sluice.execution_queue (id, workspace_id, workflow_definition_id, available_at, enqueued_by, rung)
				SELECT id, workspace_id, $5, available_at, 'ann', rung
				FROM unnest($1::uuid[], $2::uuid[], $3::timestamptz[], $4::boolean[]) AS item (id, workspace_id, available_at, rung)`,
				ids, owners, moments, rung, b.definition)
		}
		require.Equal(t, want, list[string](t, b.db, `
			SELECT workspace_id || to_char(available_at AT TIME ZONE 'UTC', ' YYYY-MM-DD"T"HH24:MI:SS.US')
			FROM sluice.doorbell WHERE NOT limits ORDER BY 1`))
	})
}

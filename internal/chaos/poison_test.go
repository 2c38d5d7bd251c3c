package main

import (
	"testing"

	"github.com/stretchr/testify/require"

	"sluice/internal/chaos/plan"
	"sluice/internal/store"
)

func TestPoisonedRowsAreRefusedUntilTheyAreCured(t *testing.T) {
	t.Parallel()
	c, ctx := newChaos(t), t.Context()
	require.NoError(t, c.preparePoison(ctx))
	before, err := c.refusals(ctx)
	require.NoError(t, err)
	f := plan.Fault{Number: 7}
	broken, err := c.brokenDefinition(ctx, c.cast.probe, f)
	require.NoError(t, err)
	ids, err := c.enqueuePoisoned(ctx, f, c.cast.probe, broken.ID)
	require.NoError(t, err)
	require.Len(t, ids, 8)
	claim := func(n int) error {
		_, err := c.pool.Exec(ctx, `
			WITH taken AS (DELETE FROM sluice.pending WHERE id = $1 RETURNING *)
			INSERT INTO sluice.running (id, workspace_id, workflow_definition_id, priority, attempt_count, turn, created_at, available_at, claimed_at, trigger_type, enqueued_by, input)
			SELECT id, workspace_id, workflow_definition_id, priority, attempt_count, 1, created_at, available_at, now(), trigger_type, enqueued_by, input FROM taken`, ids[n])
		return err
	}
	settle := func(n int) error {
		return store.Settle(ctx, c.pool, []store.Started{{ExecutionID: ids[n], RunID: "run"}})
	}
	end := func(n int) error {
		_, err := store.RecordOutcome(ctx, c.pool, store.Outcome{ExecutionID: ids[n], RunID: "run", Status: "COMPLETED"})
		return err
	}
	require.ErrorContains(t, c.refusedSince(ctx, before), "no claim was refused")
	refused := func(err error) {
		t.Helper()
		require.True(t, store.IsRefusal(err))
		require.ErrorContains(t, err, "is poisoned")
	}
	refused(claim(0))
	for n := 2; n < len(ids); n++ {
		require.NoError(t, claim(n))
	}
	require.ErrorContains(t, c.refusedSince(ctx, before), "no settle was refused")
	refused(settle(2))
	require.ErrorContains(t, c.refusedSince(ctx, before), "no end was refused")
	require.NoError(t, settle(4))
	refused(end(4))
	refused(end(6))
	require.NoError(t, c.refusedSince(ctx, before))

	c.cure(ctx, f)
	_, err = c.pool.Exec(ctx, `UPDATE sluice.pending SET available_at = now() + interval '1 minute' WHERE id = $1`, ids[1])
	require.NoError(t, err)
	what, err := c.stuck(ctx, ids)
	require.NoError(t, err)
	require.Contains(t, what, "7 of 7 items have not ended", "one is put off")
	require.NoError(t, claim(0))
	require.NoError(t, settle(2))
	for n := range ids {
		if n != 1 {
			require.NoError(t, end(n))
		}
	}
	what, err = c.stuck(ctx, ids)
	require.NoError(t, err)
	require.Empty(t, what)
}

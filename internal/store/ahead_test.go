package store_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"sluice/internal/store"
)

// What is on record of an item's end is looked for from the time in its id on.
func TestAnItemWhoseIDIsOfAClockThatWasAheadIsFoundWhenItHasEnded(t *testing.T) {
	t.Parallel()
	b := setup(t)
	var ids []uuid.UUID
	for _, id := range b.enqueue(t, 3) {
		ids = append(ids, one[uuid.UUID](t, b.db, `UPDATE sluice.pending
			SET id = overlay(id::text PLACING left(lpad(to_hex((extract(epoch FROM now() + interval '1 day') * 1000)::bigint), 12, '0'), 8) FROM 1)::uuid
			WHERE id = $1 RETURNING id`, id))
	}
	require.True(t, one[bool](t, b.db, `SELECT sluice.made_at($1) > now() + interval '20 hours'`, ids[0]))
	b.claim(t, ids[1])
	b.dispatch(t, ids[0])
	_, err := store.RecordOutcome(t.Context(), b.db, store.Outcome{ExecutionID: ids[0], RunID: "run", Status: "COMPLETED"})
	require.NoError(t, err)
	_, err = store.EndPending(t.Context(), b.db, ids[2:], store.Refusal{Status: "CANCELLED", Reason: "cancelled", Actor: "ann"})
	require.NoError(t, err)
	known, err := store.WorkflowsOf(t.Context(), b.db, ids)
	require.NoError(t, err)
	require.Len(t, known, 3)
}

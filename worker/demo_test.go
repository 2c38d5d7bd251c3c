package main

import (
	"bytes"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"sluice/admin"
	"sluice/internal/store"
)

// TestDemoMayRunAgain prepares twice on one database and reads the facts of an execution in it.
func TestDemoMayRunAgain(t *testing.T) {
	t.Parallel()
	pool, err := store.Open(t.Context(), migrated(t), 4)
	require.NoError(t, err)
	defer pool.Close()
	var out bytes.Buffer
	d := newDemo(&servers{pool: pool}, newScreen(&out, &out, false))
	first, err := d.prepare(t.Context(), "http://127.0.0.1:8078")
	require.NoError(t, err)
	again, err := d.prepare(t.Context(), "http://127.0.0.1:8078")
	require.NoError(t, err)
	require.Equal(t, first, again)
	definitions, err := d.admin.Definitions(t.Context(), admin.DefinitionFilter{})
	require.NoError(t, err)
	require.Len(t, definitions, 4*len(demoCast))
	for _, definition := range definitions {
		require.Equal(t, 1, definition.Version)
	}

	items, err := demoItems(t.Context(), d.queue, first)
	require.NoError(t, err)
	answers, err := d.queue.EnqueueMany(t.Context(), items)
	require.NoError(t, err)
	// As a claim and an outcome would: one that ended; the others are gone.
	_, err = pool.Exec(t.Context(), `
		INSERT INTO sluice.ended (id, workspace_id, workflow_type, task_queue, status, priority, attempt_count, created_at, available_at,
			claimed_at, dispatched_at, ended_at, trigger_type, enqueued_by)
		SELECT id, workspace_id, workflow_type, task_queue, 'COMPLETED', priority, 0, created_at, available_at,
			now() - interval '1 second', now() - interval '1 second', now(), trigger_type, enqueued_by
		FROM sluice.pending WHERE id = $1`, answers[0].QueueID)
	require.NoError(t, err)
	_, err = pool.Exec(t.Context(), `DELETE FROM sluice.pending`)
	require.NoError(t, err)
	limits, err := d.watch(t.Context(), first, nil, time.Now().Add(-time.Minute))
	require.NoError(t, err)
	require.Equal(t, 2, limits[first[0].ID])
	require.Equal(t, 100, limits[first[6].ID])
	require.Contains(t, out.String(), "Acme Bakery")

	found, err := d.facts(t.Context(), []uuid.UUID{answers[0].QueueID, answers[1].QueueID}, first)
	require.NoError(t, err)
	require.Len(t, found.executions, 1)
	require.Len(t, found.slots, 1)
	require.Equal(t, 1, found.refused)
	before, err := d.doneBefore(t.Context(), first[:1])
	require.NoError(t, err)
	require.Equal(t, map[uuid.UUID]int{first[0].ID: 1}, before)
}

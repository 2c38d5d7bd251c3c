package queue_test

import (
	"encoding/json"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"sluice/queue"
)

func TestGetSaysWhatHasBecomeOfAnItem(t *testing.T) {
	t.Parallel()
	for fate, f := range fates {
		t.Run(fate, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			item := b.item()
			item.Input = json.RawMessage(`{"order": 7}`)
			id := b.enqueue(t, item)
			f.befall(t, b, id)
			got := b.get(t, id)
			require.Equal(t, f.over, got.Done())
			require.JSONEq(t, `{"order": 7}`, string(got.Input))
			status := got.Status
			if got.ExecutionStatus != nil {
				require.Equal(t, "DISPATCHED", got.Status)
				require.Equal(t, id, *got.ExecutionID)
				require.Equal(t, "run", *got.EngineRunID)
				require.NotNil(t, got.DispatchedAt)
				require.Equal(t, f.over, got.CompletedAt != nil)
				status = *got.ExecutionStatus
			}
			if status == "PENDING" {
				status = "QUEUED"
			}
			require.Equal(t, f.status, status)
			if f.status == "COMPLETED" {
				require.JSONEq(t, `{"greeting": "hello"}`, string(got.Output))
			}
		})
	}
}

func TestGetOfAnUnknownItem(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := uuid.New()
	_, err := b.queue.Get(t.Context(), id)
	require.ErrorIs(t, err, queue.ErrUnknownItem)
	require.ErrorContains(t, err, id.String())
}

func TestListIsNewestFirstAndNarrows(t *testing.T) {
	t.Parallel()
	b := setup(t)
	other, definition := b.newWorkspace(t, "globex")
	completed, running, pending := b.enqueue(t, b.item()), b.enqueue(t, b.item()), b.enqueue(t, b.item())
	theirs := b.enqueue(t, queue.Item{WorkspaceID: other, DefinitionID: definition})
	executed("COMPLETED")(t, b, completed)
	b.dispatch(t, running)
	for _, tt := range []struct {
		filter queue.Filter
		want   []uuid.UUID
	}{
		{queue.Filter{}, []uuid.UUID{theirs, pending, running, completed}},
		{queue.Filter{Limit: 2}, []uuid.UUID{theirs, pending}},
		{queue.Filter{WorkspaceID: b.workspace}, []uuid.UUID{pending, running, completed}},
		{queue.Filter{Status: "PENDING"}, []uuid.UUID{theirs, pending}},
		{queue.Filter{Status: "DISPATCHED"}, []uuid.UUID{running, completed}},
		{queue.Filter{Status: "RUNNING"}, []uuid.UUID{running}},
		{queue.Filter{Status: "COMPLETED", WorkspaceID: other}, nil},
	} {
		states, err := b.queue.List(t.Context(), tt.filter)
		require.NoError(t, err)
		var got []uuid.UUID
		for _, s := range states {
			require.Equal(t, b.get(t, s.ID), s)
			got = append(got, s.ID)
		}
		require.Equal(t, tt.want, got, tt.filter)
	}
}

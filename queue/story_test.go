package queue_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"sluice/queue"
)

func actions(story []queue.Activity) []string {
	var names []string
	for _, a := range story {
		names = append(names, a.Action)
	}
	return names
}

func TestTheStoryOfAnItem(t *testing.T) {
	t.Parallel()
	b := setup(t)
	item := b.item()
	item.EnqueuedBy = "checkout"
	id := b.enqueue(t, item)
	b.claim(t, 1)
	b.requeue(t, 3, failedStart(id))
	b.claim(t, 1)
	b.dispatch(t, id)
	b.end(t, id, "COMPLETED")

	story, err := b.app.ItemActivity(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, []string{"enqueued", "requeued", "claimed", "dispatched", "completed"}, actions(story))
	var actors []string
	for i, a := range story {
		actors = append(actors, a.Actor)
		require.Equal(t, b.workspace, *a.WorkspaceID)
		require.Equal(t, id, *a.QueueID)
		require.True(t, i == 0 || !a.At.Before(story[i-1].At))
	}
	require.Equal(t, []string{"checkout", "dispatcher", "dispatcher", "dispatcher", "execution"}, actors)
	require.Equal(t, "start-failed", *story[1].Reason)
	require.JSONEq(t, `{"error": "no answer", "attempt": 1}`, string(story[1].Details))
	require.JSONEq(t, `{"runId": "run-`+id.String()+`"}`, string(story[3].Details))
}

// Steps that one statement wrote have one time; the story keeps their order all the same.
func TestTheStoryOfAnOutcomeThatCameFirst(t *testing.T) {
	t.Parallel()
	b := setup(t)
	early, requeued := b.enqueue(t, b.item()), b.enqueue(t, b.item())
	b.claim(t, 2)
	b.end(t, early, "COMPLETED")
	b.requeue(t, 3, failedStart(requeued))
	b.end(t, requeued, "FAILED")
	for id, want := range map[uuid.UUID][]string{
		early:    {"enqueued", "claimed", "dispatched", "completed"},
		requeued: {"enqueued", "requeued", "claimed", "dispatched", "failed"},
	} {
		story, err := b.app.ItemActivity(t.Context(), id)
		require.NoError(t, err)
		require.Equal(t, want, actions(story))
	}
}

func TestTheStoryOfARefusedItem(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := b.enqueue(t, b.item())
	cancel(t, b, id)
	story, err := b.app.ItemActivity(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, []string{"enqueued", "cancelled"}, actions(story))
	require.Equal(t, "ann", story[1].Actor)
	require.Equal(t, "cancelled", *story[1].Reason)
	require.JSONEq(t, `{"error": "no longer wanted"}`, string(story[1].Details))
}

func TestOperatorActionsAreLogged(t *testing.T) {
	t.Parallel()
	b := setup(t)
	why := "maintenance"
	require.NoError(t, b.app.Log(t.Context(), queue.Activity{Actor: "ann", Action: "paused", Reason: &why}))
	b.setLimit(t, "FREE", 3)
	_, err := b.app.SetPlan(t.Context(), b.workspace, "PRO", "ann")
	require.NoError(t, err)
	require.Equal(t, []string{"workspace-created", "definition-applied", "paused", "tier-changed", "plan-changed"},
		list[string](t, b.pool, `SELECT action FROM sluice.activity WHERE actor = 'ann' ORDER BY at`))
	require.Equal(t, "{}", one[string](t, b.pool, `SELECT details::text FROM sluice.activity WHERE action = 'paused'`))
}

func TestItemsAreListedNewestFirst(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ids := b.enqueueN(t, 4)
	other, definition := b.newWorkspace(t, "globex", "FREE")
	foreign := b.enqueue(t, queue.Item{WorkspaceID: other, DefinitionID: definition})
	b.claim(t, 3)
	b.dispatch(t, ids[:2]...)
	b.end(t, ids[0], "COMPLETED")
	tests := map[string]struct {
		filter queue.Filter
		want   []uuid.UUID
	}{
		"all":                    {queue.Filter{}, []uuid.UUID{foreign, ids[3], ids[2], ids[1], ids[0]}},
		"limited":                {queue.Filter{Limit: 2}, []uuid.UUID{foreign, ids[3]}},
		"of one workspace":       {queue.Filter{WorkspaceID: other}, []uuid.UUID{foreign}},
		"pending":                {queue.Filter{Status: "PENDING"}, []uuid.UUID{foreign, ids[3]}},
		"claimed":                {queue.Filter{Status: "CLAIMED"}, []uuid.UUID{ids[2]}},
		"dispatched":             {queue.Filter{Status: "DISPATCHED"}, []uuid.UUID{ids[1], ids[0]}},
		"by status of their run": {queue.Filter{Status: "COMPLETED"}, []uuid.UUID{ids[0]}},
		"nothing":                {queue.Filter{WorkspaceID: other, Status: "EXPIRED"}, nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			found, err := b.app.Items(t.Context(), tt.filter)
			require.NoError(t, err)
			var got []uuid.UUID
			for _, item := range found {
				got = append(got, item.ID)
			}
			require.Equal(t, tt.want, got)
		})
	}
}

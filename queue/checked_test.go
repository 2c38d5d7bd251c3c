package queue_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"sluice/queue"
)

// For some seconds a definition that was deleted is still accepted. Its items end as those do that were waiting for it.
func TestADefinitionIsCheckedAgainAfterAWhile(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.enqueue(t, b.item())
	b.exec(t, `DELETE FROM sluice.workflow_definitions`)
	b.enqueue(t, b.item())
	_, err := b.queue.EnqueueMany(t.Context(), items(b.item(), 2))
	require.NoError(t, err)

	b.queue.ForgetDefinitions() // as time does
	_, err = b.queue.Enqueue(t.Context(), b.item())
	require.ErrorIs(t, err, queue.ErrUnknownDefinition)
	_, err = b.queue.EnqueueMany(t.Context(), items(b.item(), 2))
	require.ErrorIs(t, err, queue.ErrUnknownDefinition)
	require.Equal(t, 4, b.count(t, "pending"))
}

// What a transaction that was rolled back has seen is no evidence, nor is another workspace's definition.
func TestOnlyCommittedDefinitionsAreRemembered(t *testing.T) {
	t.Parallel()
	b := setup(t)
	item := b.item()
	item.DefinitionID = uuid.New()
	tx := b.begin(t)
	_, err := tx.Exec(t.Context(), `INSERT INTO sluice.workflow_definitions (id, workspace_id, name) VALUES ($1, $2, 'new')`, item.DefinitionID, b.workspace)
	require.NoError(t, err)
	_, err = b.queue.EnqueueTx(t.Context(), tx, item)
	require.NoError(t, err)
	_, err = b.queue.EnqueueManyTx(t.Context(), tx, items(item, 2))
	require.NoError(t, err)
	require.NoError(t, tx.Rollback(t.Context()))
	_, err = b.queue.Enqueue(t.Context(), item)
	require.ErrorIs(t, err, queue.ErrUnknownDefinition)

	other, _ := b.newWorkspace(t, "other")
	b.enqueue(t, b.item())
	item = b.item()
	item.WorkspaceID = other
	for range 2 {
		_, err = b.queue.Enqueue(t.Context(), item)
		require.ErrorIs(t, err, queue.ErrForeignDefinition)
		_, err = b.queue.EnqueueMany(t.Context(), []queue.Item{b.item(), item})
		require.ErrorIs(t, err, queue.ErrForeignDefinition)
	}
}

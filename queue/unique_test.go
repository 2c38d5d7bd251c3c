package queue_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"sluice/queue"
)

// fates are what may become of the first item of a key, the status that a repeated enqueue answers with, and whether it is over.
var fates = map[string]struct {
	befall func(t *testing.T, b *bundle, id uuid.UUID)
	status string
	over   bool
}{
	"it waits":            {func(*testing.T, *bundle, uuid.UUID) {}, "QUEUED", false},
	"it is claimed":       {func(t *testing.T, b *bundle, id uuid.UUID) { b.claim(t, id) }, "CLAIMED", false},
	"it runs":             {func(t *testing.T, b *bundle, id uuid.UUID) { b.dispatch(t, id) }, "RUNNING", false},
	"it will try again":   {func(t *testing.T, b *bundle, id uuid.UUID) { b.claim(t, id); b.requeue(t, id) }, "QUEUED", false},
	"it has completed":    {executed("COMPLETED"), "COMPLETED", true},
	"it has failed":       {executed("FAILED"), "FAILED", true},
	"it has timed out":    {executed("TIMED_OUT"), "TIMED_OUT", true},
	"it was terminated":   {executed("TERMINATED"), "TERMINATED", true},
	"it was cancelled":    {refused("CANCELLED", "cancelled"), "CANCELLED", true},
	"it has expired":      {refused("EXPIRED", "expired"), "EXPIRED", true},
	"it could not start":  {refused("FAILED", "start-failed"), "FAILED", true},
	"its run was stopped": {executed("CANCELLED"), "CANCELLED", true},
}

func executed(status string) func(*testing.T, *bundle, uuid.UUID) {
	return func(t *testing.T, b *bundle, id uuid.UUID) { b.dispatch(t, id); b.end(t, id, status) }
}

func refused(status, reason string) func(*testing.T, *bundle, uuid.UUID) {
	return func(t *testing.T, b *bundle, id uuid.UUID) { b.refuse(t, id, status, reason) }
}

// While its first item waits or runs, a key is held whatever was asked for; after its end for as long as was asked for.
func TestAUniqueKeyIsHeldForItsWindow(t *testing.T) {
	t.Parallel()
	for fate, f := range fates {
		t.Run(fate, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			for _, window := range []struct {
				name     string
				keep     time.Duration
				endedAgo time.Duration
				held     bool
			}{
				{"retained", 0, 50 * time.Minute, true},
				{"until it has ended", queue.UntilEnded, 0, false},
				{"within an hour", time.Hour, 50 * time.Minute, true},
				{"after half an hour", 30 * time.Minute, 50 * time.Minute, false},
			} {
				item := b.item()
				item.UniqueKey, item.UniqueFor = window.name, window.keep
				first := b.enqueue(t, item)
				f.befall(t, b, first)
				b.exec(t, `UPDATE sluice.ended SET ended_at = ended_at - $2::interval WHERE id = $1`, first, window.endedAgo)

				item.UniqueFor = queue.UntilEnded // what the first item said counts
				if window.held || !f.over {
					for range 2 {
						answer, err := b.queue.Enqueue(t.Context(), item)
						require.NoError(t, err)
						message := "Already enqueued under this unique key; this is the first item."
						if f.over {
							message += " It has ended as " + f.status + " and still holds the key: nothing was enqueued." +
								" To let the key go: sluice.release_key, or starter release-key."
						}
						require.Equal(t, queue.Answer{QueueID: first, Status: f.status, Message: message}, answer)
					}
					continue
				}
				second := b.enqueue(t, item)
				require.NotEqual(t, first, second)
				answer, err := b.queue.Enqueue(t.Context(), item)
				require.NoError(t, err)
				require.Equal(t, second, answer.QueueID, "the second item holds it now")
				require.Equal(t, "QUEUED", answer.Status)
			}
			require.Equal(t, 4, b.count(t, "unique_keys"))
		})
	}
}

// A key is free when its item is no longer retained, whether or not the key's row is.
func TestAKeyIsFreeWhenItsItemIsGone(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, forget := range []string{`SELECT`, `DELETE FROM sluice.unique_keys`} {
		item := b.item()
		item.UniqueKey = "order-7"
		first := b.enqueue(t, item)
		b.refuse(t, first, "CANCELLED", "cancelled")
		b.exec(t, `DELETE FROM sluice.ended`)
		b.exec(t, forget)
		second := b.enqueue(t, item)
		require.NotEqual(t, first, second)
		require.Equal(t, second, one[uuid.UUID](t, b.pool, `SELECT queue_id FROM sluice.unique_keys`))
		b.exec(t, `TRUNCATE sluice.pending, sluice.unique_keys`)
	}
}

func TestAUniqueKeyIsPerWorkspace(t *testing.T) {
	t.Parallel()
	b := setup(t)
	other, definition := b.newWorkspace(t, "globex")
	ours := b.item()
	ours.UniqueKey = "order-7"
	theirs := queue.Item{WorkspaceID: other, DefinitionID: definition, UniqueKey: "order-7"}
	require.NotEqual(t, b.enqueue(t, ours), b.enqueue(t, theirs))
}

// Whether the key is new, or its window is over: of many callers one makes an item, and the others are told which.
func TestManyCallersOfOneKeyMakeOneItem(t *testing.T) {
	t.Parallel()
	const callers = 16
	b := setup(t)
	item := b.item()
	item.UniqueKey, item.UniqueFor = "order-7", queue.UntilEnded
	made := map[uuid.UUID]bool{}
	for range 5 {
		answers := make([]queue.Answer, callers)
		var group errgroup.Group
		for n := range callers {
			group.Go(func() (err error) {
				answers[n], err = b.queue.Enqueue(t.Context(), item)
				return err
			})
		}
		require.NoError(t, group.Wait())
		want := one[uuid.UUID](t, b.pool, `SELECT id FROM sluice.pending`)
		var fresh int
		for _, a := range answers {
			require.Equal(t, want, a.QueueID)
			require.Equal(t, "QUEUED", a.Status)
			if a.Message == "Workflow execution queued. Will start when capacity is available." {
				fresh++
			}
		}
		require.Equal(t, 1, fresh)
		made[want] = true
		b.dispatch(t, want)
		b.end(t, want, "COMPLETED")
	}
	require.Len(t, made, 5)
	require.Equal(t, 5, b.count(t, "ended"))
}

// Two enqueues of one key do wait for one another: the second learns whether the first came to be.
func TestAKeyRolledBackIsFreeAgain(t *testing.T) {
	t.Parallel()
	for name, prepare := range map[string]func(b *bundle, item queue.Item){
		"a new key":             func(*bundle, queue.Item) {},
		"a key that was freed":  func(b *bundle, item queue.Item) { refused("CANCELLED", "cancelled")(t, b, b.enqueue(t, item)) },
		"a key that is of none": func(b *bundle, item queue.Item) { b.enqueue(t, item); b.exec(t, `DELETE FROM sluice.pending`) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			item := b.item()
			item.UniqueKey, item.UniqueFor = "order-7", queue.UntilEnded
			prepare(b, item)
			tx := b.begin(t)
			rolledBack, err := b.queue.EnqueueTx(t.Context(), tx, item)
			require.NoError(t, err)
			var second queue.Answer
			var group errgroup.Group
			group.Go(func() (err error) {
				second, err = b.queue.Enqueue(t.Context(), item)
				return err
			})
			b.awaitLockWaits(t, 1)
			require.NoError(t, tx.Rollback(t.Context()))
			require.NoError(t, group.Wait())
			require.NotEqual(t, rolledBack.QueueID, second.QueueID)
			require.Equal(t, second.QueueID, one[uuid.UUID](t, b.pool, `SELECT id FROM sluice.pending`))
			require.Equal(t, "QUEUED", second.Status)
		})
	}
}

package queue_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"sluice/queue"
)

func TestEnqueueManyKeepsTheOrder(t *testing.T) {
	t.Parallel()
	const count = 5000
	b := setup(t)
	items := make([]queue.Item, count)
	for n := range items {
		items[n] = b.item()
		items[n].Input = json.RawMessage(fmt.Sprintf(`{"n": %d}`, n))
	}
	answers, err := b.app.EnqueueMany(t.Context(), items)
	require.NoError(t, err)
	require.Len(t, answers, count)
	want := make([]uuid.UUID, count)
	for n, a := range answers {
		require.Equal(t, "QUEUED", a.Status)
		want[n] = a.QueueID
	}
	require.Equal(t, want, list[uuid.UUID](t, b.pool, `SELECT id FROM sluice.execution_queue ORDER BY priority, available_at, id`))
	require.Equal(t, want, list[uuid.UUID](t, b.pool, `SELECT id FROM sluice.execution_queue ORDER BY (input ->> 'n')::int`),
		"each answer belongs to the item at its place")
	require.Equal(t, want[:3], b.claim(t, 3))
	require.Equal(t, 1, one[int](t, b.pool, `SELECT count(*) FROM sluice.doorbell`), "one bell for a workspace, however many items")
}

func TestEnqueueManyMixesPlainItemsWithKeysAndTimes(t *testing.T) {
	t.Parallel()
	b := setup(t)
	item := b.item()
	item.UniqueKey = "first"
	wantFirst := b.enqueue(t, item)

	later, keyed, again := b.item(), b.item(), b.item()
	later.AvailableAt = inFuture()
	keyed.UniqueKey, again.UniqueKey = "new", "new"
	answers, err := b.app.EnqueueMany(t.Context(), []queue.Item{b.item(), item, later, keyed, b.item(), again})
	require.NoError(t, err)
	require.Len(t, answers, 6)
	require.Equal(t, wantFirst, answers[1].QueueID)
	require.Contains(t, answers[1].Message, "Already enqueued")
	require.Equal(t, answers[3].QueueID, answers[5].QueueID, "a key counts within one call too")
	require.True(t, b.view(t, answers[2].QueueID).AvailableAt.After(b.view(t, answers[0].QueueID).AvailableAt))
	require.Equal(t, 5, one[int](t, b.pool, `SELECT count(*) FROM sluice.execution_queue`))
}

func TestEnqueueManySaysWhichItemIsWrong(t *testing.T) {
	t.Parallel()
	b := setup(t)
	bad := b.item()
	bad.Priority = 9
	_, err := b.app.EnqueueMany(t.Context(), []queue.Item{b.item(), bad})
	require.ErrorContains(t, err, "item 2 of 2")

	bad = b.item()
	bad.UniqueKey, bad.ExpiresAt = "k", inFuture().AddDate(-1, 0, 0)
	_, err = b.app.EnqueueMany(t.Context(), []queue.Item{b.item(), b.item(), bad})
	require.ErrorIs(t, err, queue.ErrInvalid)
	require.ErrorContains(t, err, "item 3 of 3")
	require.Zero(t, one[int](t, b.pool, `SELECT count(*) FROM sluice.queue_items`))
}

func TestEnqueueManyOfNothing(t *testing.T) {
	t.Parallel()
	b := setup(t)
	answers, err := b.app.EnqueueMany(t.Context(), nil)
	require.NoError(t, err)
	require.Empty(t, answers)
}

func TestEnqueueManyTxRollsBackWithItsTransaction(t *testing.T) {
	t.Parallel()
	b := setup(t)
	tx := b.begin(t)
	keyed := b.item()
	keyed.UniqueKey = "k"
	_, err := b.app.EnqueueManyTx(t.Context(), tx, []queue.Item{b.item(), keyed})
	require.NoError(t, err)
	require.NoError(t, tx.Rollback(t.Context()))
	require.Zero(t, one[int](t, b.pool, `SELECT count(*) FROM sluice.queue_items`))
	answer, err := b.app.Enqueue(t.Context(), keyed)
	require.NoError(t, err)
	require.NotContains(t, answer.Message, "Already", "the key was rolled back too")
}

// Whether few or many.
func TestEnqueueManyKeepsWhoAskedForWhat(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, who := range [][]string{{"ann"}, {"ann", "ann", "", "bob", "ann"}, slices.Repeat([]string{"ann", "", "bob"}, 250)} {
		asked := items(b.item(), len(who))
		var want []string
		for n := range asked {
			asked[n].EnqueuedBy, asked[n].TriggerType = who[n], who[len(who)-1-n]
			want = append(want, cmp.Or(who[n], "shop")+" "+cmp.Or(who[len(who)-1-n], "FUNCTION"))
		}
		answers, err := b.app.EnqueueMany(t.Context(), asked)
		require.NoError(t, err)
		var ids []uuid.UUID
		for _, a := range answers {
			ids = append(ids, a.QueueID)
		}
		require.Equal(t, want, list[string](t, b.pool, `
			SELECT enqueued_by || ' ' || trigger_type FROM unnest($1::uuid[]) WITH ORDINALITY AS a (id, place) JOIN sluice.execution_queue USING (id) ORDER BY place`, ids))
	}
}

// However many they are, and in whosever transaction: the same rows, and a bell that tells of each workspace.
func TestEnqueueManyWritesTheSameForFewAndForMany(t *testing.T) {
	t.Parallel()
	b := setup(t)
	globex, theirs := b.newWorkspace(t, "globex", "FREE")
	for name, insert := range map[string]func([]queue.Item) ([]queue.Answer, error){
		"alone": func(items []queue.Item) ([]queue.Answer, error) { return b.app.EnqueueMany(t.Context(), items) },
		"in a transaction": func(items []queue.Item) (answers []queue.Answer, err error) {
			err = pgx.BeginFunc(t.Context(), b.pool, func(tx pgx.Tx) error {
				answers, err = b.app.EnqueueManyTx(t.Context(), tx, items)
				return err
			})
			return answers, err
		},
	} {
		for _, n := range []int{2, 500} {
			b.exec(t, `TRUNCATE sluice.execution_queue, sluice.doorbell`)
			want := []string{}
			asked := items(b.item(), n)
			for i := range asked {
				if i%2 == 1 {
					asked[i].WorkspaceID, asked[i].DefinitionID = globex, theirs
				}
				asked[i].Priority = 1 + i%5
				asked[i].Input = json.RawMessage(fmt.Sprintf(`{"ä": %d}`, i))
				if i == n/2 {
					asked[i].Input = json.RawMessage(`{"long": "` + strings.Repeat("x", queue.MaxInputBytes-16) + `"}`) // more than a message takes
				}
				want = append(want, fmt.Sprint(asked[i].WorkspaceID, " ", asked[i].DefinitionID, " ", asked[i].Priority, " ", string(asked[i].Input), " shop FUNCTION 0 t t t"))
			}
			answers, err := insert(asked)
			require.NoError(t, err)
			require.Len(t, answers, n)
			require.Equal(t, want, list[string](t, b.pool, `
				SELECT concat_ws(' ', workspace_id, workflow_definition_id, priority, input, enqueued_by, trigger_type, attempt_count,
				                 available_at = created_at, rung, expires_at IS NULL AND unique_key IS NULL AND last_error IS NULL)
				FROM sluice.execution_queue ORDER BY id`), "%d %s", n, name)
			require.ElementsMatch(t, []uuid.UUID{b.workspace, globex}, list[uuid.UUID](t, b.pool, `
				SELECT unnest(coalesce(workspaces, ARRAY[workspace_id])) FROM sluice.doorbell WHERE available_at = (SELECT min(available_at) FROM sluice.execution_queue)`))
		}
	}
}

func TestManyWithAWrongOneAmongThemLeaveNothing(t *testing.T) {
	t.Parallel()
	b := setup(t)
	other, _ := b.newWorkspace(t, "other", "FREE")
	b.enqueue(t, b.item()) // so its definition is vouched for
	b.exec(t, `TRUNCATE sluice.execution_queue, sluice.doorbell`)
	for name, tt := range map[string]struct {
		change func(*queue.Item)
		want   error
	}{
		"unknown definition": {func(i *queue.Item) { i.DefinitionID = uuid.New() }, queue.ErrUnknownDefinition},
		"unknown workspace":  {func(i *queue.Item) { i.WorkspaceID = uuid.New() }, queue.ErrUnknownWorkspace},
		"foreign definition": {func(i *queue.Item) { i.WorkspaceID = other }, queue.ErrForeignDefinition},
		"huge number":        {input(`{"a": 1e999999}`), queue.ErrInvalid},
		"half a pair":        {input(`{"a": "\ud800"}`), queue.ErrInvalid},
		"no JSON":            {input(`{`), queue.ErrInvalid},
		"no name":            {func(i *queue.Item) { i.EnqueuedBy = "a\x00" }, queue.ErrInvalid},
		"a wrong key":        {func(i *queue.Item) { i.UniqueKey, i.ExpiresAt = "k", inFuture().AddDate(-1, 0, 0) }, queue.ErrInvalid},
	} {
		asked := items(b.item(), 500)
		tt.change(&asked[250])
		_, err := b.app.EnqueueMany(t.Context(), asked)
		require.ErrorIs(t, err, tt.want, name)
		tx := b.begin(t)
		_, err = b.app.EnqueueManyTx(t.Context(), tx, asked)
		require.ErrorIs(t, err, tt.want, name)
		require.NoError(t, tx.Rollback(t.Context()))
	}
	require.Zero(t, one[int](t, b.pool, `SELECT count(*) FROM sluice.execution_queue`))
	require.Zero(t, one[int](t, b.pool, `SELECT count(*) FROM sluice.doorbell`))
	_, err := b.app.EnqueueMany(t.Context(), items(b.item(), 250))
	require.NoError(t, err, "the connections are as good as before")
}

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
	"golang.org/x/sync/errgroup"

	"sluice/queue"
)

func TestEnqueueManyKeepsTheOrder(t *testing.T) {
	t.Parallel()
	const count = 5000
	b := setup(t)
	many := make([]queue.Item, count)
	for n := range many {
		many[n] = b.item()
		many[n].Input = json.RawMessage(fmt.Sprintf(`{"n": %d}`, n))
	}
	answers, err := b.queue.EnqueueMany(t.Context(), many)
	require.NoError(t, err)
	require.Len(t, answers, count)
	want := make([]uuid.UUID, count)
	for n, a := range answers {
		require.Equal(t, "QUEUED", a.Status)
		want[n] = a.QueueID
	}
	require.Equal(t, want, list[uuid.UUID](t, b.pool, `SELECT id FROM sluice.pending ORDER BY priority, available_at, id`))
	require.Equal(t, want, list[uuid.UUID](t, b.pool, `SELECT id FROM sluice.pending ORDER BY (input ->> 'n')::int`),
		"each answer belongs to the item at its place")
	require.Equal(t, 1, b.count(t, "events"), "one event does, however many items")
}

func TestEnqueueManyMixesPlainItemsWithKeysAndTimes(t *testing.T) {
	t.Parallel()
	b := setup(t)
	item := b.item()
	item.UniqueKey = "first"
	wantFirst := b.enqueue(t, item)
	b.dispatch(t, wantFirst)

	later, keyed, again := b.item(), b.item(), b.item()
	later.AvailableAt = inFuture()
	keyed.UniqueKey, again.UniqueKey = "new", "new"
	answers, err := b.queue.EnqueueMany(t.Context(), []queue.Item{b.item(), item, later, keyed, b.item(), again})
	require.NoError(t, err)
	require.Len(t, answers, 6)
	require.Equal(t, queue.Answer{QueueID: wantFirst, Status: "RUNNING", Message: "Already enqueued under this unique key; this is the first item."}, answers[1])
	require.Equal(t, answers[3].QueueID, answers[5].QueueID, "a key counts within one call too")
	require.Contains(t, answers[5].Message, "Already enqueued")
	require.True(t, b.get(t, answers[2].QueueID).AvailableAt.After(b.get(t, answers[0].QueueID).AvailableAt))
	require.Equal(t, "new", *b.get(t, answers[3].QueueID).UniqueKey)
	require.Equal(t, 4, b.count(t, "pending"))
}

func TestEnqueueManySaysWhichItemIsWrong(t *testing.T) {
	t.Parallel()
	b := setup(t)
	bad := b.item()
	bad.Priority = 9
	_, err := b.queue.EnqueueMany(t.Context(), []queue.Item{b.item(), bad})
	require.ErrorContains(t, err, "item 2 of 2")

	bad = b.item()
	bad.UniqueKey, bad.ExpiresAt = "k", inFuture().AddDate(-1, 0, 0)
	good := b.item()
	good.UniqueKey = "l"
	_, err = b.queue.EnqueueMany(t.Context(), []queue.Item{good, b.item(), b.item(), bad, good})
	require.ErrorIs(t, err, queue.ErrInvalid)
	require.ErrorContains(t, err, "item 4 of 5")
	b.requireNothing(t)
}

func TestEnqueueManyOfNothing(t *testing.T) {
	t.Parallel()
	b := setup(t)
	answers, err := b.queue.EnqueueMany(t.Context(), nil)
	require.NoError(t, err)
	require.Empty(t, answers)
	b.requireNothing(t)
}

// Whether few or many.
func TestEnqueueManyKeepsOrigins(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, names := range [][]string{{"ann"}, {"ann", "ann", "", "bob", "ann"}, slices.Repeat([]string{"ann", "", "bob"}, 250)} {
		asked := items(b.item(), len(names))
		var want []string
		for n := range asked {
			asked[n].EnqueuedBy, asked[n].TriggerType = names[n], names[len(names)-1-n]
			want = append(want, cmp.Or(names[n], "shop")+" "+cmp.Or(names[len(names)-1-n], "FUNCTION"))
		}
		answers, err := b.queue.EnqueueMany(t.Context(), asked)
		require.NoError(t, err)
		var ids []uuid.UUID
		for _, a := range answers {
			ids = append(ids, a.QueueID)
		}
		require.Equal(t, want, list[string](t, b.pool, `
			SELECT enqueued_by || ' ' || trigger_type FROM unnest($1::uuid[]) WITH ORDINALITY AS a (id, place) JOIN sluice.pending USING (id) ORDER BY place`, ids))
	}
}

// However many they are, and in whatever transaction: the same rows, and an event that tells of each workspace.
func TestEnqueueManyWritesTheSameForFewAndForMany(t *testing.T) {
	t.Parallel()
	b := setup(t)
	globex, theirs := b.newWorkspace(t, "globex")
	for name, insert := range map[string]func([]queue.Item) ([]queue.Answer, error){
		"alone": func(items []queue.Item) ([]queue.Answer, error) { return b.queue.EnqueueMany(t.Context(), items) },
		"in a transaction": func(items []queue.Item) (answers []queue.Answer, err error) {
			err = pgx.BeginFunc(t.Context(), b.pool, func(tx pgx.Tx) error {
				answers, err = b.queue.EnqueueManyTx(t.Context(), tx, items)
				return err
			})
			return answers, err
		},
	} {
		for _, n := range []int{2, 500} {
			b.exec(t, `TRUNCATE sluice.pending, sluice.events`)
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
				want = append(want, fmt.Sprint(asked[i].WorkspaceID, " ", asked[i].DefinitionID, " ", asked[i].Priority, " ", string(asked[i].Input), " shop FUNCTION 0 t t"))
			}
			answers, err := insert(asked)
			require.NoError(t, err)
			require.Len(t, answers, n)
			require.Equal(t, want, list[string](t, b.pool, `
				SELECT concat_ws(' ', workspace_id, workflow_definition_id, priority, coalesce(input, (SELECT i.input FROM sluice.inputs i WHERE i.id = p.id)),
				                 enqueued_by, trigger_type, attempt_count, available_at = created_at, expires_at IS NULL AND unique_key IS NULL AND last_error IS NULL)
				FROM sluice.pending p ORDER BY id`), "%d %s", n, name)
			require.ElementsMatch(t, []uuid.UUID{b.workspace, globex}, one[[]uuid.UUID](t, b.pool, `
				SELECT workspaces FROM sluice.events WHERE available_at = (SELECT min(available_at) FROM sluice.pending)
				AND quiet = $1 AND workspace_id IS NULL AND item_id IS NULL`, name == "alone"))
		}
	}
}

func TestManyWithAWrongOneAmongThemLeaveNothing(t *testing.T) {
	t.Parallel()
	b := setup(t)
	other, _ := b.newWorkspace(t, "other")
	b.enqueue(t, b.item()) // so its definition has been checked
	b.exec(t, `TRUNCATE sluice.pending, sluice.events`)
	for name, tt := range map[string]struct {
		change func(*queue.Item)
		want   error
	}{
		"unknown definition": {func(i *queue.Item) { i.DefinitionID = uuid.New() }, queue.ErrUnknownDefinition},
		"unknown workspace":  {func(i *queue.Item) { i.WorkspaceID = uuid.New() }, queue.ErrUnknownWorkspace},
		"foreign definition": {func(i *queue.Item) { i.WorkspaceID = other }, queue.ErrForeignDefinition},
		"huge number":        {input(`{"a": 1e999999}`), queue.ErrInvalid},
		"half a pair":        {input(`{"a": "\ud800"}`), queue.ErrInvalid},
		"large half a pair":  {input(`{"a": "\ud800` + strings.Repeat("x", 5000) + `"}`), queue.ErrInvalid},
		"no JSON":            {input(`{`), queue.ErrInvalid},
		"no name":            {func(i *queue.Item) { i.EnqueuedBy = "a\x00" }, queue.ErrInvalid},
		"a wrong key":        {func(i *queue.Item) { i.UniqueKey, i.ExpiresAt = "k", inFuture().AddDate(-1, 0, 0) }, queue.ErrInvalid},
	} {
		asked := items(b.item(), 500)
		asked[0].Input = sized(5000)
		tt.change(&asked[250])
		_, err := b.queue.EnqueueMany(t.Context(), asked)
		require.ErrorIs(t, err, tt.want, name)
		tx := b.begin(t)
		_, err = b.queue.EnqueueManyTx(t.Context(), tx, asked)
		require.ErrorIs(t, err, tt.want, name)
		require.NoError(t, tx.Rollback(t.Context()))
	}
	b.requireNothing(t)
	_, err := b.queue.EnqueueMany(t.Context(), items(b.item(), 250))
	require.NoError(t, err, "the connections are as good as before")
}

// Each call waits for keys that the other holds, but never in turn.
func TestManyWithTheSameKeysDoNotDeadlock(t *testing.T) {
	t.Parallel()
	const keys, callers = 40, 6
	b := setup(t)
	ids := make([]map[string]uuid.UUID, callers)
	var group errgroup.Group
	for n := range callers {
		asked := items(b.item(), keys)
		for i := range asked {
			asked[i].UniqueKey = fmt.Sprint("key-", i)
		}
		if n%2 == 1 {
			slices.Reverse(asked)
		}
		group.Go(func() error {
			ids[n] = map[string]uuid.UUID{}
			answers, err := b.queue.EnqueueMany(t.Context(), asked)
			for i, a := range answers {
				ids[n][asked[i].UniqueKey] = a.QueueID
			}
			return err
		})
	}
	require.NoError(t, group.Wait())
	require.Equal(t, keys, b.count(t, "pending"))
	for n := range callers {
		require.Equal(t, ids[0], ids[n])
	}
}

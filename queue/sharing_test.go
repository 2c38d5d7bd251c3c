package queue_test

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"sluice/queue"
)

// calls are enqueues under way, while a lock lets none of them go on.
type calls struct {
	b       *bundle
	lock    pgx.Tx
	answers []chan called
}

type called struct {
	queue.Answer
	err error
}

// crowd returns calls of which two wait for the lock, each with a statement of its own, so that others gather.
func (b *bundle) crowd(t *testing.T) *calls {
	t.Helper()
	b.queue.SetPatience(time.Hour)
	b.enqueue(t, b.item()) // so the definition has been checked
	b.exec(t, `TRUNCATE sluice.pending, sluice.events`)
	c := &calls{b: b, lock: b.begin(t)}
	_, err := c.lock.Exec(t.Context(), `LOCK TABLE sluice.pending IN EXCLUSIVE MODE`)
	require.NoError(t, err)
	return c
}

func (c *calls) release(t *testing.T) { t.Helper(); require.NoError(t, c.lock.Commit(t.Context())) }

func (c *calls) enqueue(ctx context.Context, item queue.Item) (place int) {
	answer := make(chan called, 1)
	c.answers = append(c.answers, answer)
	go func() {
		got, err := c.b.queue.Enqueue(ctx, item)
		answer <- called{got, err}
	}()
	return len(c.answers) - 1
}

func (c *calls) answer(t *testing.T, place int) called {
	t.Helper()
	select {
	case a := <-c.answers[place]:
		return a
	case <-time.After(time.Minute):
		require.FailNow(t, "no answer", "call %d", place)
		return called{}
	}
}

func (c *calls) gathered(t *testing.T, n int) {
	t.Helper()
	require.Eventually(t, func() bool { return c.b.queue.Gathered() == n }, time.Minute, time.Millisecond)
}

func TestEnqueuesThatComeTogetherShareStatements(t *testing.T) {
	t.Parallel()
	const n = 300
	b := setup(t)
	c := b.crowd(t)
	for i := range n + 2 {
		item := b.item()
		item.Input = json.RawMessage(fmt.Sprintf(`{"place": %d}`, i))
		c.enqueue(t.Context(), item)
		if i == 1 {
			b.awaitLockWaits(t, 2)
		}
	}
	c.gathered(t, n)
	c.release(t)
	ids := map[uuid.UUID]bool{}
	for place := range n + 2 {
		a := c.answer(t, place)
		require.NoError(t, a.err)
		require.Equal(t, "QUEUED", a.Status)
		require.JSONEq(t, fmt.Sprintf(`{"place": %d}`, place), string(b.get(t, a.QueueID).Input), "to each its own")
		ids[a.QueueID] = true
	}
	require.Len(t, ids, n+2)
	require.Equal(t, 4, b.count(t, "events"), "two by themselves, then 256 and the rest: an event for each statement")
}

// A call that is refused does no harm to those beside it.
func TestAWrongEnqueueHarmsNoOther(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c := b.crowd(t)
	_, theirs := b.newWorkspace(t, "globex")
	wrong, unknown := b.item(), b.item()
	wrong.DefinitionID = theirs
	unknown.DefinitionID = uuid.New()
	c.enqueue(t.Context(), b.item())
	c.enqueue(t.Context(), b.item())
	b.awaitLockWaits(t, 2)
	c.enqueue(t.Context(), b.item())
	c.gathered(t, 1)
	refused := []int{c.enqueue(t.Context(), wrong), c.enqueue(t.Context(), unknown)}
	good := []int{0, 1, 2, c.enqueue(t.Context(), b.item())}
	c.gathered(t, 4)
	c.release(t)
	for _, place := range good {
		require.NoError(t, c.answer(t, place).err)
	}
	require.ErrorIs(t, c.answer(t, refused[0]).err, queue.ErrForeignDefinition)
	require.ErrorIs(t, c.answer(t, refused[1]).err, queue.ErrUnknownDefinition)
	require.Equal(t, 4, b.count(t, "pending"), "each once")
}

// A caller that gives up may use the memory of its input for something else, while the item is still on its way.
func TestACallerThatGivesUpKeepsItsInput(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c := b.crowd(t)
	item := b.item()
	item.Input = json.RawMessage(`{"a": 1}`)
	for range 3 {
		c.enqueue(t.Context(), item)
		if len(c.answers) == 2 {
			b.awaitLockWaits(t, 2)
		}
	}
	c.gathered(t, 1)
	ctx, giveUp := context.WithCancel(t.Context())
	left := c.enqueue(ctx, item)
	c.gathered(t, 2)
	giveUp()
	require.ErrorIs(t, c.answer(t, left).err, context.Canceled)
	copy(item.Input, `[1, 2, 3`)
	c.release(t)
	for place := range 3 {
		require.NoError(t, c.answer(t, place).err)
	}
	require.Equal(t, 3, one[int](t, b.pool, `SELECT count(*) FROM sluice.pending WHERE input = '{"a": 1}'`))
}

// Such a pool may give each caller a role of its own.
func TestEnqueuesOfAPoolThatPreparesConnectionsKeepTheirOwn(t *testing.T) {
	t.Parallel()
	b := setup(t)
	var mu sync.Mutex
	prepared := map[any]int{}
	app := queue.New(b.open(t, func(config *pgxpool.Config) {
		config.MaxConns = 4
		config.PrepareConn = func(ctx context.Context, _ *pgx.Conn) (bool, error) {
			mu.Lock()
			defer mu.Unlock()
			prepared[ctx.Value(caller{})]++
			return true, nil
		}
	}))
	var group errgroup.Group
	want := map[any]int{}
	for n := range 50 {
		want[n] = 1
		group.Go(func() error {
			_, err := app.Enqueue(context.WithValue(t.Context(), caller{}, n), b.item())
			return err
		})
	}
	require.NoError(t, group.Wait())
	require.Equal(t, want, prepared)
}

type caller struct{}

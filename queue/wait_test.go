package queue_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"sluice/queue"
)

func TestWaitReturnsWhenTheItemHasEnded(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ended, refusedID := b.enqueue(t, b.item()), b.enqueue(t, b.item())
	type result struct {
		queue.State
		err error
	}
	results := make(chan result, 2)
	for _, id := range []uuid.UUID{ended, refusedID} {
		go func() {
			state, err := b.queue.Wait(t.Context(), id)
			results <- result{state, err}
		}()
	}
	b.dispatch(t, ended)
	require.Never(t, func() bool { return len(results) > 0 }, 250*time.Millisecond, 10*time.Millisecond, "it waits, and it runs")
	b.end(t, ended, "COMPLETED")
	got := <-results
	require.NoError(t, got.err)
	require.Equal(t, b.get(t, ended), got.State)
	require.JSONEq(t, `{"greeting": "hello"}`, string(got.Output))

	b.refuse(t, refusedID, "EXPIRED", "expired")
	got = <-results
	require.NoError(t, got.err)
	require.Equal(t, "EXPIRED", got.Status)

	again, err := b.queue.Wait(t.Context(), refusedID)
	require.NoError(t, err)
	require.Equal(t, got.State, again, "what has ended is not waited for")
}

func TestWaitEndsWithItsContext(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := b.enqueue(t, b.item())
	ctx, stop := context.WithTimeout(t.Context(), 5*time.Second) // on a busy machine the first look may take its time
	defer stop()
	state, err := b.queue.Wait(ctx, id)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.Equal(t, "PENDING", state.Status, "what was seen last")

	ctx, stop = context.WithCancel(t.Context())
	stop()
	_, err = b.queue.Wait(ctx, id)
	require.ErrorIs(t, err, context.Canceled)
}

// payloads counts looks at items, by whether they read inputs and results.
type payloads struct{ with, without atomic.Int32 }

func (p *payloads) TraceQueryStart(ctx context.Context, _ *pgx.Conn, data pgx.TraceQueryStartData) context.Context {
	if n := len(data.Args); n > 0 && strings.HasPrefix(data.SQL, "-- Items by their ids") {
		if reads, _ := data.Args[n-1].(bool); reads {
			p.with.Add(1)
		} else {
			p.without.Add(1)
		}
	}
	return ctx
}

func (*payloads) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

// Many wait for long, for items with hundreds of kilobytes.
func TestWhoWaitsReadsInputAndResultOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	var read payloads
	traced := queue.New(b.open(t, func(c *pgxpool.Config) { c.ConnConfig.Tracer = &read }))
	item := b.item()
	item.Input = []byte(`{"order": 7}`)
	id := b.enqueue(t, item)
	ctx, stop := context.WithCancel(t.Context())
	seen := make(chan queue.State, 1)
	go func() {
		state, _ := traced.Wait(ctx, id)
		seen <- state
	}()
	require.Eventually(t, func() bool { return read.with.Load()+read.without.Load() >= 5 }, time.Minute, time.Millisecond)
	stop()
	require.JSONEq(t, `{"order": 7}`, string((<-seen).Input), "what was seen last")
	require.EqualValues(t, 1, read.with.Load())

	ended := make(chan queue.State, 1)
	go func() {
		state, _ := traced.Wait(t.Context(), id)
		ended <- state
	}()
	require.Eventually(t, func() bool { return read.with.Load()+read.without.Load() >= 10 }, time.Minute, time.Millisecond)
	b.dispatch(t, id)
	b.end(t, id, "COMPLETED")
	require.Equal(t, b.get(t, id), <-ended)
	require.EqualValues(t, 3, read.with.Load())
}

func TestWaitForAnUnknownItem(t *testing.T) {
	t.Parallel()
	b := setup(t)
	_, err := b.queue.Wait(t.Context(), uuid.New())
	require.ErrorIs(t, err, queue.ErrUnknownItem)
}

// Those who wait at the same time share statements, and each gets its own answer.
func TestManyWaitAtOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	var ids []uuid.UUID
	var group errgroup.Group
	for range 60 {
		id := b.enqueue(t, b.item())
		ids = append(ids, id)
		for range 2 {
			group.Go(func() error {
				state, err := b.queue.Wait(t.Context(), id)
				if err == nil && state.ID != id {
					err = fmt.Errorf("%s was answered for %s", state.ID, id)
				}
				return err
			})
		}
	}
	for _, id := range []uuid.UUID{uuid.New(), uuid.Nil} {
		var unknown errgroup.Group
		for range 20 {
			unknown.Go(func() error {
				if _, err := b.queue.Wait(t.Context(), id); !errors.Is(err, queue.ErrUnknownItem) {
					return fmt.Errorf("an unknown item: %w", err)
				}
				return nil
			})
		}
		require.NoError(t, unknown.Wait())
	}
	for _, id := range ids {
		b.refuse(t, id, "CANCELLED", "cancelled")
	}
	require.NoError(t, group.Wait())
}

package recovery

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"

	"sluice/internal/store"
	"sluice/workflows"
)

// However late Temporal shows a run within visibilityLag, the next pass knows of it, and so do all until it is that old.
func TestEveryPassKnowsAllThatTemporalShows(t *testing.T) {
	t.Parallel()
	v, known := newTemporal(), closedRuns(nil)
	r := &Recovery{client: v}
	began := time.Date(2026, 1, 2, 3, 4, 5, 678_900_000, time.UTC)
	late := []time.Duration{0, time.Millisecond, time.Second, usualLag, 2 * usualLag, visibilityLag - time.Second}
	for pass := range 60 {
		now := began.Add(time.Duration(pass) * 2 * time.Second)
		for i, lag := range late {
			if pass%len(late) == i {
				v.show(workflows.ExecutionID(uuid.New()), fmt.Sprint("closed ", pass), now.Add(-lag), false)
				v.show(workflows.ExecutionID(uuid.New()), fmt.Sprint("open ", pass), now.Add(-lag), true)
				v.show(fmt.Sprintf("another's %d", pass), "run", now.Add(-lag), false)
			}
		}
		since := now.Add(-time.Millisecond)
		if pass == 40 {
			since = now.Add(-time.Minute) // Postgres has lost how far the others have looked
		}
		closed, open, err := r.look(t.Context(), since, known)
		require.NoError(t, err)
		var wantClosed, wantOpen []store.Run
		for _, info := range v.listed {
			run, ours := runOf(info)
			if info.CloseTime != nil {
				run.ClosedAt = info.CloseTime.AsTime()
			}
			switch {
			case !ours || info.StartTime.AsTime().Before(since.Truncate(time.Millisecond).Add(-visibilityLag)):
			case info.CloseTime == nil:
				wantOpen = append(wantOpen, run)
			default:
				wantClosed = append(wantClosed, run)
			}
		}
		require.ElementsMatch(t, wantClosed, closed.runs(), "pass %d", pass)
		require.ElementsMatch(t, wantOpen, open, "pass %d", pass)
		known = closed
	}
}

func TestWhatIsKnownIsNotReadAgain(t *testing.T) {
	t.Parallel()
	v, known := newTemporal(), closedRuns(nil)
	r := &Recovery{client: v}
	now := time.Now()
	for pass := range 9 {
		for range 10 {
			v.show(workflows.ExecutionID(uuid.New()), "run", now, false)
		}
		var err error
		known, _, err = r.look(t.Context(), now, known)
		require.NoError(t, err)
		require.Len(t, known.runs(), 10*(pass+1))
		now = now.Add(2 * time.Second)
	}
	require.Less(t, v.read, 2*len(v.listed), "a run is read by the passes that look back to it within usualLag, which are two")
}

func TestAPassReadsALimitedNumberOfPages(t *testing.T) {
	t.Parallel()
	v := newTemporal()
	r := &Recovery{client: v, log: slog.New(slog.DiscardHandler)}
	now := time.Now()
	for range 10*listPages + 1 {
		v.show(workflows.ExecutionID(uuid.New()), "run", now, false)
	}
	closed, _, err := r.look(t.Context(), now, nil)
	require.NoError(t, err)
	require.Len(t, closed, 10*listPages)
}

// Another run follows it, and closes in its turn.
func TestARunThatHasContinuedAsNewIsNoEnd(t *testing.T) {
	t.Parallel()
	v := newTemporal()
	r := &Recovery{client: v}
	now := time.Now()
	w := &workflow{runID: "first", status: enumspb.WORKFLOW_EXECUTION_STATUS_CONTINUED_AS_NEW}
	v.list(w.info(workflows.ExecutionID(uuid.New())), now)
	closed, open, err := r.look(t.Context(), now, nil)
	require.NoError(t, err)
	require.Empty(t, closed.runs())
	require.Empty(t, open)
	require.Len(t, closed, 1, "Temporal counts it")
}

// A Temporal that is slow, or has much to list, must leave time to compare what it has listed.
func TestAPassReadsListsForALimitedTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		v := newTemporal()
		r := &Recovery{client: v, log: slog.New(slog.DiscardHandler)}
		now := time.Now()
		for range 10 * listPages {
			v.show(workflows.ExecutionID(uuid.New()), "run", now, false)
		}
		v.lists = func(context.Context) error {
			time.Sleep(listTime / 3)
			return nil
		}
		closed, _, err := r.look(t.Context(), now, nil)
		require.NoError(t, err)
		require.Len(t, closed, 3*10)
	})
}

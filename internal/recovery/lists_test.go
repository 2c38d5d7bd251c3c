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
		var lists readings
		closed, open, err := r.look(t.Context(), since, now, known, &lists)
		require.NoError(t, err)
		require.False(t, lists.rest())
		require.Equal(t, now, lists.until())
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
		known, _, err = r.look(t.Context(), now, now, known, new(readings))
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
	since := time.Now()
	first, second := since.Add(2*time.Second), since.Add(4*time.Second)
	for range 10*listPages + 1 {
		v.show(workflows.ExecutionID(uuid.New()), "run", since, false)
	}
	var lists readings
	closed, _, err := r.look(t.Context(), since, first, nil, &lists)
	require.NoError(t, err)
	require.LessOrEqual(t, len(closed), 10*listPages) // fewer on a machine that takes more than listTime for them
	require.True(t, lists.rest())
	require.Zero(t, lists.until())
	for read := len(closed); lists.rest(); {
		closed, _, err = r.look(t.Context(), since, second, closed, &lists)
		require.NoError(t, err)
		if read += len(closed); !lists.rest() {
			require.Equal(t, len(v.listed), read, "the next ones read on")
		}
	}
	require.Equal(t, first, lists.until(), "what has changed since the first is not in the list")
}

func TestTwoLongListsAreReadOnSideBySide(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { // its clock stands still while pages are read
		v := newTemporal()
		r := &Recovery{client: v, log: slog.New(slog.DiscardHandler)}
		since := time.Now()
		for n := range 20*listPages + 1 { // two passes for the closed, three for the open ones
			if n%2 == 0 {
				v.show(workflows.ExecutionID(uuid.New()), "run", since, false)
			}
			v.show(workflows.ExecutionID(uuid.New()), "run", since, true)
		}
		var lists readings
		var until []time.Duration
		for pass := range 6 {
			_, _, err := r.look(t.Context(), since, since.Add(time.Duration(pass+1)*time.Second), nil, &lists)
			require.NoError(t, err)
			until = append(until, max(lists.until().Sub(since), 0))
		}
		require.Equal(t, []time.Duration{0, 0, time.Second, time.Second, time.Second, 4 * time.Second}, until)
	})
}

func TestTheRestOfAListIsReadUnlessItIsOutOfDate(t *testing.T) {
	t.Parallel()
	since := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	l := reading{condition: "some", token: []byte("next"), since: since, began: since.Add(time.Minute), until: since.Add(time.Second)}
	for name, test := range map[string]struct {
		since time.Time
		want  reading
	}{
		"nobody has looked further":    {since, l},
		"another has, but not so far":  {since.Add(time.Second), l},
		"another has looked beyond it": {l.began, reading{since: l.began, began: since.Add(time.Hour), until: l.until}},
		"the database is an older one": {since.Add(-time.Hour), reading{since: since.Add(-time.Hour), began: since.Add(time.Hour)}},
	} {
		got, rest := l.next(test.since, since.Add(time.Hour))
		require.Equal(t, test.want, got, name)
		require.Equal(t, len(test.want.token) > 0, rest, name)
	}
}

// Another run follows it, and closes in its turn.
func TestARunThatHasContinuedAsNewIsNoEnd(t *testing.T) {
	t.Parallel()
	v := newTemporal()
	r := &Recovery{client: v}
	now := time.Now()
	w := &workflow{runID: "first", status: enumspb.WORKFLOW_EXECUTION_STATUS_CONTINUED_AS_NEW}
	v.list(w.info(workflows.ExecutionID(uuid.New())), now)
	closed, open, err := r.look(t.Context(), now, now, nil, new(readings))
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
		var lists readings
		for pages := 0; pages < listPages; pages += 3 {
			closed, _, err := r.look(t.Context(), now.Add(-time.Second), time.Now(), nil, &lists)
			require.NoError(t, err)
			require.Len(t, closed, 10*min(3, listPages-pages))
		}
		require.False(t, lists.rest())
	})
}

package facts_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"sluice/internal/store/facts"
)

func TestHeldSlotsAreThoseOfTheWindowAndOfTheWorkspaces(t *testing.T) {
	t.Parallel()
	b := setup(t)
	other, definition := b.newWorkspace(t, "globex", "PRO")
	ids := b.enqueueN(t, 5)
	ahead := b.enqueueN(t, 1)
	foreign := b.enqueue(t, item{other, definition, 3, 0})
	b.run(t, ids[:4]...)
	b.run(t, foreign)
	b.run(t, ahead...)
	b.end(t, "COMPLETED", append(ahead, ids[:3]...)...)
	b.exec(t, `UPDATE sluice.ended SET ended_at = ended_at + interval '1 day' WHERE id = $1`, ahead[0]) // by a clock that was
	b.cancel(t, ids[4])
	b.exec(t, `UPDATE sluice.ended SET claimed_at = ended_at WHERE id = $1`, ids[2]) // its outcome came when it was pending again
	b.exec(t, `UPDATE sluice.ended SET claimed_at = claimed_at - interval '5 hours', ended_at = ended_at - interval '3 hours' WHERE id = $1`, ids[0])
	held := func(hours time.Duration, workspaces ...uuid.UUID) (found []uuid.UUID) {
		from := time.Time{}
		if hours > 0 {
			from = time.Now().Add(-hours * time.Hour)
		}
		held, err := facts.HeldSlots(t.Context(), b.pool, from, workspaces...)
		require.NoError(t, err)
		for _, h := range held {
			found = append(found, h.ID)
			require.Equal(t, h.ID == ids[0] || h.ID == ids[1], h.To != nil)
		}
		return found
	}
	for hours, want := range map[time.Duration][]uuid.UUID{1: {ids[1], ids[3]}, 4: {ids[0], ids[1], ids[3]}, 0: {ids[0], ids[1], ids[3]}} {
		require.ElementsMatch(t, want, held(hours, b.workspace), "%d hours", hours)
		require.ElementsMatch(t, append(want, foreign), held(hours), "%d hours", hours)
	}
	require.Equal(t, []uuid.UUID{foreign}, held(1, other))

	times, err := facts.ExecutionTimes(t.Context(), b.pool, append(ids, uuid.New()))
	require.NoError(t, err)
	status := map[uuid.UUID]string{}
	for _, x := range times {
		status[x.ID] = x.Status
		require.Equal(t, b.workspace, x.WorkspaceID)
		require.Equal(t, x.Status == "COMPLETED", x.CompletedAt != nil)
	}
	require.Equal(t, map[uuid.UUID]string{ids[0]: "COMPLETED", ids[1]: "COMPLETED", ids[2]: "COMPLETED", ids[3]: "RUNNING"}, status)
	holders, err := facts.SlotHolders(t.Context(), b.pool)
	require.NoError(t, err)
	require.ElementsMatch(t, []uuid.UUID{ids[3], foreign}, holders)
}

// An audit of the last minutes must not read what is retained of months.
func TestAWindowReadsOnlyItsPartitions(t *testing.T) {
	t.Parallel()
	b := setup(t)
	tomorrow := time.Now().Add(24 * time.Hour)
	today := "ended_" + time.Now().UTC().Format("20060102")
	for _, mode := range []string{custom, generic} {
		read := b.read(t, mode, facts.HeldSlotsSQL, &tomorrow, nil)
		require.NotContains(t, read, today, mode)
		require.Contains(t, read, "ended_"+tomorrow.UTC().Format("20060102"), mode)
	}
}

func TestReopeningsComeWithTheEarlierOnes(t *testing.T) {
	t.Parallel()
	b := setup(t)
	twice, once, pending := uuid.New(), uuid.New(), uuid.New()
	for _, r := range []struct {
		id      uuid.UUID
		hours   int
		details string
	}{
		{twice, 3, `{"completedAt": "2026-01-02T03:04:05Z"}`}, {twice, 0, `{"completedAt": "2026-01-03T03:04:05Z"}`}, {once, 3, `{}`}, {pending, 0, `{}`},
	} {
		b.exec(t, `INSERT INTO sluice.activity_log (at, actor, action, queue_id, details) VALUES (now() - $2 * interval '1 hour', 'recovery', 'reopened', $1, $3)`, r.id, r.hours, r.details)
	}
	b.exec(t, `INSERT INTO sluice.activity_log (actor, action, queue_id) VALUES ('recovery', 'superseded', $1)`, once)
	found := func(from time.Time) map[uuid.UUID]int {
		reopenings, err := facts.Reopenings(t.Context(), b.pool, from)
		require.NoError(t, err)
		n := map[uuid.UUID]int{}
		for _, r := range reopenings {
			n[r.ID]++
			require.Equal(t, r.ID == twice, r.Before != nil)
		}
		return n
	}
	require.Equal(t, map[uuid.UUID]int{twice: 2, pending: 1}, found(time.Now().Add(-time.Hour)))
	require.Equal(t, map[uuid.UUID]int{twice: 2, pending: 1, once: 1}, found(time.Time{}))
}

func TestStandings(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ids := b.enqueueN(t, 5)
	b.claim(t, ids[1])
	b.run(t, ids[0], ids[4])
	b.cancel(t, ids[2])
	b.end(t, "FAILED", ids[4])
	unknown := uuid.New()
	want := map[uuid.UUID]string{ids[0]: "RUNNING", ids[1]: "CLAIMED", ids[2]: "CANCELLED", ids[3]: "PENDING", ids[4]: "FAILED"}
	for _, asked := range [][]uuid.UUID{ids, append(ids, unknown, unknown)} {
		standings, err := facts.Standings(t.Context(), b.pool, asked)
		require.NoError(t, err)
		require.Len(t, standings, min(len(asked), len(ids)+1))
		for _, s := range standings {
			if s.ID == unknown {
				require.Nil(t, s.Status)
				continue
			}
			require.Equal(t, want[s.ID], *s.Status)
			require.Equal(t, s.ID == ids[0] || s.ID == ids[1], s.SlotAt != nil)
		}
	}
}

func TestATraceIsOfWhatHasEnded(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ids := b.enqueueN(t, 5)
	b.run(t, ids[:4]...)
	b.end(t, "COMPLETED", ids[:3]...)
	b.cancel(t, ids[4])
	b.exec(t, `UPDATE sluice.ended SET available_at = now() - interval '1 day' WHERE id = $1`, ids[0])
	b.exec(t, `UPDATE sluice.ended SET claimed_at = ended_at - interval '3 seconds', priority = 2`)
	trace, err := facts.Trace(t.Context(), b.pool, time.Now().Add(-time.Hour), 10)
	require.NoError(t, err)
	require.Len(t, trace, 2)
	require.False(t, trace[1].AvailableAt.Before(trace[0].AvailableAt))
	require.Equal(t, b.workspace, trace[0].WorkspaceID)
	require.Equal(t, 2, trace[0].Priority)
	require.Equal(t, 3*time.Second, trace[0].Runs)
	newest, err := facts.Trace(t.Context(), b.pool, time.Now().Add(-48*time.Hour), 2)
	require.NoError(t, err)
	require.Equal(t, trace, newest, "of more than so many the newest")
}

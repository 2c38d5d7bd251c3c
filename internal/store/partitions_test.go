package store_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"sluice/internal/store"
)

func (b *bundle) makePartitions(t *testing.T) int {
	t.Helper()
	made, err := store.MakePartitions(t.Context(), b.db)
	require.NoError(t, err)
	return made
}

// partitions are the days, counted from today by UTC, with which those of a parent begin and end.
func (b *bundle) partitions(t *testing.T, parent string) (days [][2]int) {
	t.Helper()
	type row struct{ FromAt, ToAt int }
	rows, err := store.Collect[row](t.Context(), b.db, `
		SELECT extract(epoch FROM from_at - today)::int / 86400 AS from_at, extract(epoch FROM to_at - today)::int / 86400 AS to_at
		FROM sluice.partitions, (SELECT date_trunc('day', now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC' AS today) AS t
		WHERE parent = $1 ORDER BY 1`, parent)
	require.NoError(t, err)
	for _, r := range rows {
		days = append(days, [2]int{r.FromAt, r.ToAt})
	}
	return days
}

// dropAll takes the partitions away, as if they had not been made in time.
func (b *bundle) dropAll(t *testing.T) {
	t.Helper()
	for _, name := range list[string](t, b.db, `SELECT name FROM sluice.partitions`) {
		b.exec(t, `DROP TABLE sluice.`+name)
	}
	b.exec(t, `DELETE FROM sluice.partitions`)
}

// partition adds one of the past, as one that was made then.
func (b *bundle) partition(t *testing.T, parent string, from, to int) store.Partition {
	t.Helper()
	today := time.Now().UTC().Truncate(24 * time.Hour)
	p := store.Partition{Parent: parent, FromAt: today.AddDate(0, 0, from), ToAt: today.AddDate(0, 0, to)}
	p.Name = parent + p.FromAt.Format("_20060102")
	b.exec(t, fmt.Sprintf(`CREATE TABLE sluice.%s PARTITION OF sluice.%s FOR VALUES FROM ('%s') TO ('%s')`,
		p.Name, parent, p.FromAt.Format(time.RFC3339), p.ToAt.Format(time.RFC3339)))
	b.exec(t, `INSERT INTO sluice.partitions VALUES ($1, $2, $3, $4)`, p.Name, parent, p.FromAt, p.ToAt)
	return p
}

// endedAt sets when an item ended, which moves it to another partition.
func (b *bundle) endedAt(t *testing.T, id uuid.UUID, days float64) {
	t.Helper()
	b.exec(t, `UPDATE sluice.ended SET ended_at = date_trunc('day', now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC' + $2 * interval '1 day' WHERE id = $1`, id, days)
}

// where is the table that an item has ended in.
func (b *bundle) where(t *testing.T, id uuid.UUID) string {
	t.Helper()
	return one[string](t, b.db, `SELECT tableoid::regclass::text FROM sluice.ended WHERE id = $1`, id)
}

func (b *bundle) retain(t *testing.T, retention string) {
	t.Helper()
	b.exec(t, `UPDATE sluice.settings SET retention = $1::text::interval`, retention)
}

func TestPartitionsOfTheComingDaysAreMade(t *testing.T) {
	t.Parallel()
	b := setup(t)
	want := [][2]int{{0, 1}, {1, 2}, {2, 3}, {3, 4}}
	for _, parent := range []string{"ended", "activity_log"} {
		require.Equal(t, want, b.partitions(t, parent))
	}
	require.Zero(t, b.makePartitions(t), "they are there")
	id := b.enqueue(t, 1)[0]
	b.run(t, id)
	require.Equal(t, "sluice.ended_"+time.Now().UTC().Format("20060102"), b.where(t, id))
	b.dropAll(t)
	require.Equal(t, 8, b.makePartitions(t))
	require.Equal(t, want, b.partitions(t, "ended"))
}

// Recovery was away for so long that there was no partition left. What ended meanwhile stays where it is.
func TestAGapInThePartitionsIsLeftBehind(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ids := b.enqueue(t, 5)
	for _, id := range ids {
		b.run(t, id)
	}
	b.dropAll(t)
	ids = b.enqueue(t, 5)
	for _, id := range ids {
		b.run(t, id)
	}
	b.partition(t, "ended", -6, -5)
	for i, days := range []float64{-5.5, -3, -1, 0} {
		b.endedAt(t, ids[i], days)
	}
	require.Equal(t, 7, b.makePartitions(t))
	require.Equal(t, [][2]int{{-6, -5}, {1, 2}, {2, 3}, {3, 4}}, b.partitions(t, "ended"), "today's is left out: some of it is in the rest")
	require.Equal(t, [][2]int{{0, 1}, {1, 2}, {2, 3}, {3, 4}}, b.partitions(t, "activity_log"))
	for _, id := range ids {
		require.Equal(t, "COMPLETED", *b.view(t, id).ExecutionStatus)
	}
	require.Equal(t, 4, one[int](t, b.db, `SELECT count(*) FROM sluice.ended_rest`))
	require.Zero(t, b.makePartitions(t))
	late := b.enqueue(t, 1)[0]
	b.run(t, late)
	require.Equal(t, "sluice.ended_rest", b.where(t, late))
}

// Around midnight, or after a clock was set back, something may have ended on a day that has not begun.
func TestWhatEndedInTheFutureHoldsUpItsOwnDayOnly(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.dropAll(t)
	id := b.enqueue(t, 1)[0]
	b.run(t, id)
	b.endedAt(t, id, 2.5)
	b.makePartitions(t)
	require.Equal(t, [][2]int{{0, 1}, {1, 2}, {3, 4}}, b.partitions(t, "ended"))
}

func TestPartitionsGetWiderAndNarrowerWithTheRetention(t *testing.T) {
	t.Parallel()
	for _, long := range []string{"0", "93 days"} {
		t.Run(long, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			now := time.Now().UTC()
			today := now.Truncate(24 * time.Hour)
			days := func(at time.Time) int { return int(at.Sub(today).Hours()) / 24 }
			month := days(time.Date(now.Year(), now.Month()+1, 1, 0, 0, 0, 0, time.UTC))

			b.retain(t, long)
			require.Zero(t, b.makePartitions(t), "the days that have been made stay")
			b.exec(t, `DROP TABLE sluice.ended_`+today.AddDate(0, 0, 3).Format("20060102"))
			b.exec(t, `DELETE FROM sluice.partitions WHERE parent = 'ended' AND from_at > now() + interval '2 days'`)
			require.Equal(t, 1, b.makePartitions(t))
			made := b.partitions(t, "ended")
			require.Equal(t, [][2]int{{0, 1}, {1, 2}, {2, 3}}, made[:3])
			end := days(time.Date(today.AddDate(0, 0, 3).Year(), today.AddDate(0, 0, 3).Month()+1, 1, 0, 0, 0, 0, time.UTC))
			require.Equal(t, [2]int{3, end}, made[3], "the rest of the month")

			b.dropAll(t)
			b.makePartitions(t)
			require.Equal(t, [2]int{0, month}, b.partitions(t, "ended")[0])

			b.retain(t, "30 days")
			require.Zero(t, b.makePartitions(t), "the month that has been made stays")
			b.exec(t, `UPDATE sluice.settings SET retention = $1::text::interval`, long)
			require.Zero(t, b.makePartitions(t))
		})
	}
}

func TestPartitionsAreMadeOnceByManyAtOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.dropAll(t)
	made := make([]int, 8)
	var group errgroup.Group
	for i := range made {
		group.Go(func() (err error) {
			made[i], err = store.MakePartitions(t.Context(), b.db)
			return err
		})
	}
	require.NoError(t, group.Wait())
	total := 0
	for _, n := range made {
		total += n
	}
	require.Equal(t, 8, total)
	require.Len(t, b.partitions(t, "ended"), 4)
}

func TestPartitionsAreNotMadeBehindALongTransaction(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := b.enqueue(t, 1)[0]
	b.dispatch(t, id)
	b.dropAll(t)
	long := b.begin(t)
	_, err := long.Exec(t.Context(), `SELECT FROM sluice.ended`)
	require.NoError(t, err)
	require.Equal(t, 4, b.makePartitions(t))
	require.Empty(t, b.partitions(t, "ended"), "the transaction has read the rest, which would have to be locked")
	require.Len(t, b.partitions(t, "activity_log"), 4)
	require.True(t, b.end(t, id, "COMPLETED"))
	require.NoError(t, long.Commit(t.Context()))
	require.Equal(t, 3, b.makePartitions(t), "all but today's, because something has ended today")
	require.Equal(t, "COMPLETED", *b.view(t, id).ExecutionStatus)
}

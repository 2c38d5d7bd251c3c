package recovery

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

func (b *bundle) sweep(t *testing.T) Report {
	t.Helper()
	report, err := b.Sweep(t.Context())
	require.NoError(t, err)
	return report
}

// partition adds one of a past day to a parent, as one that was made then.
func (b *bundle) partition(t *testing.T, parent string, daysAgo int) {
	t.Helper()
	from := time.Now().UTC().Truncate(24*time.Hour).AddDate(0, 0, -daysAgo)
	to := from.AddDate(0, 0, 1)
	name := parent + from.Format("_20060102")
	b.exec(t, fmt.Sprintf(`CREATE TABLE sluice.%s PARTITION OF sluice.%s FOR VALUES FROM ('%s') TO ('%s')`,
		name, parent, from.Format(time.RFC3339), to.Format(time.RFC3339)))
	b.exec(t, `INSERT INTO sluice.partitions VALUES ($1, $2, $3, $4)`, name, parent, from, to)
}

// endDaysAgo adds an item with a large input and a unique key that ended so many days ago.
func (b *bundle) endDaysAgo(t *testing.T, days int) uuid.UUID {
	t.Helper()
	id := one[uuid.UUID](t, b.db, `
		UPDATE sluice.ended SET ended_at = now() - $2 * interval '1 day', input = NULL, unique_key = id::text,
			id = overlay(id::text PLACING '01900000-0000' FROM 1)::uuid -- made in June 2024
		WHERE id = $1 RETURNING id`, b.end(t, 1, "COMPLETED")[0], days)
	b.exec(t, `INSERT INTO sluice.inputs VALUES ($1, '{}')`, id)
	b.exec(t, `INSERT INTO sluice.unique_keys SELECT workspace_id, unique_key, id FROM sluice.ended WHERE id = $1`, id)
	return id
}

func TestASweepEndsWhatIsOverAndDeletesWhatIsOld(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ids := b.enqueue(t, 2)
	b.exec(t, `UPDATE sluice.pending SET expires_at = now() WHERE id = $1`, ids[0])
	b.exec(t, `UPDATE sluice.pending SET workspace_id = gen_random_uuid() WHERE id = $1`, ids[1])
	b.partition(t, "ended", 40)
	b.partition(t, "activity_log", 40)
	b.endDaysAgo(t, 40)
	b.endDaysAgo(t, 35) // there was no partition
	young := b.endDaysAgo(t, 29)
	b.exec(t, `UPDATE sluice.events SET at = now() - interval '1 day'`)
	b.exec(t, `UPDATE sluice.turns SET at = now() - interval '1 day'`)
	b.exec(t, `INSERT INTO sluice.turns (shard, turn, kind) VALUES (0, 1, 'run')`)

	require.Equal(t, Report{Expired: 1, Orphaned: 1, Dropped: 2}, b.sweep(t))
	require.Equal(t, "EXPIRED", b.status(t, ids[0]))
	require.Equal(t, "FAILED", b.status(t, ids[1]))
	require.ElementsMatch(t, append(ids, young), list[uuid.UUID](t, b.db, `SELECT id FROM sluice.ended`))
	require.Equal(t, []uuid.UUID{young}, list[uuid.UUID](t, b.db, `SELECT id FROM sluice.inputs`))
	require.Equal(t, []uuid.UUID{young}, list[uuid.UUID](t, b.db, `SELECT queue_id FROM sluice.unique_keys`))
	require.Zero(t, one[int](t, b.db, `SELECT count(*) FROM sluice.events WHERE at < now() - interval '1 hour'`))
	require.Equal(t, []int64{1}, list[int64](t, b.db, `SELECT turn FROM sluice.turns WHERE shard = 0`))
	require.Equal(t, Report{}, b.sweep(t))
}

func TestASweepMakesPartitions(t *testing.T) {
	t.Parallel()
	b := setup(t)
	last := one[string](t, b.db, `SELECT max(name) FROM sluice.partitions WHERE parent = 'ended'`)
	b.exec(t, `DROP TABLE sluice.`+last)
	b.exec(t, `DELETE FROM sluice.partitions WHERE name = $1`, last)
	b.sweep(t)
	require.Equal(t, last, one[string](t, b.db, `SELECT max(name) FROM sluice.partitions WHERE parent = 'ended'`))
}

func TestAStepOfASweepThatFailsKeepsNoOtherFromRunning(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.partition(t, "ended", 40)
	b.exec(t, `UPDATE sluice.pending SET expires_at = now() WHERE id = $1`, b.enqueue(t, 1)[0])
	b.exec(t, `ALTER TABLE sluice.turns RENAME TO turns_elsewhere`)
	report, err := b.Sweep(t.Context())
	require.ErrorContains(t, err, "delete old turns")
	require.Equal(t, Report{Expired: 1, Dropped: 1}, report)
}

// A dump has read the partition. Its items are not looked through again with each sweep until it can be dropped.
func TestAPartitionThatIsLockedIsDroppedLater(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.partition(t, "ended", 41)
	b.partition(t, "ended", 40)
	b.partition(t, "activity_log", 40)
	old := b.endDaysAgo(t, 40)
	dump, err := b.db.Begin(t.Context())
	require.NoError(t, err)
	_, err = dump.Exec(t.Context(), `SELECT FROM sluice.ended`)
	require.NoError(t, err)
	require.Equal(t, Report{Dropped: 1}, b.sweep(t), "the log can be dropped")
	b.exec(t, `INSERT INTO sluice.inputs VALUES ($1, '{}') ON CONFLICT DO NOTHING`, old)
	b.exec(t, `UPDATE sluice.settings SET retention = '50 days'`)
	require.Zero(t, b.sweep(t))
	b.exec(t, `UPDATE sluice.settings SET retention = '30 days'`)
	require.NoError(t, dump.Commit(t.Context()))
	require.Equal(t, Report{Dropped: 2}, b.sweep(t))
	require.Zero(t, one[int](t, b.db, `SELECT count(*) FROM sluice.inputs`), "it was released anew after the retention had been longer")
}

// Keys are looked at a few pages a sweep, and all of them in time.
func TestSweepsComeRoundToEveryKey(t *testing.T) {
	t.Parallel()
	b := setup(t)
	held := b.enqueue(t, 1)[0]
	const n = keyPages*keyPage + 10
	b.exec(t, `INSERT INTO sluice.unique_keys SELECT $1, lpad(n::text, 6, '0'), $2, NULL FROM generate_series(1, $3) AS n`, b.workspace, held, n)
	b.exec(t, `UPDATE sluice.unique_keys SET queue_id = gen_random_uuid() WHERE unique_key IN ('000001', '002000', lpad($1::int::text, 6, '0'))`, n)
	prune := func() { require.NoError(t, b.pruneKeys(t.Context(), time.Now().Add(time.Hour))) } // without a sweep's end by time
	keys := func() int { return one[int](t, b.db, `SELECT count(*) FROM sluice.unique_keys`) }
	prune()
	require.Equal(t, n-2, keys())
	prune()
	require.Equal(t, n-3, keys())
	b.exec(t, `UPDATE sluice.unique_keys SET queue_id = gen_random_uuid()`)
	prune()
	require.Zero(t, keys(), "as many as there are, when most are over")
}

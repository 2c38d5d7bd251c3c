package schema_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// end adds an item that has ended, at a time that is given in SQL, and returns the table that it is in.
func (b *bundle) end(t *testing.T, at string) string {
	t.Helper()
	return one[string](t, b.db, `INSERT INTO sluice.ended (id, workspace_id, workflow_definition_id, status, reason, priority, attempt_count, created_at,
		available_at, ended_at, trigger_type, enqueued_by) SELECT sluice.uuid_v7(), $1, $2, 'EXPIRED', 'expired', 3, 0, now(), now(), `+at+`, 'FUNCTION', 'ann'
		RETURNING tableoid::regclass::text`, b.workspace, b.definition)
}

func TestEveryDayHasItsPartitionBeforeItBegins(t *testing.T) {
	t.Parallel()
	b := setup(t)
	exec(t, b.db, `SELECT sluice.make_partitions()`) // midnight may have passed since the migration
	for _, parent := range []string{"ended", "activity_log"} {
		require.True(t, one[bool](t, b.db, `SELECT min(from_at) <= now() AND max(to_at) >= now() + interval '3 days'
			AND max(to_at) - min(from_at) = count(*) * interval '24 hours' AND bool_and(to_at - from_at = interval '24 hours')
			AND bool_and(from_at = date_trunc('day', from_at, 'UTC')) FROM sluice.partitions WHERE parent = $1`, parent), parent)
	}
	for _, at := range []string{"now()", "now() + interval '1 day'", "now() + interval '3 days'"} {
		require.Equal(t, one[string](t, b.db, `SELECT 'sluice.ended_' || to_char((`+at+`) AT TIME ZONE 'UTC', 'YYYYMMDD')`), b.end(t, at))
	}
	require.Equal(t, "sluice.ended_rest", b.end(t, "now() - interval '1 day'"), "there was no partition yet")
	require.Zero(t, one[int](t, b.db, `SELECT sluice.make_partitions()`), "nothing is left to do")
}

func TestLongRetentionMakesPartitionsOfMonths(t *testing.T) {
	t.Parallel()
	b := setup(t)
	exec(t, b.db, `UPDATE sluice.settings SET retention = '0'; DELETE FROM sluice.partitions WHERE from_at > now() + interval '1 day'`)
	exec(t, b.db, `DO $$ DECLARE x text; BEGIN FOR x IN SELECT c.oid::regclass FROM pg_class c JOIN pg_inherits ON inhrelid = c.oid
		WHERE c.relname ~ '_[0-9]{8}$' AND c.relname NOT IN (SELECT name FROM sluice.partitions) LOOP EXECUTE 'DROP TABLE ' || x; END LOOP; END $$`)
	require.NotZero(t, one[int](t, b.db, `SELECT sluice.make_partitions()`))
	require.Equal(t, 2, one[int](t, b.db, `SELECT count(DISTINCT parent) FROM sluice.partitions
		WHERE to_at = date_trunc('month', from_at, 'UTC') + interval '1 month' AND to_at > now() + interval '3 days'`))
}

// What has ended while there was no partition stays where it is, and the next day has one again.
func TestPartitionsAreMadeAgainAfterAPause(t *testing.T) {
	t.Parallel()
	b := setup(t)
	exec(t, b.db, `DO $$ DECLARE x text; BEGIN FOR x IN SELECT name FROM sluice.partitions LOOP EXECUTE 'DROP TABLE sluice.' || x; END LOOP; END $$`)
	exec(t, b.db, `DELETE FROM sluice.partitions`)
	require.Equal(t, "sluice.ended_rest", b.end(t, "now()"))
	require.Equal(t, 3+4, one[int](t, b.db, `SELECT sluice.make_partitions()`), "from tomorrow on, and of the log from today on")
	require.Equal(t, "sluice.ended_rest", b.end(t, "now()"))
	require.NotEqual(t, "sluice.ended_rest", b.end(t, "now() + interval '1 day'"))
	require.Equal(t, 3, one[int](t, b.db, `SELECT count(*) FROM sluice.ended`))
}

// A clock that was ahead for a while has had partitions made of a time to come.
func TestPartitionsOfATimeToComeDoNotStandForThoseOfToday(t *testing.T) {
	t.Parallel()
	for _, retention := range []string{"30 days", "0"} {
		t.Run(retention, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			exec(t, b.db, `UPDATE sluice.settings SET retention = $1::text::interval`, retention)
			exec(t, b.db, `DO $$ DECLARE x text; BEGIN FOR x IN SELECT name FROM sluice.partitions LOOP EXECUTE 'DROP TABLE sluice.' || x; END LOOP; END $$`)
			exec(t, b.db, `DELETE FROM sluice.partitions`)
			exec(t, b.db, `DO $$ DECLARE whose text; day timestamptz := date_trunc('day', now(), 'UTC') + interval '240 hours'; BEGIN FOREACH whose IN ARRAY '{ended,activity_log}'::text[] LOOP
				EXECUTE format('CREATE TABLE sluice.%1$I PARTITION OF sluice.%2$I FOR VALUES FROM (%3$L) TO (%4$L)', whose || '_ahead', whose, day, day + interval '24 hours');
				INSERT INTO sluice.partitions VALUES (whose || '_ahead', whose, day, day + interval '24 hours'); END LOOP; END $$`)
			require.NotZero(t, one[int](t, b.db, `SELECT sluice.make_partitions()`))
			for _, at := range []string{"now()", "now() + interval '3 days'"} {
				require.NotEqual(t, "sluice.ended_rest", b.end(t, at))
			}
			require.Equal(t, "sluice.ended_ahead", b.end(t, "date_trunc('day', now(), 'UTC') + interval '241 hours'"))
			require.Zero(t, one[int](t, b.db, `SELECT sluice.make_partitions()`))
			require.Zero(t, one[int](t, b.db, `SELECT count(*) FROM sluice.partitions a JOIN sluice.partitions b ON a.parent = b.parent AND a.name < b.name
				AND a.from_at < b.to_at AND b.from_at < a.to_at`))
		})
	}
}

func TestOnlyPartitionsBehindTheRetentionAreDropped(t *testing.T) {
	t.Parallel()
	b := setup(t)
	name := strings.TrimPrefix(b.end(t, "now()"), "sluice.")
	drop := func() bool { return one[bool](t, b.db, `SELECT sluice.drop_partition($1)`, name) }
	require.False(t, drop(), "it is of today")
	exec(t, b.db, `UPDATE sluice.partitions SET from_at = now() - interval '32 days', to_at = now() - interval '31 days' WHERE name = $1`, name)
	exec(t, b.db, `UPDATE sluice.settings SET retention = '0'`)
	require.False(t, drop(), "items are kept for ever")
	exec(t, b.db, `UPDATE sluice.settings SET retention = '32 days'`)
	require.False(t, drop(), "it ended too lately")
	exec(t, b.db, `UPDATE sluice.settings SET retention = '30 days'`)

	tx, err := b.db.Begin(t.Context())
	require.NoError(t, err)
	_, err = tx.Exec(t.Context(), `SELECT FROM sluice.ended`)
	require.NoError(t, err)
	require.False(t, drop(), "it gives up rather than wait for a transaction that reads")
	require.Equal(t, 1, one[int](t, b.db, `SELECT count(*) FROM sluice.ended`))
	require.NoError(t, tx.Rollback(t.Context()))

	require.True(t, drop())
	require.Zero(t, one[int](t, b.db, `SELECT count(*) FROM sluice.ended`))
	require.False(t, drop(), "it is gone")
	require.False(t, one[bool](t, b.db, `SELECT sluice.drop_partition('workspaces')`), "and nothing else can be dropped")
}

// A look-up by id reads no partition that ended before the item was made.
func TestAnIDTellsWhenItWasMade(t *testing.T) {
	t.Parallel()
	b := setup(t)
	require.True(t, one[bool](t, b.db, `SELECT sluice.made_at(sluice.uuid_v7()) BETWEEN now() - interval '61 minutes' AND now() - interval '59 minutes'`))
	require.True(t, one[bool](t, b.db, `SELECT sluice.made_at('01a20000-0000-7000-8000-000000000001') = to_timestamp(x'01a200000000'::bigint / 1000.0) - interval '1 hour'`))
	require.Equal(t, "-infinity", one[string](t, b.db, `SELECT sluice.made_at(gen_random_uuid())::text`), "an id that tells no time")
}

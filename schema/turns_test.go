package schema_test

import (
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
)

// Whatever could make a dispatcher's knowledge too optimistic takes the next turn of the shards that it concerns, and what
// could not takes none.
func TestChangesTakeTurns(t *testing.T) {
	t.Parallel()
	const insertRunning = `INSERT INTO sluice.running (id, workspace_id, workflow_definition_id, priority, attempt_count, turn, created_at, available_at, claimed_at,
		trigger_type, enqueued_by) SELECT gen_random_uuid(), id, gen_random_uuid(), 3, 0, %s, now(), now(), now(), 'FUNCTION', 'ann' FROM sluice.workspaces LIMIT 1`
	for name, tt := range map[string]struct {
		change string
		want   string // kinds of turns, whether about the workspace, and how many shards
	}{
		"a limit of a workspace":    {`UPDATE sluice.workspaces SET max_concurrent_workflows = 1`, "limits of it 1"},
		"its plan":                  {`UPDATE sluice.workspaces SET plan = 'PRO'`, "limits of it 1"},
		"its deletion":              {`DELETE FROM sluice.workspaces`, "definitions of it 1, limits of it 1"},
		"a new one":                 {`INSERT INTO sluice.workspaces (name) VALUES ('globex')`, ""},
		"a new one in a cohort":     {`INSERT INTO sluice.workspaces (name, cohort) VALUES ('globex', 'a')`, "owners 4"},
		"another cohort":            {`UPDATE sluice.workspaces SET cohort = 'a'`, "owners 4"},
		"a limit of a plan":         {`UPDATE sluice.tiers SET weight = 7 WHERE plan = 'FREE'`, "limits 4"},
		"a plan as it was":          {`UPDATE sluice.tiers SET weight = weight`, ""},
		"a new plan":                {`INSERT INTO sluice.tiers (plan, max_concurrent_workflows) VALUES ('TRIAL', 1)`, ""},
		"the global limit":          {`UPDATE sluice.settings SET max_concurrent_workflows = 9`, "settings 4"},
		"ageing":                    {`UPDATE sluice.settings SET ageing_step = '1 minute'`, "settings 4"},
		"retention":                 {`UPDATE sluice.settings SET retention = '9 days'`, ""},
		"more shards":               {`UPDATE sluice.settings SET shards = 5`, "owners 64"},
		"fewer shards":              {`UPDATE sluice.settings SET shards = 1`, "owners 64"},
		"another version":           {`UPDATE sluice.workflow_definitions SET version_number = 2`, "definitions of it 1"},
		"a new definition":          {`INSERT INTO sluice.workflow_definitions (workspace_id, name) SELECT id, 'other' FROM sluice.workspaces`, ""},
		"a deleted definition":      {`DELETE FROM sluice.workflow_definitions`, "definitions of it 1"},
		"a slot that no claim took": {fmt.Sprintf(insertRunning, "NULL"), "regained of it 1"},
		"one with a global limit": {`UPDATE sluice.settings SET max_concurrent_workflows = 9; ` + fmt.Sprintf(insertRunning, "NULL"),
			"allotment 4, regained of it 1, settings 4"},
		"a slot that a claim took":  {fmt.Sprintf(insertRunning, "1"), ""},
		"a slot that is given back": {`DELETE FROM sluice.running`, ""},
		"an item":                   {`SELECT sluice.enqueue(workspace_id, id) FROM sluice.workflow_definitions`, ""},
		"a change that is undone":   {`UPDATE sluice.settings SET shards = 5; UPDATE sluice.settings SET shards = 4`, "owners 64"},
		"more of the global limit":  {`UPDATE sluice.settings SET max_concurrent_workflows = 9; SELECT sluice.set_allotments(9, '{3,0,0,0}')`, "allotment 4, settings 4"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			exec(t, b.db, `UPDATE sluice.settings SET shards = 4`)
			before := one[int64](t, b.db, `SELECT max(turn) FROM sluice.turns`)
			err := pgx.BeginFunc(t.Context(), b.db, func(tx pgx.Tx) error {
				_, err := tx.Exec(t.Context(), tt.change)
				return err
			})
			require.NoError(t, err)
			require.Equal(t, tt.want, one[string](t, b.db, `SELECT coalesce(string_agg(kinds.text, ', ' ORDER BY kinds.text), '') FROM (
				SELECT concat_ws(' ', kind, CASE WHEN workspace_id = $2 THEN 'of it' END, count(DISTINCT shard)) AS text
				FROM sluice.turns WHERE turn > $1 GROUP BY kind, workspace_id) AS kinds`, before, b.workspace))
		})
	}
}

// An older snapshot does not show the newest turn. If the one that it takes for the next was deleted, it would be taken behind
// the newest, where no dispatcher reads it.
func TestLimitsAreChangedAtReadCommittedOnly(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, level := range []string{"REPEATABLE READ", "SERIALIZABLE"} {
		tx, err := b.db.Begin(t.Context())
		require.NoError(t, err)
		for _, sql := range []string{"SET TRANSACTION ISOLATION LEVEL " + level, "UPDATE sluice.workspaces SET max_concurrent_workflows = 1"} {
			_, err = tx.Exec(t.Context(), sql)
			require.NoError(t, err)
		}
		var pg *pgconn.PgError
		require.ErrorAs(t, tx.Commit(t.Context()), &pg)
		require.Equal(t, "SL010", pg.Code)
		require.Contains(t, pg.Message, level)
	}
}

// A change of many workspaces in one transaction takes two turns of a shard: of the first, and for all.
func TestBulkChangesTakeTwoTurnsOfAShard(t *testing.T) {
	t.Parallel()
	b := setup(t)
	exec(t, b.db, `INSERT INTO sluice.workspaces (name) SELECT 'w' FROM generate_series(1, 50)`)
	before := one[int](t, b.db, `SELECT max(turn) FROM sluice.turns WHERE shard = 0`)
	exec(t, b.db, `UPDATE sluice.workspaces SET max_concurrent_workflows = 1`)
	require.Equal(t, []bool{true, false}, list[bool](t, b.db, `SELECT workspace_id IS NOT NULL FROM sluice.turns WHERE shard = 0 AND turn > $1 ORDER BY turn`, before))
}

// The rows of a statement come in any order, and with them the shards whose turns they take.
func TestBulkChangesOverSeveralShardsDoNotDeadlock(t *testing.T) {
	t.Parallel()
	b := setup(t)
	exec(t, b.db, `UPDATE sluice.settings SET shards = 4, max_concurrent_workflows = 9`)
	exec(t, b.db, `INSERT INTO sluice.workspaces (name) SELECT 'w' || i % 2 FROM generate_series(1, 40) AS i`)
	var group errgroup.Group
	for _, sql := range []string{
		`UPDATE sluice.workspaces SET weight = 1 + coalesce(weight, 1) % 9 WHERE name = 'w0'`,
		`UPDATE sluice.workspaces SET weight = 1 + coalesce(weight, 1) % 9 WHERE name = 'w1'`,
		`SELECT sluice.set_allotments(9, '{3,3,0,0}')`,
	} {
		group.Go(func() error {
			for range 30 {
				if _, err := b.db.Exec(t.Context(), sql); err != nil {
					return err
				}
			}
			return nil
		})
	}
	require.NoError(t, group.Wait())
}

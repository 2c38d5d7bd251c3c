package dispatch_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

// sharers are workspaces of one weight with so many items each, of which one slot at a time is dealt.
func (w *world) sharers(n, items int) (ids []uuid.UUID) {
	w.t.Helper()
	w.exec(`UPDATE sluice.settings SET max_concurrent_workflows = 1`)
	for range n {
		id, definition := w.newWorkspace("ENTERPRISE")
		w.exec(`SELECT sluice.enqueue($1, $2, '{"n": 1}', 3) FROM generate_series(1, $3)`, id, definition, items)
		ids = append(ids, id)
	}
	return ids
}

// dealt is what a workspace got: starts, and the seconds for which it held slots.
type dealt struct {
	starts  int
	seconds float64
	longest float64
}

// deal runs so many executions one after the other, and returns what each workspace got.
func (w *world) deal(p *process, starts int) map[uuid.UUID]dealt {
	w.t.Helper()
	got := map[uuid.UUID]dealt{}
	for range starts {
		ids := p.cycle(1)
		require.Len(w.t, ids, 1)
		w.end(ids...)
		of := one[uuid.UUID](w, `SELECT workspace_id FROM sluice.ended WHERE id = $1`, ids[0])
		seconds := one[float64](w, `SELECT extract(epoch FROM ended_at - claimed_at)::float8 FROM sluice.ended WHERE id = $1`, ids[0])
		d := got[of]
		got[of] = dealt{d.starts + 1, d.seconds + seconds, max(d.longest, seconds)}
	}
	return got
}

// requireEqualShares compares what is counted. No share differs by more than two starts, or by what the longest three have taken, which may
// have been before.
func (w *world) requireEqualShares(got map[uuid.UUID]dealt, ids []uuid.UUID, fairness string, before map[uuid.UUID]dealt) {
	w.t.Helper()
	all := dealt{}
	for _, d := range got {
		all = dealt{all.starts + d.starts, all.seconds + d.seconds, max(all.longest, d.longest)}
	}
	for _, d := range before {
		all.longest = max(all.longest, d.longest)
	}
	for _, id := range ids {
		if fairness == "starts" {
			require.InDelta(w.t, float64(all.starts)/float64(len(ids)), got[id].starts, 2, "%v", got)
		} else {
			share := all.seconds / float64(len(ids))
			require.InDelta(w.t, share, got[id].seconds, 3*all.longest, "%v", got)
			if share > 3*all.longest { // or a machine that stood still has given one its share in a single start
				require.Positive(w.t, got[id].starts, "%v", got)
			}
		}
	}
}

// Virtual times on record that no clock of the present knows, as a workspace brings them from a cohort that has been busy for
// long, from another shard, or a database from a backup.
func TestWorkspaceWaitsOneTurnAtMostWhereverItComesFrom(t *testing.T) {
	t.Parallel()
	for name, comes := range map[string]func(w *world, who uuid.UUID){
		"from another cohort": func(w *world, who uuid.UUID) {
			w.exec(`UPDATE sluice.workspaces SET cohort = 'young' WHERE id = $1`, who)
		},
		"from no cohort": func(w *world, who uuid.UUID) {
			w.exec(`UPDATE sluice.workspaces SET cohort = NULL WHERE id = $1`, who)
			w.exec(`UPDATE sluice.workspaces SET cohort = 'young'`)
		},
		"with its cohort": func(w *world, _ uuid.UUID) {
			w.exec(`UPDATE sluice.workspaces SET cohort = 'renamed'`)
		},
		"from a backup": func(w *world, who uuid.UUID) {
			w.exec(`UPDATE sluice.workspaces SET cohort = 'young'`)
			w.exec(`INSERT INTO sluice.virtual_times (workspace_id, own, borrowed) VALUES ($1, 9e18, 9e18)
				ON CONFLICT (workspace_id) DO UPDATE SET own = excluded.own, borrowed = excluded.borrowed`, who)
			w.exec(`DELETE FROM sluice.clocks`)
		},
	} {
		for _, fairness := range []string{"slot-time", "starts"} {
			t.Run(name+", "+fairness, func(t *testing.T) {
				t.Parallel()
				w := setup(t)
				w.exec(`UPDATE sluice.settings SET fairness = $1`, fairness)
				ids := w.sharers(3, 80)
				who := ids[0]
				w.exec(`UPDATE sluice.workspaces SET cohort = CASE id WHEN $1 THEN 'old' ELSE 'young' END WHERE id = ANY ($2)`, who, ids)
				w.exec(`INSERT INTO sluice.virtual_times (workspace_id, own) VALUES ($1, 1000::bigint << 30)`, who)
				w.exec(`INSERT INTO sluice.clocks (shard, cohort, own_clock, own) VALUES (0, 'old', 1000::bigint << 30, 0)`)
				before := w.deal(w.process, 6)
				comes(w, who)
				w.requireEqualShares(w.deal(w.newProcess(), 30), ids, fairness, before)
			})
		}
	}
}

// Each shard has a clock of its own. A workspace that another shard takes over is there at once as any other.
func TestChangeOfShardsStarvesNobody(t *testing.T) {
	t.Parallel()
	for _, fairness := range []string{"slot-time", "starts"} {
		t.Run(fairness, func(t *testing.T) {
			t.Parallel()
			w := setup(t)
			w.exec(`UPDATE sluice.settings SET shards = 2, fairness = $1`, fairness)
			second := w.of(1)
			w.exec(`UPDATE sluice.settings SET max_concurrent_workflows = 1`)
			var ids []uuid.UUID
			for _, shard := range []int{0, 0, 1} {
				id, definition := w.workspaceOf(shard)
				w.exec(`SELECT sluice.enqueue($1, $2, '{"n": 1}', 3) FROM generate_series(1, 80)`, id, definition)
				ids = append(ids, id)
			}
			w.exec(`INSERT INTO sluice.virtual_times (workspace_id, own) VALUES ($1, 1000::bigint << 30)`, ids[2])
			w.exec(`INSERT INTO sluice.clocks (shard, cohort, own_clock) VALUES (1, '', 1000::bigint << 30)`)
			require.Empty(t, second.cycle(0))
			w.exec(`UPDATE sluice.settings SET shards = 1`)
			w.requireEqualShares(w.deal(w.process, 30), ids, fairness, nil)
		})
	}
}

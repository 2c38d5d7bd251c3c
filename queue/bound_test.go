package queue_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"sluice/queue"
)

// counting is two processes with the dispatchers of two shards each, all of which claim.
type counting struct {
	*bundle
	rnd        *rand.Rand
	memories   [2][2]*queue.Memory // by process and shard
	workspaces []uuid.UUID         // each may hold starterLimit slots; the last two are a cohort
	cycle      int64
	run        int
	open       []pgx.Tx
}

// A claim that counts slots from a bound takes what it would if it counted them all, whatever happens between the claims
// and however late it commits.
func TestACountFromABoundMissesNoSlot(t *testing.T) {
	t.Parallel()
	b := setup(t)
	// Items of unknown definitions can be claimed too.
	b.exec(t, `DELETE FROM sluice.workflow_definition_versions; DELETE FROM sluice.workflow_definitions; DELETE FROM sluice.workspaces`)
	bounded := 0
	for seed := range uint64(5) {
		b.exec(t, `TRUNCATE sluice.execution_queue, sluice.slots, sluice.shares, sluice.lines, sluice.workflow_executions, sluice.execution_inputs;
			DELETE FROM sluice.workspaces`)
		c := &counting{bundle: b, rnd: rand.New(rand.NewPCG(seed, 15))}
		for process := range c.memories {
			for shard := range c.memories[process] {
				c.memories[process][shard] = b.dispatcher.Shard(shard).Memory()
			}
		}
		for n := range 5 {
			c.workspaces = append(c.workspaces, one[uuid.UUID](t, b.pool, `INSERT INTO sluice.workspaces (name, plan, cohort) VALUES ($1, 'STARTER', $2) RETURNING id`,
				fmt.Sprint("w", n), []*string{nil, nil, nil, ptr("a"), ptr("a")}[n]))
		}
		for range 150 {
			c.happen(t)
			bounded += c.bounded()
		}
		for _, tx := range c.open {
			require.NoError(t, tx.Rollback(t.Context()))
		}
	}
	require.Greater(t, bounded, 500, "it does count from bounds")
}

// bounded is how many bounds the next claims would heed.
func (c *counting) bounded() (n int) {
	for _, process := range c.memories {
		for _, m := range process {
			n += m.Bounded()
		}
	}
	return n
}

func (c *counting) used(t *testing.T) []int {
	t.Helper()
	held := c.slots(t)
	used := make([]int, len(c.workspaces))
	for i, id := range c.workspaces {
		used[i] = held[id]
	}
	return used
}

// happen lets one thing happen.
func (c *counting) happen(t *testing.T) {
	t.Helper()
	ids := func(sql string) []uuid.UUID { return list[uuid.UUID](t, c.pool, sql) }
	switch n := c.rnd.IntN(20); {
	case n < 6:
		for _, id := range ids(`SELECT execution_id FROM sluice.slots ORDER BY random() LIMIT 8`) {
			c.end(t, id, "COMPLETED")
		}
	case n < 7:
		for _, id := range ids(`SELECT execution_id FROM sluice.slots ORDER BY seq DESC LIMIT 4`) { // those that no claim took, then the latest
			c.end(t, id, "COMPLETED")
		}
	case n < 9:
		for _, id := range ids(reopenable) {
			reopened, err := c.app.Reopen(t.Context(), queue.Run{ExecutionID: id, RunID: "run-" + uuid.NewString()})
			require.NoError(t, err)
			require.True(t, reopened)
		}
	case n < 11 && len(c.open) < 2:
		for _, id := range ids(reopenable) {
			tx := c.begin(t)
			_, err := tx.Exec(t.Context(), queue.ReopenEndedSQL, id, "run-"+uuid.NewString())
			if err != nil { // another open transaction reopens it
				require.NoError(t, tx.Rollback(t.Context()))
				continue
			}
			c.open = append(c.open, tx)
		}
	case n < 13 && len(c.open) > 0:
		require.NoError(t, c.open[0].Commit(t.Context()))
		c.open = c.open[1:]
	case n < 14:
		require.NoError(t, c.app.SetShards(t.Context(), 1+c.rnd.IntN(2), "ann"))
	case n < 15:
		c.run++ // the next claims open new epochs
	case n < 16:
		c.claimTogether(t)
	default:
		c.claimAlone(t)
	}
}

// What an open transaction reopens is left out.
const reopenable = `SELECT id FROM sluice.workflow_executions WHERE completed_at IS NOT NULL ORDER BY random() LIMIT 1 FOR UPDATE SKIP LOCKED`

// grants are of everything, to all or to those without a cohort.
func (c *counting) grants() (grants []queue.Grant) {
	for _, id := range c.workspaces[:[]int{3, 5}[c.rnd.IntN(2)]] {
		grants = append(grants, queue.Grant{WorkspaceID: id, Slots: 1 + c.rnd.IntN(2*starterLimit), Limit: starterLimit})
	}
	return grants
}

// next is the fence of a new cycle.
func (c *counting) next(t *testing.T, shard int) queue.Fence {
	t.Helper()
	epoch, err := c.dispatcher.OpenEpoch(t.Context(), shard, fmt.Sprint("run", c.run))
	require.NoError(t, err)
	c.cycle++
	return queue.Fence{Shard: shard, Epoch: epoch, Cycle: c.cycle}
}

func (c *counting) fill(t *testing.T) {
	t.Helper()
	c.exec(t, `INSERT INTO sluice.execution_queue (id, workspace_id, workflow_definition_id, enqueued_by)
		SELECT sluice.uuid_v7(), id, gen_random_uuid(), 'x' FROM unnest($1::uuid[]) AS w (id), generate_series(1, $2)`, c.workspaces, 2*starterLimit)
}

// claimAlone compares what a claim takes, and what was remembered before it, with a count of all slots.
func (c *counting) claimAlone(t *testing.T) {
	t.Helper()
	shard := c.rnd.IntN(2)
	memory, fence, grants := c.memories[c.rnd.IntN(2)][shard], c.next(t, shard), c.grants()
	c.fill(t)
	before := c.used(t)
	if c.rnd.IntN(4) > 0 { // without, somebody else may have claimed since it looked
		known, err := memory.Capacity(t.Context(), fence, 10)
		require.NoError(t, err)
		for _, w := range known.Workspaces {
			// What is reopened does not ring: the claim finds it.
			unheard := one[int](t, c.pool, `SELECT count(*) FROM sluice.slots WHERE workspace_id = $1 AND seq = 9223372036854775807`, w.WorkspaceID)
			for i, id := range c.workspaces {
				require.True(t, id != w.WorkspaceID || before[i]-unheard <= w.Used && w.Used <= before[i], "%d slots are remembered, not %d", w.Used, before[i])
			}
		}
		for _, cohort := range known.Cohorts {
			require.Equal(t, before[3]+before[4], cohort.Used)
		}
	}
	_, err := memory.Claim(t.Context(), fence, grants)
	require.NoError(t, err)
	after, earlier := c.used(t), 0
	for i, id := range c.workspaces {
		slots := 0
		if i < len(grants) {
			slots = grants[i].Slots
		}
		could := max(0, min(slots, starterLimit-before[i]))
		want := could
		if i >= 3 {
			want = max(0, min(could, 2*starterLimit-before[3]-before[4]-earlier))
			earlier += could
		}
		if one[int](t, c.pool, `SELECT sluice.shard_of(id, cohort, shards) FROM sluice.workspaces, sluice.settings WHERE id = $1`, id) != shard {
			want = 0
		}
		require.Equal(t, want, after[i]-before[i], "workspace %d held %d slots", i, before[i])
	}
	c.settle(t)
}

// claimTogether lets several claims wait for one another, while outcomes wait for none.
func (c *counting) claimTogether(t *testing.T) {
	t.Helper()
	c.fill(t)
	before := c.used(t)
	var fences []queue.Fence // a claim under way keeps new epochs waiting
	for n := range 4 {
		fences = append(fences, c.next(t, n%2))
	}
	holder := c.begin(t)
	_, err := holder.Exec(t.Context(), `LOCK TABLE sluice.execution_inputs IN SHARE MODE`)
	require.NoError(t, err)
	claims, ctx := errgroup.WithContext(context.WithoutCancel(t.Context()))
	for n := range 4 {
		memory, grants := c.memories[n/2][n%2], c.grants()
		claims.Go(func() error {
			_, err := memory.Claim(ctx, fences[n], grants)
			return err
		})
	}
	c.awaitLockWaits(t, 2)
	for _, id := range list[uuid.UUID](t, c.pool, `SELECT execution_id FROM sluice.slots ORDER BY random() LIMIT 4`) {
		c.end(t, id, "COMPLETED")
	}
	require.NoError(t, holder.Commit(t.Context()))
	require.NoError(t, claims.Wait())
	for i, used := range c.used(t) {
		require.LessOrEqual(t, used, max(starterLimit, before[i]), "workspace %d held %d slots", i, before[i])
	}
	c.settle(t)
}

// settle has everything that was claimed run.
func (c *counting) settle(t *testing.T) {
	t.Helper()
	c.dispatch(t, list[uuid.UUID](t, c.pool, `SELECT execution_id FROM sluice.slots WHERE NOT dispatched`)...)
}

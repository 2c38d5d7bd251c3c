package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"go.temporal.io/sdk/client"

	"sluice/internal/chaos/cluster"
	"sluice/internal/chaos/ledger"
	"sluice/internal/chaos/plan"
	mending "sluice/internal/recovery"
	"sluice/workflows"
)

const (
	// staleAge is when recovery takes a claim for abandoned, and staleLimit when it must have released it.
	staleAge   = mending.DefaultStaleAfter
	staleLimit = 3 * time.Minute
	staleTries = 10
)

// leaveClaims ends the dispatcher of a shard in the middle of a batch, with its process, and starts it again only when
// recovery has put the claims back or settled them, or at the same time.
func (c *chaos) leaveClaims(ctx context.Context, f plan.Fault) (aftermath, error) {
	release, err := c.claims.Take(ctx, partDispatcher)
	if err != nil {
		return aftermath{}, err
	}
	defer release()
	const shards = 3
	if err := c.startDispatchers(ctx, shards); err != nil {
		return aftermath{}, err
	}
	shard, places, err := c.besidesProbes(ctx, shards, f)
	if err != nil {
		return aftermath{}, err
	}
	var left []uuid.UUID
	heal := func() {} // the shard has a dispatcher again: what others wait for there may come true from then on
	defer func() { heal() }()
	for try := 0; len(left) == 0; try++ {
		if try == staleTries {
			return aftermath{}, fmt.Errorf("each of %d times all claims were started", staleTries)
		}
		heal()
		if err := c.startDispatchers(ctx, shards); err != nil {
			return aftermath{}, err
		}
		heal = c.weather.Breaks(f.Number)
		if left, err = c.endMidBatch(ctx, shard, places); err != nil {
			c.say("#%d %s: %v", f.Number, f.Kind, err)
		}
		if ctx.Err() != nil {
			return aftermath{}, ctx.Err()
		}
	}
	c.say("#%d %s: %d claims are left without a dispatcher", f.Number, f.Kind, len(left))
	_ = cluster.Sleep(ctx, staleAge)
	began := time.Now()
	c.insistOnRecovery(ctx, f)
	if f.Choice&1 == 0 {
		heal()
		err = c.startDispatchers(ctx, shards)
	}
	for err == nil {
		n := 0
		if err = c.insist(ctx, func(ctx context.Context) (err error) { n, err = c.undispatched(ctx, left); return err }); n == 0 {
			break
		}
		if time.Since(began) > staleLimit {
			c.violated(promiseRecovers, fmt.Sprintf("#%d %s", f.Number, f.Kind), "%d of %d claims have neither been released nor settled within %s", n, len(left), staleAge+staleLimit)
			break
		}
		err = cluster.Sleep(ctx, recoveryLook)
	}
	var released int
	_ = c.pool.QueryRow(ctx, `SELECT count(*) FROM sluice.activity_log WHERE reason = 'stale-claim' AND queue_id = ANY ($1)`, left).Scan(&released)
	c.say("#%d %s: of %d claims %d were released, after %s", f.Number, f.Kind, len(left), released, time.Since(began).Round(time.Millisecond))
	a := aftermath{target: fmt.Sprintf("%d claims of %s", len(left), workflows.ShardID(shard)), since: time.Now()}
	a.missing = func(ctx context.Context) (string, error) { return c.hanging(ctx, left) }
	heal()
	return a, errors.Join(err, c.startDispatchers(ctx, 0))
}

// besidesProbes returns a shard that is not the probes', and the places that belong to it.
func (c *chaos) besidesProbes(ctx context.Context, shards int, f plan.Fault) (shard int, places []place, err error) {
	of := make([]int, 0, len(c.cast.places)+1)
	err = c.insist(ctx, func(ctx context.Context) error {
		rows, err := c.pool.Query(ctx, `SELECT sluice.shard_of(id, NULL, $2) FROM unnest($1::uuid[]) WITH ORDINALITY AS w (id, place) ORDER BY place`,
			append(workspacesOf(c.cast.places), c.cast.probe.workspace), shards)
		if err == nil {
			of, err = pgx.CollectRows(rows, pgx.RowTo[int])
		}
		return err
	})
	if err != nil {
		return 0, nil, err
	}
	probes := of[len(of)-1]
	shard = (probes + 1 + int(f.Choice>>1%uint64(shards-1))) % shards
	for i, at := range c.cast.places {
		if of[i] == shard {
			places = append(places, at)
		}
	}
	return shard, places, nil
}

// endMidBatch has a shard's dispatcher start a batch, kills its process in the middle of that, and terminates it before
// another process takes it over. It returns the claims that are not started.
func (c *chaos) endMidBatch(ctx context.Context, shard int, places []place) (left []uuid.UUID, err error) {
	limited, cancel := context.WithTimeout(ctx, victimPatience)
	defer cancel()
	var w *cluster.Worker
	var release func()
	if err := c.insist(limited, func(ctx context.Context) (err error) {
		w, release, err = c.workerOf(func() (int, error) { return cluster.HoldersPID(ctx, c.client, c.cluster.Namespace, shard) })
		return err
	}); err != nil {
		return nil, fmt.Errorf("the worker of %s: %w", workflows.ShardID(shard), err)
	}
	var tickets []ledger.Ticket
	for _, at := range places {
		for range planLimit(at.plan) {
			tickets = append(tickets, c.ledger.Issue(at.workspace, at.definitions[nodeNoop], ""))
		}
	}
	began, err := c.clock(ctx)
	if err != nil {
		release()
		return nil, err
	}
	c.many(limited, tickets)
	for deadline := time.Now().Add(lookTimeout); len(left) == 0 && time.Now().Before(deadline); {
		left, _ = c.claimedSince(limited, places, began)
	}
	w.Kill()
	c.background.Go(func() {
		defer release()
		c.startWorker(ctx, w, func() {})
	})
	if err := c.insist(limited, func(ctx context.Context) error {
		return c.client.TerminateWorkflow(ctx, workflows.ShardID(shard), "", actor)
	}); err != nil {
		return nil, fmt.Errorf("terminate %s: %w", workflows.ShardID(shard), err)
	}
	err = c.insist(ctx, func(ctx context.Context) (err error) { left, err = c.claimedSince(ctx, places, began); return err })
	return left, err
}

// claimedSince returns the executions of some workspaces that were claimed since a moment and are not started.
func (c *chaos) claimedSince(ctx context.Context, places []place, since time.Time) ([]uuid.UUID, error) {
	rows, err := c.pool.Query(ctx, `SELECT id FROM sluice.running WHERE dispatched_at IS NULL AND workspace_id = ANY ($1) AND claimed_at > $2`, workspacesOf(places), since)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
}

// hanging says which of some items are claimed and not started, or wait beside a free slot, or nothing: those whose workspace
// is full wait rightly.
func (c *chaos) hanging(ctx context.Context, ids []uuid.UUID) (string, error) {
	var n int
	err := c.pool.QueryRow(ctx, `
		SELECT (SELECT count(*) FROM sluice.running r WHERE r.id = ANY ($1) AND r.dispatched_at IS NULL)
		     + (SELECT count(*) FROM sluice.pending p JOIN sluice.quotas q ON q.workspace_id = p.workspace_id
		        WHERE p.id = ANY ($1) AND (SELECT count(*) FROM sluice.running r WHERE r.workspace_id = p.workspace_id) < q.ceiling)`, ids).Scan(&n)
	if err == nil && n > 0 {
		return fmt.Sprintf("%d of %d items hang", n, len(ids)), nil
	}
	return "", err
}

func (c *chaos) undispatched(ctx context.Context, ids []uuid.UUID) (n int, err error) {
	err = c.pool.QueryRow(ctx, `SELECT count(*) FROM sluice.running WHERE dispatched_at IS NULL AND id = ANY ($1)`, ids).Scan(&n)
	return n, err
}

// insistOnRecovery has recovery make a pass of its own, beside the one that goes on for ever.
func (c *chaos) insistOnRecovery(ctx context.Context, f plan.Fault) {
	_ = c.insist(ctx, func(ctx context.Context) error {
		_, err := c.client.ExecuteWorkflow(ctx, client.StartWorkflowOptions{
			ID: fmt.Sprintf("%s-chaos-%d", workflows.RecoveryID, f.Number), TaskQueue: workflows.TaskQueueDefault,
		}, workflows.RecoveryType, workflows.RecoveryRequest{})
		return err
	})
}

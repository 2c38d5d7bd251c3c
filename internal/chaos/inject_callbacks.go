package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	enumspb "go.temporal.io/api/enums/v1"

	"sluice/internal/chaos/cluster"
	"sluice/internal/chaos/forged"
	"sluice/internal/chaos/ledger"
	"sluice/internal/chaos/plan"
)

// subjects are so many workflows of the load that run, and as many that have ended, about which calls are forged.
const subjects = 10

// silences are how calls fail.
var silences = []struct {
	name string
	do   func(*cluster.Proxy)
}{
	{"refused", cut},
	{"left unanswered", stall},
	{"answered 500", func(p *cluster.Proxy) {
		p.Answer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) }))
	}},
}

// cutCallbacks has all of Temporal's calls fail, ends workflows meanwhile, and judges how long it takes until that is learnt without
// calls. It measures from the moment that calls arrive again, and until one has been answered. No part of the weather is away: ends must be
// learnt as soon as ever.
func (c *chaos) cutCallbacks(ctx context.Context, f plan.Fault) (aftermath, error) {
	release, err := c.claims.Take(ctx, partCallbacks)
	if err != nil {
		return aftermath{}, err
	}
	defer release()
	limited, cancel := context.WithTimeout(ctx, 2*victimPatience)
	defer cancel()
	ids, err := c.openOwn(limited)
	if err != nil {
		return aftermath{}, err
	}
	silence := silences[f.Choice%uint64(len(silences))]
	until := time.Now().Add(f.For)
	heal := sync.OnceFunc(func() {
		for _, w := range c.cluster.Workers {
			w.Callbacks.Heal()
		}
	})
	defer heal()
	for _, w := range c.cluster.Workers {
		silence.do(w.Callbacks)
	}
	if err := c.endOwn(limited, f, ids); err != nil {
		return aftermath{}, err
	}
	r := c.await(ctx, f, aftermath{since: time.Now(), missing: func(ctx context.Context) (string, error) { return c.notEnded(ctx, ids...) }}, nil)
	if r.waiting == "" {
		c.say("#%d %s: ends were learnt within %s while calls were %s", f.Number, f.Kind, r.took.Round(time.Millisecond), silence.name)
	}
	if r.took > recoveryPromise && ctx.Err() == nil {
		c.violated(promiseLearnt, fmt.Sprintf("#%d %s", f.Number, f.Kind), "calls were %s, and %d ends took %s to be learnt; missing: %q", silence.name, len(ids), r.took.Round(time.Millisecond), r.waiting)
	}
	_ = cluster.Sleep(ctx, time.Until(until))
	before := c.answered()
	heal()
	a := aftermath{target: "calls were " + silence.name, since: time.Now(), missing: c.answeredAgain(before)}
	c.await(ctx, f, a, nil) // before another fault has them fail again
	return a, nil
}

// answered counts the answers of workers to calls of Temporal's.
func (c *chaos) answered() (n int64) {
	for _, w := range c.cluster.Workers {
		n += w.Callbacks.Answers()
	}
	return n
}

// answeredAgain waits until a call has been answered since. Now and then a workflow ends for it to tell of.
func (c *chaos) answeredAgain(before int64) func(context.Context) (string, error) {
	var next time.Time
	return func(ctx context.Context) (string, error) {
		if c.answered() > before {
			return "", nil
		}
		if time.Now().After(next) {
			next = time.Now().Add(2 * time.Second)
			t := c.ledger.Issue(c.cast.probe.workspace, ownID(ownCompletes), "")
			c.once(ctx, t, c.enqueueByGo(itemOf(t)))
		}
		return "no call has been answered", nil
	}
}

// forgeCallbacks makes calls that are not Temporal's to all workers, about workflows that run and about workflows that have ended. No slot
// may be freed before its workflow has closed: that is watched meanwhile, and judged by the ledger at the end. Then it ends those that it
// has kept open, and measures from there.
func (c *chaos) forgeCallbacks(ctx context.Context, f plan.Fault) (aftermath, error) {
	limited, cancel := context.WithTimeout(ctx, 2*victimPatience)
	defer cancel()
	open, err := c.openOwn(limited)
	if err != nil {
		return aftermath{}, err
	}
	var s *forged.Storm
	err = c.insist(limited, func(ctx context.Context) (err error) { s, err = c.newStorm(ctx, f, open); return err })
	if err != nil {
		return aftermath{}, err
	}
	raging, calm := context.WithTimeout(ctx, f.For)
	defer calm()
	watching, watched := context.WithCancel(ctx)
	var both sync.WaitGroup
	both.Go(func() { c.watchHeld(watching, slices.Clone(open)) })
	s.Rage(raging)
	// A worker that was away, or could not read the key, gives its answer later.
	r := c.await(ctx, f, aftermath{since: time.Now(), missing: s.Owed}, nil)
	watched()
	both.Wait()
	if r.waiting != "" && ctx.Err() == nil {
		c.violated(promiseAnswered, fmt.Sprintf("#%d %s", f.Number, f.Kind), "%s", r.waiting)
	}
	return aftermath{target: fmt.Sprintf("%d calls", s.Made()), since: time.Now(),
		missing: func(ctx context.Context) (string, error) { return c.notEnded(ctx, open...) }}, c.endOwn(limited, f, open)
}

// watchHeld tells which of some workflows lose their slot while they are open, until ctx ends.
func (c *chaos) watchHeld(ctx context.Context, ids []uuid.UUID) {
	for cluster.Sleep(ctx, 20*time.Millisecond) == nil {
		var free []uuid.UUID // none, if the database is away
		_ = c.pool.QueryRow(ctx, `SELECT coalesce(array_agg(id), '{}') FROM unnest($1::uuid[]) AS id
			WHERE NOT EXISTS (SELECT FROM sluice.running r WHERE r.id = id.id)`, ids).Scan(&free)
		for _, id := range free {
			workflowID, idErr := c.workflowID(ctx, id)
			described, err := c.client.DescribeWorkflowExecution(ctx, workflowID, "")
			if errors.Join(idErr, err) != nil {
				continue
			}
			if described.GetWorkflowExecutionInfo().GetStatus() == enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING {
				c.violated(ledger.HeldToEnd, id.String(), "it holds no slot while calls about it are made, and %s is open", workflowID)
			}
			ids = slices.DeleteFunc(ids, func(other uuid.UUID) bool { return other == id }) // it has been told, or another fault has ended it
		}
	}
}

// newStorm has calls about some open workflows, and some of the load's that run or have ended.
func (c *chaos) newStorm(ctx context.Context, f plan.Fault, open []uuid.UUID) (*forged.Storm, error) {
	rows, err := c.pool.Query(ctx, `
		(SELECT id FROM sluice.running WHERE workflow_type IS NOT NULL AND dispatched_at IS NOT NULL AND id <> ALL ($1) ORDER BY dispatched_at DESC LIMIT $2)
		UNION ALL (SELECT id FROM sluice.ended WHERE workflow_type IS NOT NULL AND reason IS NULL ORDER BY ended_at DESC LIMIT $2)`, open, subjects)
	if err != nil {
		return nil, err
	}
	others, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
	if err != nil {
		return nil, err
	}
	var found []forged.Callback
	for _, id := range slices.Concat(open, others) {
		callback, err := c.callbackOf(ctx, id)
		if err != nil {
			return nil, err
		}
		if callback.Header != nil {
			found = append(found, callback)
		}
	}
	if len(found) < 2 {
		return nil, fmt.Errorf("%d of %d workflows have a callback", len(found), len(open)+len(others))
	}
	var addresses []string
	for _, w := range c.cluster.Workers {
		addresses = append(addresses, w.CallbackAddress)
	}
	return forged.NewStorm(found, addresses, rand.New(rand.NewPCG(c.seed, f.Choice))), nil
}

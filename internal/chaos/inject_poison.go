package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"sluice/internal/chaos/cluster"
	"sluice/internal/chaos/plan"
)

// poisonSQL has the database refuse steps of items that are noted as poisoned, and count how often it did so. A sequence keeps its
// count when the step is rolled back.
const poisonSQL = `
	CREATE SCHEMA chaos;
	CREATE TABLE chaos.poisoned (id uuid, step text, fault int, PRIMARY KEY (id, step));
	CREATE SEQUENCE chaos.refused_claim;
	CREATE SEQUENCE chaos.refused_settle;
	CREATE SEQUENCE chaos.refused_end;
	CREATE FUNCTION chaos.refuse() RETURNS trigger LANGUAGE plpgsql AS $$
	BEGIN
		IF EXISTS (SELECT FROM chaos.poisoned p WHERE p.id = NEW.id AND p.step = TG_ARGV[0]) THEN
			PERFORM nextval('chaos.refused_' || TG_ARGV[0]);
			RAISE EXCEPTION 'item % is poisoned: %', NEW.id, TG_ARGV[0];
		END IF;
		RETURN NEW;
	END $$;
	CREATE TRIGGER chaos_claim BEFORE INSERT ON sluice.running FOR EACH ROW EXECUTE FUNCTION chaos.refuse('claim');
	CREATE TRIGGER chaos_settle BEFORE UPDATE ON sluice.running FOR EACH ROW
		WHEN (OLD.dispatched_at IS NULL AND NEW.dispatched_at IS NOT NULL) EXECUTE FUNCTION chaos.refuse('settle');
	CREATE TRIGGER chaos_end BEFORE INSERT ON sluice.ended FOR EACH ROW EXECUTE FUNCTION chaos.refuse('end')`

func (c *chaos) preparePoison(ctx context.Context) error {
	if _, err := c.pool.Exec(ctx, poisonSQL); err != nil {
		return fmt.Errorf("prepare rows that are refused: %w", err)
	}
	return nil
}

// poisonRows enqueues items that cannot be claimed, settled or ended after they have run or failed to start, in the workspace of
// the probes. Others of that workspace must go on beside them; and when the database refuses nothing any more, they end too.
func (c *chaos) poisonRows(ctx context.Context, f plan.Fault) (aftermath, error) {
	at := c.cast.probe // it has a free slot at any time
	limited, cancel := context.WithTimeout(ctx, 2*victimPatience)
	defer cancel()
	broken, err := c.brokenDefinition(limited, at, f)
	if err != nil {
		return aftermath{}, err
	}
	until := time.Now().Add(f.For)
	defer c.cure(ctx, f) // also where it is not known whether it was committed
	before, err := c.refusals(limited)
	if err != nil {
		return aftermath{}, err
	}
	ids, err := c.enqueuePoisoned(limited, f, at, broken.ID)
	if err != nil {
		return aftermath{}, err
	}
	beside, err := c.enqueueAll(limited, at, nodeNoop, 5)
	if err != nil {
		return aftermath{}, err
	}
	r := c.await(ctx, f, aftermath{since: time.Now(), missing: func(ctx context.Context) (string, error) { return c.notEnded(ctx, beside...) }}, nil)
	if r.took > recoveryPromise && ctx.Err() == nil {
		c.violated(promiseBeside, fmt.Sprintf("#%d %s", f.Number, f.Kind), "%d others of the workspace took %s to end; missing: %q", len(beside), r.took.Round(time.Millisecond), r.waiting)
	}
	_ = cluster.Sleep(ctx, time.Until(until))
	if err := c.insist(limited, func(ctx context.Context) error { return c.refusedSince(ctx, before) }); err != nil {
		return aftermath{}, err
	}
	c.cure(ctx, f)
	a := aftermath{target: fmt.Sprintf("%d items", len(ids)), since: time.Now()}
	a.missing = func(ctx context.Context) (string, error) { return c.stuck(ctx, ids) }
	return a, nil
}

// enqueuePoisoned enqueues two items for each step that is refused, and has that step of them refused from the same moment on.
func (c *chaos) enqueuePoisoned(ctx context.Context, f plan.Fault, at place, broken uuid.UUID) (ids []uuid.UUID, err error) {
	tx, err := c.pool.Begin(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
	var acknowledge []func()
	for _, poison := range []struct {
		step       string
		definition uuid.UUID
	}{{"claim", at.definitions[nodeNoop]}, {"settle", at.definitions[nodeNap]}, {"end", at.definitions[nodeNoop]}, {"end", broken}} {
		for range 2 {
			ticket := c.ledger.Issue(at.workspace, poison.definition, "")
			answer, err := c.queue.EnqueueTx(ctx, tx, itemOf(ticket))
			if err != nil {
				return nil, err
			}
			if _, err := tx.Exec(ctx, `INSERT INTO chaos.poisoned VALUES ($1, $2, $3)`, answer.QueueID, poison.step, f.Number); err != nil {
				return nil, err
			}
			ids = append(ids, answer.QueueID)
			acknowledge = append(acknowledge, func() { c.ledger.Acknowledge(ticket, answer.QueueID) })
		}
	}
	if err := tx.Commit(ctx); err != nil {
		return nil, err
	}
	for _, do := range acknowledge {
		do()
	}
	return ids, nil
}

// cure has the database refuse nothing of a fault's items any more.
func (c *chaos) cure(ctx context.Context, f plan.Fault) {
	_ = c.insist(ctx, func(ctx context.Context) error {
		_, err := c.pool.Exec(ctx, `DELETE FROM chaos.poisoned WHERE fault = $1`, f.Number)
		return err
	})
}

// refusals is how often each step was refused.
func (c *chaos) refusals(ctx context.Context) (n [3]int64, err error) {
	err = c.pool.QueryRow(ctx, `SELECT c.last_value + c.is_called::int, s.last_value + s.is_called::int, e.last_value + e.is_called::int
		FROM chaos.refused_claim c, chaos.refused_settle s, chaos.refused_end e`).Scan(&n[0], &n[1], &n[2])
	return n, err
}

// refusedSince returns nil when each step has been refused since.
func (c *chaos) refusedSince(ctx context.Context, before [3]int64) error {
	now, err := c.refusals(ctx)
	for i, step := range []string{"claim", "settle", "end"} {
		if err == nil && now[i] == before[i] {
			err = fmt.Errorf("no %s was refused", step)
		}
	}
	return err
}

// stuck says which of some items neither have ended nor are put off until later, or nothing.
func (c *chaos) stuck(ctx context.Context, ids []uuid.UUID) (string, error) {
	var off []uuid.UUID
	err := c.pool.QueryRow(ctx, `SELECT coalesce(array_agg(id), '{}') FROM sluice.pending WHERE id = ANY ($1) AND available_at > now()`, ids).Scan(&off)
	if err != nil {
		return "", err
	}
	ids = slices.DeleteFunc(slices.Clone(ids), func(id uuid.UUID) bool { return slices.Contains(off, id) })
	return c.notEnded(ctx, ids...)
}

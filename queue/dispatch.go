package queue

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Claim is an item that holds a slot and waits for its workflow to be started.
type Claim struct {
	ExecutionID    uuid.UUID
	WorkspaceID    uuid.UUID
	WorkspaceName  *string // nil: the workspace is gone
	Plan           *string
	Weight         *int
	DefinitionID   uuid.UUID
	DefinitionName *string // nil: the definition is gone
	VersionID      *uuid.UUID
	VersionNumber  *int
	Workflow       json.RawMessage // nil: the version is gone
	Input          json.RawMessage
	Priority       int
	Attempt        int // failed starts so far
	ClaimedAt      time.Time
}

// BeginDispatch returns the fence of a new dispatch, which every later one overtakes: another process may do the same
// step again while the first is still at it. With it come the claims to start, as Undispatched returns them. ErrFenced
// says that another run owns the shard.
func (q *Queue) BeginDispatch(ctx context.Context, fence Fence, limit int) (Fence, []Claim, error) {
	var claims []Claim
	batch := &pgx.Batch{}
	batch.Queue(unhurriedSQL)
	batch.Queue(`UPDATE sluice.dispatchers SET dispatch = dispatch + 1 WHERE shard = $1 AND epoch = $2 RETURNING dispatch`,
		fence.Shard, fence.Epoch).QueryRow(func(row pgx.Row) error {
		err := row.Scan(&fence.Dispatch)
		if errors.Is(err, pgx.ErrNoRows) {
			return ErrFenced
		}
		return err
	})
	batch.Queue(undispatchedSQL, limit, fence.Shard).Query(func(rows pgx.Rows) (err error) {
		claims, err = scanClaims(rows)
		return err
	})
	err := q.pool.SendBatch(ctx, batch).Close()
	if err == nil {
		err = q.versions.fill(ctx, q.pool, claims)
	}
	return fence, claims, wrap(err, "begin dispatch")
}

// Undispatched returns what is claimed and not dispatched of the shard's workspaces, oldest claim first, whichever run of
// whichever shard claimed it: a dispatcher takes up at once what its predecessor left.
func (q *Queue) Undispatched(ctx context.Context, limit int) ([]Claim, error) {
	rows, err := q.pool.Query(ctx, undispatchedSQL, limit, q.shard)
	if err != nil {
		return nil, wrap(err, "read undispatched claims")
	}
	claims, err := scanClaims(rows)
	if err == nil {
		err = q.versions.fill(ctx, q.pool, claims)
	}
	return claims, wrap(err, "read undispatched claims")
}

// Each lookup is of one row, and written so that it can be nothing else: with statistics that have not caught up, a
// plain join may read every execution there ever was.
const undispatchedSQL = `
	SELECT e.id, e.workspace_id, w.name, w.plan, w.weight, e.workflow_definition_id, d.name, e.workflow_version_id,
	       v.version_number, i.input, e.priority, e.attempt_count, s.claimed_at
	FROM sluice.slots s JOIN sluice.settings n ON n.one AND ` + ownerOfSlot + ` = $2
	CROSS JOIN LATERAL (SELECT * FROM sluice.workflow_executions WHERE id = s.execution_id AND status = 'CLAIMED' LIMIT 1) AS e
	CROSS JOIN LATERAL (SELECT input FROM sluice.execution_inputs WHERE execution_id = s.execution_id LIMIT 1) AS i
	LEFT JOIN LATERAL (SELECT w.name, w.plan, coalesce(w.weight, t.weight) AS weight
		FROM sluice.workspaces w LEFT JOIN sluice.tiers t ON t.plan = w.plan WHERE w.id = e.workspace_id LIMIT 1) AS w ON true
	LEFT JOIN LATERAL (SELECT name FROM sluice.workflow_definitions WHERE id = e.workflow_definition_id LIMIT 1) AS d ON true
	LEFT JOIN LATERAL (SELECT version_number FROM sluice.workflow_definition_versions WHERE id = e.workflow_version_id LIMIT 1) AS v ON true
	WHERE NOT s.dispatched ORDER BY s.claimed_at LIMIT $1`

// scanClaims reads the rows of undispatchedSQL: all but the workflows.
func scanClaims(rows pgx.Rows) ([]Claim, error) {
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (c Claim, err error) {
		err = row.Scan(&c.ExecutionID, &c.WorkspaceID, &c.WorkspaceName, &c.Plan, &c.Weight, &c.DefinitionID, &c.DefinitionName, &c.VersionID,
			&c.VersionNumber, (*[]byte)(&c.Input), &c.Priority, &c.Attempt, &c.ClaimedAt)
		return c, err
	})
}

// Started says that the workflow of an execution exists.
type Started struct {
	ExecutionID uuid.UUID
	RunID       string
}

// Settle records that the workflows exist: CLAIMED becomes DISPATCHED. It needs no fence, because it records a fact;
// an outcome that came first stays.
func (q *Queue) Settle(ctx context.Context, started []Started) error {
	ids, runs := make([]uuid.UUID, len(started)), make([]string, len(started))
	for i, s := range inOrder(started, func(s Started) uuid.UUID { return s.ExecutionID }) {
		ids[i], runs[i] = s.ExecutionID, s.RunID
	}
	batch := &pgx.Batch{}
	batch.Queue(unhurriedSQL)
	batch.Queue(settleSQL, ids, runs)
	return wrap(q.pool.SendBatch(ctx, batch).Close(), "settle dispatched executions")
}

// unhurriedSQL has the rest of a batch committed without waiting for the disk. If Postgres crashes just then, the claims
// are dispatched again, and found started; who was parked has lost his connection too.
const unhurriedSQL = `SELECT set_config('synchronous_commit', 'off', true)`

// What is known of many executions comes in arrays, in the order of their ids: so the place of one is found by bisection.
// A join would take a sixth longer, and a plan made while there were few executions reads them all for it, and is kept
// while they become many.
const settleSQL = `
WITH recorded AS (
	UPDATE sluice.workflow_executions e
	SET status = CASE e.status WHEN 'CLAIMED' THEN 'RUNNING' ELSE e.status END,
	    dispatched_at = coalesce(e.dispatched_at, now()), engine_run_id = coalesce(e.engine_run_id, ($2::text[])[width_bucket(e.id, $1::uuid[])])
	WHERE e.id = ANY ($1) AND (e.status = 'CLAIMED' OR e.engine_run_id IS NULL)
	RETURNING e.id
)
-- The execution is locked before its slot, as an outcome does it: the other way round the two would deadlock.
UPDATE sluice.slots SET dispatched = true, checked_at = now() WHERE execution_id = ANY (ARRAY(SELECT id FROM recorded)) AND NOT dispatched`

// inOrder returns what is about executions in the order in which everybody who locks many of them does so.
func inOrder[T any](values []T, id func(T) uuid.UUID) []T {
	return slices.SortedFunc(slices.Values(values), func(a, b T) int {
		x, y := id(a), id(b)
		return bytes.Compare(x[:], y[:])
	})
}

package queue

import (
	"context"
	"encoding/json"
	"errors"

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
}

// BeginDispatch returns the fence of a new dispatch, which every later one overtakes: another process may do the same
// step again while the first is still at it. With it come the claims to start, as Undispatched returns them. ErrFenced
// says that another run owns the shard.
func (q *Queue) BeginDispatch(ctx context.Context, fence Fence, limit int) (Fence, []Claim, error) {
	var claims []Claim
	batch := &pgx.Batch{}
	batch.Queue(`UPDATE sluice.dispatchers SET dispatch = dispatch + 1 WHERE shard = $1 AND epoch = $2 RETURNING dispatch`,
		fence.Shard, fence.Epoch).QueryRow(func(row pgx.Row) error {
		err := row.Scan(&fence.Dispatch)
		if errors.Is(err, pgx.ErrNoRows) {
			return ErrFenced
		}
		return err
	})
	batch.Queue(undispatchedSQL, limit, fence.Shard).Query(func(rows pgx.Rows) (err error) {
		claims, err = pgx.CollectRows(rows, pgx.RowToStructByName[Claim])
		return err
	})
	err := q.pool.SendBatch(ctx, batch).Close()
	return fence, claims, wrap(err, "begin dispatch")
}

// Undispatched returns what is claimed and not dispatched of the shard's workspaces, oldest claim first, whichever run of
// whichever shard claimed it: a dispatcher takes up at once what its predecessor left.
func (q *Queue) Undispatched(ctx context.Context, limit int) ([]Claim, error) {
	claims, err := collect[Claim](ctx, q.pool, undispatchedSQL, limit, q.shard)
	return claims, wrap(err, "read undispatched claims")
}

const undispatchedSQL = `
	SELECT e.id AS execution_id, e.workspace_id, w.name AS workspace_name, w.plan, coalesce(w.weight, t.weight) AS weight,
	       e.workflow_definition_id AS definition_id, d.name AS definition_name, e.workflow_version_id AS version_id,
	       v.version_number, v.workflow, i.input, e.priority::int, e.attempt_count AS attempt
	FROM sluice.slots s JOIN sluice.settings n ON n.one AND ` + ownerOfSlot + ` = $2
	JOIN sluice.workflow_executions e ON e.id = s.execution_id AND e.status = 'CLAIMED'
	JOIN sluice.execution_inputs i ON i.execution_id = e.id
	LEFT JOIN sluice.workspaces w ON w.id = e.workspace_id
	LEFT JOIN sluice.tiers t ON t.plan = w.plan
	LEFT JOIN sluice.workflow_definitions d ON d.id = e.workflow_definition_id
	LEFT JOIN sluice.workflow_definition_versions v ON v.id = e.workflow_version_id
	WHERE NOT s.dispatched ORDER BY s.claimed_at LIMIT $1`

// Started says that the workflow of an execution exists.
type Started struct {
	ExecutionID uuid.UUID
	RunID       string
}

// Settle records that the workflows exist: CLAIMED becomes DISPATCHED. It needs no fence, because it records a fact;
// an outcome that came first stays.
func (q *Queue) Settle(ctx context.Context, started []Started) error {
	ids, runs := make([]uuid.UUID, len(started)), make([]string, len(started))
	for i, s := range started {
		ids[i], runs[i] = s.ExecutionID, s.RunID
	}
	_, err := q.pool.Exec(ctx, `
		WITH started AS (
			SELECT * FROM unnest($1::uuid[], $2::text[]) AS s (id, run_id)
		), recorded AS (
			UPDATE sluice.workflow_executions e
			SET status = CASE e.status WHEN 'CLAIMED' THEN 'RUNNING' ELSE e.status END,
			    dispatched_at = coalesce(e.dispatched_at, now()), engine_run_id = coalesce(e.engine_run_id, s.run_id)
			FROM started s WHERE e.id = s.id AND (e.status = 'CLAIMED' OR e.engine_run_id IS NULL)
			RETURNING e.id
		)
		-- The execution is locked before its slot, as an outcome does it: the other way round the two would deadlock.
		UPDATE sluice.slots SET dispatched = true, checked_at = now() FROM recorded r
		WHERE execution_id = r.id AND NOT dispatched`, ids, runs)
	return wrap(err, "settle dispatched executions")
}

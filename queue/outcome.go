package queue

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
)

// Outcome is how an execution ended: COMPLETED, FAILED, CANCELLED, TERMINATED or TIMED_OUT.
type Outcome struct {
	ExecutionID uuid.UUID
	RunID       string
	Status      string
	Output      json.RawMessage // may be nil
	Error       json.RawMessage // may be nil
}

// RecordOutcome ends an execution, frees its slot and rings the dispatcher, in one statement. It returns false when
// the execution had ended before: the first outcome stays. An outcome may come before the start was settled, and even
// after the item went back to the queue because its start seemed to have failed: then the item is taken out again.
// ErrUnknownItem says that no such execution exists.
func (q *Queue) RecordOutcome(ctx context.Context, o Outcome) (bool, error) {
	for {
		for _, statement := range []string{endExecutionSQL, endRequeuedSQL} {
			ended, err := q.execOutcome(ctx, statement, o)
			if err != nil || ended {
				return ended, wrap(err, "record outcome")
			}
		}
		var known, ended bool
		err := q.pool.QueryRow(ctx, whereaboutsSQL, o.ExecutionID).Scan(&known, &ended)
		if err == nil && !known {
			err = &RequestError{Kind: ErrUnknownItem, Message: "no execution " + o.ExecutionID.String() + " in this database"}
		}
		if err != nil || ended {
			return false, wrap(err, "record outcome")
		}
		// It was claimed or requeued between the statements: look again.
	}
}

// execOutcome runs a statement whose parameters are id, status, run id, output and error, and tells whether it did
// anything. Whatever an execution has put out, its end must be recorded: data that cannot be stored is lost, and says so.
func (q *Queue) execOutcome(ctx context.Context, statement string, o Outcome) (bool, error) {
	done, err := q.tellFreed(ctx, statement, o.ExecutionID, o.Status, o.RunID, nullJSON(o.Output), nullJSON(o.Error))
	if pg := (*pgconn.PgError)(nil); errors.As(err, &pg) && isDataException(pg) {
		lost := string(details("message", "output or error could not be stored: "+pg.Message))
		done, err = q.tellFreed(ctx, statement, o.ExecutionID, o.Status, o.RunID, nil, lost)
	}
	return done, err
}

// tellFreed runs a statement that returns the workspaces whose slots it has freed, and tells whether it did anything.
func (q *Queue) tellFreed(ctx context.Context, statement string, args ...any) (bool, error) {
	rows, err := q.pool.Query(ctx, statement, args...)
	if err != nil {
		return false, err
	}
	freed, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
	if len(freed) > 0 {
		q.near.ring(freed...)
	}
	return rows.CommandTag().RowsAffected() > 0, err
}

// endExecutions ends those executions that are claimed or running, in one statement, and tells which it has ended. What
// it has not ended is RecordOutcome's to explain. No execution may be named twice, and they come in the order of their
// ids: by that order each finds what is recorded of it, and in it they are locked, or two of these, or one and a settle,
// could deadlock. Data that cannot be stored fails all of them, and so does a lock that somebody holds for longer than
// patience.
func (q *Queue) endExecutions(ctx context.Context, outcomes []Outcome) (ended []bool, err error) {
	n := len(outcomes)
	ids, statuses, runs := make([]uuid.UUID, n), make([]string, n), make([]string, n)
	outputs, errs := make(pgtype.FlatArray[json.RawMessage], n), make(pgtype.FlatArray[json.RawMessage], n)
	for i, o := range outcomes {
		ids[i], statuses[i], runs[i] = o.ExecutionID, o.Status, o.RunID
		if len(o.Output) > 0 {
			outputs[i] = o.Output
		}
		if len(o.Error) > 0 {
			errs[i] = o.Error
		}
	}
	ended = make([]bool, n)
	var freed []uuid.UUID
	batch := &pgx.Batch{} // one round trip and one transaction
	batch.Queue(`SELECT set_config('lock_timeout', $1, true)`, patience)
	batch.Queue(endExecutionsSQL, ids, statuses, runs, outputs, errs).Query(func(rows pgx.Rows) error {
		var place int
		var workspace uuid.UUID
		_, err := pgx.ForEachRow(rows, []any{&place, &workspace}, func() error {
			ended[place-1] = true
			freed = append(freed, workspace)
			return nil
		})
		return err
	})
	err = q.pool.SendBatch(ctx, batch).Close()
	if err == nil {
		q.near.ring(freed...)
	}
	return ended, err
}

// patience is how long many outcomes wait for a row that somebody else has locked: far longer than a settle takes.
const patience = "500ms"

// One bell will do for all workspaces, and the statement wakes by itself, as that of many items does: where several
// dispatchers may need to be woken, each workspace's. The trigger on slots lists what has ended.
const endExecutionsSQL = `
WITH ended AS (
	UPDATE sluice.workflow_executions e
	SET status = ($2::text[])[width_bucket(e.id, $1::uuid[])], completed_at = greatest(now(), claimed_at, dispatched_at),
	    dispatched_at = coalesce(dispatched_at, claimed_at),
	    engine_run_id = coalesce(nullif(($3::text[])[width_bucket(e.id, $1::uuid[])], ''), engine_run_id),
	    output = ($4::jsonb[])[width_bucket(e.id, $1::uuid[])], error = ($5::jsonb[])[width_bucket(e.id, $1::uuid[])]
	WHERE e.id = ANY ($1) AND e.status IN ('CLAIMED', 'RUNNING')
	RETURNING e.id, e.workspace_id
), freed AS (
	DELETE FROM sluice.slots WHERE execution_id = ANY (ARRAY(SELECT id FROM ended))
), told AS (
	SELECT array_agg(DISTINCT workspace_id) AS workspaces FROM ended HAVING count(*) > 0
), rung AS (
	INSERT INTO sluice.doorbell (workspace_id, workspaces, quiet)
	SELECT '00000000-0000-0000-0000-000000000000', workspaces, true FROM told
	WHERE CASE WHEN EXISTS (SELECT FROM sluice.parked) THEN (
		SELECT bool_and(sluice.wake(f.workspace_id, false)) FROM unnest(workspaces) WITH ORDINALITY AS f (workspace_id, place)
		WHERE f.place = 1 OR (SELECT shards > 1 FROM sluice.settings WHERE one)) ELSE true END
)
SELECT width_bucket(id, $1::uuid[]), workspace_id FROM ended`

// An id that is known and has not ended is waiting or claimed.
const whereaboutsSQL = `
SELECT e.known OR q.known, e.ended
FROM (SELECT count(*) > 0 AS known, count(completed_at) > 0 AS ended FROM sluice.workflow_executions WHERE id = $1) AS e,
     (SELECT count(*) > 0 AS known FROM sluice.execution_queue WHERE id = $1) AS q`

const endExecutionSQL = `
WITH ended AS (
	UPDATE sluice.workflow_executions
	SET status = $2, completed_at = greatest(now(), claimed_at, dispatched_at), dispatched_at = coalesce(dispatched_at, claimed_at),
	    engine_run_id = coalesce(nullif($3, ''), engine_run_id), output = $4::jsonb, error = $5::jsonb
	WHERE id = $1 AND status IN ('CLAIMED', 'RUNNING')
	RETURNING id, workspace_id
), freed AS (
	-- A join would read all slots there ever were under an open transaction: the plan is made while there are few.
	DELETE FROM sluice.slots WHERE execution_id = ANY (ARRAY(SELECT id FROM ended))
)
INSERT INTO sluice.doorbell (workspace_id) SELECT workspace_id FROM ended RETURNING workspace_id`

const endRequeuedSQL = `
WITH item AS (
	DELETE FROM sluice.execution_queue WHERE id = $1 RETURNING *
), inputs AS (
	INSERT INTO sluice.execution_inputs (execution_id, input) SELECT id, input FROM item
)
INSERT INTO sluice.workflow_executions (id, workspace_id, workflow_definition_id, status, priority, attempt_count, created_at,
	available_at, claimed_at, dispatched_at, completed_at, expires_at, unique_key, trigger_type, enqueued_by, engine_run_id, output, error)
SELECT id, workspace_id, workflow_definition_id, $2, priority, attempt_count, created_at,
	available_at, now(), now(), now(), expires_at, unique_key, trigger_type, enqueued_by, nullif($3, ''), $4::jsonb, $5::jsonb
FROM item`

func nullJSON(raw json.RawMessage) *string {
	if len(raw) == 0 {
		return nil
	}
	text := string(raw)
	return &text
}

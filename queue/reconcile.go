package queue

import (
	"context"
	"time"

	"github.com/google/uuid"
)

// Run is one run of an execution's workflow.
type Run struct {
	ExecutionID uuid.UUID
	RunID       string
}

func columns(runs []Run) (ids []uuid.UUID, runIDs []string) {
	ids, runIDs = make([]uuid.UUID, len(runs)), make([]string, len(runs))
	for i, r := range runs {
		ids[i], runIDs[i] = r.ExecutionID, r.RunID
	}
	return ids, runIDs
}

// Unrecorded returns the executions of those closed runs whose end is not on record: they hold a slot, or another run
// has recorded their outcome.
func (q *Queue) Unrecorded(ctx context.Context, closed []Run) ([]uuid.UUID, error) {
	if len(closed) == 0 {
		return nil, nil
	}
	ids, runs := columns(closed)
	return q.ids(ctx, "compare closed runs", `
		SELECT DISTINCT e.id FROM unnest($1::uuid[], $2::text[]) AS closed (id, run_id)
		JOIN sluice.workflow_executions e ON e.id = closed.id
		WHERE e.completed_at IS NULL OR e.engine_run_id IS DISTINCT FROM closed.run_id`, ids, runs)
}

// Unheld returns the executions of those open runs that hold no slot and have not recorded an outcome themselves. Who
// has is about to close.
func (q *Queue) Unheld(ctx context.Context, open []Run) ([]uuid.UUID, error) {
	if len(open) == 0 {
		return nil, nil
	}
	ids, runs := columns(open)
	return q.ids(ctx, "compare open runs", `
		SELECT DISTINCT open.id FROM unnest($1::uuid[], $2::text[]) AS open (id, run_id)
		LEFT JOIN sluice.slots s ON s.execution_id = open.id
		LEFT JOIN sluice.workflow_executions e ON e.id = open.id
		WHERE s.execution_id IS NULL AND e.engine_run_id IS DISTINCT FROM open.run_id`, ids, runs)
}

// Supersede replaces the outcome of an earlier run by that of a later one, after a reset. The time it completed stays,
// because that is when its slot was freed. It returns false when the execution is open or its outcome is this run's already.
func (q *Queue) Supersede(ctx context.Context, o Outcome) (bool, error) {
	superseded, err := q.execOutcome(ctx, `
		WITH earlier AS (
			SELECT id, workspace_id, status, engine_run_id FROM sluice.workflow_executions
			WHERE id = $1 AND completed_at IS NOT NULL AND engine_run_id IS DISTINCT FROM $3::text FOR UPDATE
		), later AS (
			UPDATE sluice.workflow_executions e
			SET status = $2, engine_run_id = $3, output = $4::jsonb, error = $5::jsonb
			FROM earlier WHERE e.id = earlier.id
		)
		INSERT INTO sluice.activity_log (actor, action, workspace_id, queue_id, reason, details)
		SELECT 'recovery', 'superseded', workspace_id, id, 'reset', jsonb_build_object('status', status, 'runId', engine_run_id) FROM earlier`, o)
	return superseded, wrap(err, "supersede an outcome")
}

// Reopen gives an open workflow its slot back: it was reset after its execution had ended, or started although its item
// is PENDING. Temporal runs it whatever we say, so it counts as usage even above the limit; nothing else starts until
// the workspace is below it. It returns false when the execution holds a slot, this run has recorded its outcome, or
// the item ended without an execution.
func (q *Queue) Reopen(ctx context.Context, run Run) (bool, error) {
	for _, statement := range []string{reopenEndedSQL, reopenPendingSQL} {
		tag, err := q.pool.Exec(ctx, statement, run.ExecutionID, run.RunID)
		if err != nil {
			return false, wrap(err, "reopen an execution")
		}
		if tag.RowsAffected() > 0 {
			return true, nil
		}
	}
	return false, nil
}

const reopenEndedSQL = `
WITH ended AS (
	SELECT id, workspace_id, status, completed_at, engine_run_id FROM sluice.workflow_executions
	WHERE id = $1 AND completed_at IS NOT NULL AND engine_run_id IS DISTINCT FROM $2::text FOR UPDATE
), open AS (
	UPDATE sluice.workflow_executions e
	SET status = 'RUNNING', completed_at = NULL, engine_run_id = $2, output = NULL, error = NULL FROM ended WHERE e.id = ended.id
), held AS (
	INSERT INTO sluice.slots (execution_id, workspace_id, epoch, cycle, dispatched) SELECT id, workspace_id, 0, 0, true FROM ended
)
INSERT INTO sluice.activity_log (actor, action, workspace_id, queue_id, reason, details)
SELECT 'recovery', 'reopened', workspace_id, id, 'reset', jsonb_build_object('status', status, 'completedAt', completed_at, 'runId', engine_run_id) FROM ended`

const reopenPendingSQL = `
WITH item AS (
	DELETE FROM sluice.execution_queue WHERE id = $1 RETURNING *
), inputs AS (
	INSERT INTO sluice.execution_inputs (execution_id, input) SELECT id, input FROM item
), open AS (
	INSERT INTO sluice.workflow_executions (id, workspace_id, workflow_definition_id, status, priority, attempt_count, created_at,
		available_at, claimed_at, dispatched_at, expires_at, unique_key, trigger_type, enqueued_by, engine_run_id)
	SELECT id, workspace_id, workflow_definition_id, 'RUNNING', priority, attempt_count, created_at,
		available_at, now(), now(), expires_at, unique_key, trigger_type, enqueued_by, $2 FROM item
), held AS (
	INSERT INTO sluice.slots (execution_id, workspace_id, epoch, cycle, dispatched) SELECT id, workspace_id, 0, 0, true FROM item
)
INSERT INTO sluice.activity_log (actor, action, workspace_id, queue_id, reason, details)
SELECT 'recovery', 'reopened', workspace_id, id, 'started-late', jsonb_build_object('runId', $2::text) FROM item`

// Reopening is a call of Reopen that gave an execution its slot back.
type Reopening struct {
	ID     uuid.UUID
	At     time.Time
	Before *time.Time // when the execution had ended; nil: its item was PENDING
}

// Reopenings returns those since a moment, and all earlier ones of the same executions.
func (q *Queue) Reopenings(ctx context.Context, since time.Time) ([]Reopening, error) {
	reopenings, err := collect[Reopening](ctx, q.pool, `
		SELECT queue_id AS id, at, (details ->> 'completedAt')::timestamptz AS before FROM sluice.activity_log
		WHERE action = 'reopened' AND queue_id IN (SELECT queue_id FROM sluice.activity_log WHERE action = 'reopened' AND at >= $1)`, since)
	return reopenings, wrap(err, "read reopenings")
}

// Refused tells whether the item ended without an execution.
func (q *Queue) Refused(ctx context.Context, id uuid.UUID) (refused bool, err error) {
	err = q.pool.QueryRow(ctx, `SELECT EXISTS (SELECT FROM sluice.refused_items WHERE id = $1)`, id).Scan(&refused)
	return refused, wrap(err, "look for a refused item")
}

// SlotsToCheck are the dispatched executions whose slot was compared with Temporal longest ago, at least age ago.
func (q *Queue) SlotsToCheck(ctx context.Context, age time.Duration, limit int) ([]uuid.UUID, error) {
	return q.ids(ctx, "read slots to check", `
		SELECT execution_id FROM sluice.slots WHERE dispatched AND checked_at < now() - $1::interval ORDER BY checked_at LIMIT $2`, age, limit)
}

// Checked notes that these slots are rightly held at this moment, and which of the executions nobody serves, for how
// long. It returns those for which that is news.
func (q *Queue) Checked(ctx context.Context, held []uuid.UUID, unserved map[uuid.UUID]time.Duration) (news []uuid.UUID, err error) {
	if len(held) == 0 {
		return nil, nil
	}
	held = inOrder(held, func(id uuid.UUID) uuid.UUID { return id }) // an outcome that frees many slots locks them so
	waits := make([]*time.Duration, len(held))
	for i, id := range held {
		if wait, ok := unserved[id]; ok {
			waits[i] = &wait
		}
	}
	return q.ids(ctx, "note checked slots", `
		WITH seen AS (
			SELECT * FROM unnest($1::uuid[], $2::interval[]) AS seen (id, waits)
		), before AS (
			SELECT s.execution_id AS id, s.unserved_since, seen.waits FROM sluice.slots s JOIN seen ON seen.id = s.execution_id
			ORDER BY s.execution_id FOR UPDATE OF s
		), noted AS (
			UPDATE sluice.slots s SET checked_at = now(),
				unserved_since = CASE WHEN before.waits IS NOT NULL THEN coalesce(before.unserved_since, now() - before.waits) END
			FROM before WHERE s.execution_id = before.id
		)
		SELECT id FROM before WHERE waits IS NOT NULL AND unserved_since IS NULL`, held, waits)
}

// Reconciliation is where reconciliation stands.
type Reconciliation struct {
	LookedUntil time.Time // before it, closed and started executions have been looked at; zero at first
	Due         int64     // dispatched executions whose slot was last compared with Temporal at least age ago
	Unserved    int64     // open executions that nobody serves
}

// Reconciliation reads where it stands.
func (q *Queue) Reconciliation(ctx context.Context, age time.Duration) (r Reconciliation, err error) {
	var looked *time.Time
	err = q.pool.QueryRow(ctx, `
		SELECT (SELECT looked_at FROM sluice.reconciliation), count(*) FILTER (WHERE dispatched AND checked_at < now() - $1::interval), count(unserved_since)
		FROM sluice.slots`, age).Scan(&looked, &r.Due, &r.Unserved)
	if looked != nil {
		r.LookedUntil = *looked
	}
	return r, wrap(err, "read where reconciliation stands")
}

// SetLookedUntil notes that moment; an earlier one than the noted changes nothing.
func (q *Queue) SetLookedUntil(ctx context.Context, until time.Time) error {
	_, err := q.pool.Exec(ctx, `
		INSERT INTO sluice.reconciliation AS r (looked_at) VALUES ($1)
		ON CONFLICT (singleton) DO UPDATE SET looked_at = excluded.looked_at WHERE r.looked_at < excluded.looked_at`, until)
	return wrap(err, "note how far reconciliation has looked")
}

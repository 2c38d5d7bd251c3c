package queue

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/google/uuid"

	"sluice/internal/admission"
)

// Checked is what a check that Postgres can decide alone has found.
type Checked struct {
	Checked int64 // how many there are
	Broken  int64 // how many of them break the rule
	First   []Broken
}

// Broken is something that breaks a rule: an item, and what is wrong with it.
type Broken struct {
	ID   uuid.UUID
	What string
}

// window is the part of the tables that a check looks at.
type window struct {
	executions, refused string
	args                []any
}

// since narrows a check to the executions that are open or have ended since, and to the refused items that were
// enqueued since; zero stands for all there are.
func (q *Queue) since(ctx context.Context, from time.Time) (w window, err error) {
	w.refused = `SELECT * FROM sluice.refused_items`
	w.executions, w.args, err = q.executionsSince(ctx, from)
	if !from.IsZero() {
		w.refused += ` WHERE id >= $2`
		w.args = append(w.args, firstIDAt(from))
	}
	return w, err
}

// firstIDAt is below every id that sluice.uuid_v7 makes from that moment on, and above those it made before.
func firstIDAt(t time.Time) (id uuid.UUID) {
	var ms [8]byte
	binary.BigEndian.PutUint64(ms[:], uint64(max(0, t.UnixMilli())))
	copy(id[:6], ms[2:])
	return id
}

// CheckPlaces looks for items that are in two places or in none, that were started without a trace of their run, and
// that were refused without a reason. It names at most so many. With a time it looks at what has ended or is open
// since, and not for items that are in none.
func (q *Queue) CheckPlaces(ctx context.Context, from time.Time, most int) (Checked, error) {
	w, err := q.since(ctx, from)
	if err != nil {
		return Checked{}, wrap(err, "check places")
	}
	count, nowhere := `(SELECT count(*) FROM executions) + (SELECT count(*) FROM refused)`, ``
	if from.IsZero() {
		count += ` + (SELECT count(*) FROM sluice.execution_queue)`
		nowhere = `
		UNION ALL
		SELECT k.queue_id, 'it is nowhere, but unique key ' || k.unique_key || ' answers with it' FROM sluice.unique_keys k
		WHERE NOT EXISTS (SELECT FROM sluice.execution_queue WHERE id = k.queue_id)
		  AND NOT EXISTS (SELECT FROM sluice.workflow_executions WHERE id = k.queue_id)
		  AND NOT EXISTS (SELECT FROM sluice.refused_items WHERE id = k.queue_id)`
	}
	return q.check(ctx, "check places", w, most, count, `
		SELECT e.id, 'it waits and has an execution' AS what FROM executions e JOIN sluice.execution_queue USING (id)
		UNION ALL
		SELECT r.id, 'it waits and was refused' FROM refused r JOIN sluice.execution_queue USING (id)
		UNION ALL
		SELECT e.id, 'it has an execution and was refused' FROM executions e JOIN sluice.refused_items USING (id)
		UNION ALL
		SELECT id, 'its execution is ' || status || ' without a run id' FROM executions
		WHERE status <> 'CLAIMED' AND coalesce(engine_run_id, '') = ''
		UNION ALL
		SELECT id, 'it is ' || status || ' without a reason' FROM refused WHERE btrim(reason) = ''`+nowhere)
}

// CheckSlots looks for slots without an open execution, and the other way round. It names at most so many. With a time it
// finds at once those open executions that have lost their slot since, and any others in the course of many calls.
func (q *Queue) CheckSlots(ctx context.Context, from time.Time, most int) (Checked, error) {
	w, err := q.since(ctx, from)
	if err == nil && !from.IsZero() {
		var slotless []uuid.UUID
		slotless, err = q.patrol.next(ctx, q.pool)
		w.executions += ` UNION ` + allExecutions + ` WHERE id = ANY (coalesce($3, '{}'::uuid[]))`
		w.args = append(w.args, slotless)
	}
	if err != nil {
		return Checked{}, wrap(err, "check slots")
	}
	return q.check(ctx, "check slots", w, most, `count(*) FROM sluice.slots`, `
		SELECT coalesce(s.execution_id, e.id) AS id, CASE
		       WHEN e.id IS NULL THEN 'it holds a slot, but has no open execution'
		       WHEN s.execution_id IS NULL THEN 'its execution is ' || e.status || ', but holds no slot'
		       WHEN s.workspace_id <> e.workspace_id THEN 'it holds a slot of workspace ' || s.workspace_id || ', but belongs to ' || e.workspace_id
		       ELSE 'its execution is ' || e.status || ', but its slot says otherwise' END AS what
		FROM sluice.slots s FULL JOIN (SELECT * FROM executions WHERE completed_at IS NULL) AS e ON e.id = s.execution_id
		WHERE s.execution_id IS NULL OR e.id IS NULL OR s.workspace_id <> e.workspace_id OR s.dispatched <> (e.status = 'RUNNING')`)
}

// CheckOwners looks for executions that run a version of a definition that is not theirs. Where the version has been
// deleted there is nothing left to look at. It names at most so many. With a time it looks at what has ended or is
// open since.
func (q *Queue) CheckOwners(ctx context.Context, from time.Time, most int) (Checked, error) {
	w, err := q.since(ctx, from)
	if err != nil {
		return Checked{}, wrap(err, "check owners")
	}
	return q.check(ctx, "check owners", w, most, `
		count(*) FROM executions e JOIN sluice.workflow_definition_versions v ON v.id = e.workflow_version_id`, `
		SELECT e.id, CASE WHEN d.workspace_id <> e.workspace_id
		       THEN 'it belongs to workspace ' || e.workspace_id || ' and runs a definition of ' || d.workspace_id
		       ELSE 'it asked for definition ' || e.workflow_definition_id || ' and runs a version of ' || d.id END AS what
		FROM executions e
		JOIN sluice.workflow_definition_versions v ON v.id = e.workflow_version_id
		JOIN sluice.workflow_definitions d ON d.id = v.workflow_definition_id
		WHERE d.workspace_id <> e.workspace_id OR d.id <> e.workflow_definition_id`)
}

// check runs two queries over the window as one statement: how many there are, and which (id, what) are broken.
func (q *Queue) check(ctx context.Context, doing string, w window, most int, count, broken string) (Checked, error) {
	var c Checked
	var ids []uuid.UUID
	var what []string
	kept := `NOT MATERIALIZED`
	if strings.HasPrefix(w.executions, recentExecutions) { // found by their ids, which is not worth doing for each of the queries
		kept = `MATERIALIZED`
	}
	err := q.pool.QueryRow(ctx, fmt.Sprintf(`
		WITH executions AS `+kept+` (`+w.executions+`), refused AS NOT MATERIALIZED (`+w.refused+`),
		broken AS MATERIALIZED (`+broken+`), first AS (SELECT * FROM broken ORDER BY id, what LIMIT $%d)
		SELECT (SELECT `+count+`), (SELECT count(*) FROM broken),
		       ARRAY(SELECT id FROM first ORDER BY id, what), ARRAY(SELECT what FROM first ORDER BY id, what)`, len(w.args)+1),
		append(w.args, most)...).Scan(&c.Checked, &c.Broken, &ids, &what)
	for i, id := range ids {
		c.First = append(c.First, Broken{id, what[i]})
	}
	return c, wrap(err, doing)
}

// LimitChange is a change of what a plan allows, or, with a WorkspaceID, of the plan a workspace is on.
type LimitChange struct {
	At          time.Time
	WorkspaceID *uuid.UUID
	Plan        string
	Limit       int     // of the plan, when its limit has changed
	Override    *int    // of the workspace instead of its plan's
	Nominal     *int    // nominal quota of the plan, or of the workspace instead; nil: all that it may hold
	Cohort      *string // of the workspace
}

// LimitChanges is the history of all limits, oldest first. Each change was in force from its time on; what was in force
// before the history begins is not known.
func (q *Queue) LimitChanges(ctx context.Context) ([]LimitChange, error) {
	changes, err := collect[LimitChange](ctx, q.pool, `
		SELECT at, workspace_id, details ->> 'plan' AS plan, coalesce((details ->> 'maxConcurrentWorkflows')::int, 0) AS "limit",
		       CASE WHEN workspace_id IS NOT NULL THEN (details ->> 'maxConcurrentWorkflows')::int END AS override,
		       (details ->> 'nominalQuota')::int AS nominal, details ->> 'cohort' AS cohort
		FROM sluice.activity_log
		WHERE action IN ('tier-recorded', 'tier-changed', 'plan-recorded', 'workspace-created', 'plan-changed', 'limits-changed')
		  AND id >= (SELECT min(id) FROM sluice.activity_log WHERE action = 'tier-recorded')
		ORDER BY id`)
	return changes, wrap(err, "read history of limits")
}

// GlobalLimitChange is a change of what all workspaces together may hold; Limit nil: it is not bounded.
type GlobalLimitChange struct {
	At    time.Time
	Limit *int
}

// GlobalLimitChanges is the history of the global limit, oldest first. Before the first change nothing was bounded.
func (q *Queue) GlobalLimitChanges(ctx context.Context) ([]GlobalLimitChange, error) {
	changes, err := collect[GlobalLimitChange](ctx, q.pool, `
		SELECT at, (details ->> 'maxConcurrentWorkflows')::int AS "limit" FROM sluice.activity_log
		WHERE action = 'settings-changed' ORDER BY id`)
	return changes, wrap(err, "read history of the global limit")
}

// HeldSlot is the time for which an execution held a slot; To is nil while it does. See SlotInterval.
type HeldSlot struct {
	ID          uuid.UUID
	WorkspaceID uuid.UUID
	From        time.Time
	To          *time.Time
}

// HeldSlots are the slots that were held at any time since. One that was given back because its start failed has left
// no trace of its time.
func (q *Queue) HeldSlots(ctx context.Context, since time.Time) ([]HeldSlot, error) {
	executions, args, err := q.executionsSince(ctx, since)
	if err != nil {
		return nil, wrap(err, "read held slots")
	}
	held, err := collect[HeldSlot](ctx, q.pool, `
		SELECT id, workspace_id, claimed_at AS "from", completed_at AS "to" FROM (`+executions+`) AS executions
		WHERE completed_at IS DISTINCT FROM claimed_at -- the outcome of a requeued item never held a slot`, args...)
	return held, wrap(err, "read held slots")
}

// Standing is where an item is at one moment.
type Standing struct {
	ID     uuid.UUID
	Status *string    // of its execution, else of the item; nil: there is no such item
	SlotAt *time.Time // when it took the slot it holds; nil: it holds none
}

// Standings tells where items are, in any order.
func (q *Queue) Standings(ctx context.Context, items []uuid.UUID) ([]Standing, error) {
	standings, err := collect[Standing](ctx, q.pool, `
		SELECT n.id, coalesce(e.status, r.status, CASE WHEN q.id IS NOT NULL THEN 'PENDING' END) AS status, s.claimed_at AS slot_at
		FROM (SELECT DISTINCT id FROM unnest($1::uuid[]) AS n (id)) AS n
		LEFT JOIN sluice.workflow_executions e ON e.id = n.id
		LEFT JOIN sluice.refused_items r ON r.id = n.id
		LEFT JOIN sluice.execution_queue q ON q.id = n.id
		LEFT JOIN sluice.slots s ON s.execution_id = n.id`, items)
	return standings, wrap(err, "read standings")
}

// SlotHolders are the executions that hold a slot.
func (q *Queue) SlotHolders(ctx context.Context) ([]uuid.UUID, error) {
	return q.ids(ctx, "read slot holders", `SELECT execution_id FROM sluice.slots`)
}

// Overdue is an item that could start and does not.
type Overdue struct {
	ID          uuid.UUID
	WorkspaceID uuid.UUID
	AvailableAt time.Time
}

// Overdue returns the items that have been ready for so long although the policy would start some of their workspace
// now: of each workspace as many as it would start at most.
func (q *Queue) Overdue(ctx context.Context, age time.Duration) ([]Overdue, error) {
	var ids []uuid.UUID
	var slots []int
	err := q.eachShard(ctx, func(q *Queue) error {
		capacity, err := q.Capacity(ctx, overdueMost)
		for _, g := range admission.Decide(capacity.Input(math.MaxInt32)).Grants {
			ids, slots = append(ids, g.ID), append(slots, g.Slots)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	items, err := collect[Overdue](ctx, q.pool, `
		SELECT item.id, b.workspace_id, item.available_at
		FROM unnest($2::uuid[], $3::int[]) AS b (workspace_id, slots)
		CROSS JOIN LATERAL (
			SELECT head.* FROM generate_series(1, 5) AS p (priority) CROSS JOIN LATERAL (
				SELECT q.id, q.available_at FROM sluice.execution_queue q
				WHERE q.workspace_id = b.workspace_id AND q.priority = p.priority AND q.available_at <= now() - $1::interval
				ORDER BY q.available_at, q.id LIMIT b.slots) AS head
			LIMIT b.slots) AS item`, age, ids, slots)
	return items, wrap(err, "read overdue items")
}

// overdueMost is how many items of a workspace are looked at.
const overdueMost = 1000

// Ready counts the items that could start if their workspace had a free slot, up to most.
func (q *Queue) Ready(ctx context.Context, most int) (n int64, err error) {
	err = q.pool.QueryRow(ctx, `SELECT count(*) FROM (SELECT FROM sluice.execution_queue WHERE available_at <= now() LIMIT $1) AS ready`, most).Scan(&n)
	return n, wrap(err, "count ready items")
}

// Now is the database's clock.
func (q *Queue) Now(ctx context.Context) (now time.Time, err error) {
	err = q.pool.QueryRow(ctx, `SELECT clock_timestamp()`).Scan(&now)
	return now, wrap(err, "read the clock")
}

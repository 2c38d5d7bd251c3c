package queue

import (
	"context"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Grant allows a workspace up to Slots more starts, decided under Limit.
type Grant struct {
	WorkspaceID uuid.UUID
	Slots       int
	Limit       int
}

// Claimed is the result of a claim.
type Claimed struct {
	New     int // claimed by this call
	Carried int // claimed earlier and not yet dispatched
	Expired int // met on the way and ended EXPIRED
	// Repeated says that the cycle had been accepted before: the grants were decided on an older capacity, and the
	// caller should go on after Newest, the last cycle accepted.
	Repeated bool
	Newest   int64
}

// Claim moves at most the granted items from PENDING to CLAIMED, in the order priority, available_at, id, and takes
// their slots. Items that another transaction holds are skipped. A workspace whose limit is no longer the one it was
// granted under gets nothing this time: after a cut has committed, no claim can exceed it. Nor can grants that were
// decided on an outdated usage: a workspace never gets more than it has free at this moment.
//
// A cycle is accepted once: repeated, and in an epoch that is not the newest, it claims nothing; Carried tells what
// the first call left. ErrFenced says that another run owns the shard.
func (q *Queue) Claim(ctx context.Context, fence Fence, grants []Grant) (Claimed, error) {
	ids, slots, limits := make([]uuid.UUID, len(grants)), make([]int, len(grants)), make([]int, len(grants))
	for i, g := range grants {
		ids[i], slots[i], limits[i] = g.WorkspaceID, g.Slots, g.Limit
	}
	var c Claimed
	var epoch int64
	var accepted bool
	batch := &pgx.Batch{} // one round trip and one transaction
	if len(grants) > 0 {
		// Claims of one shard wait for one another here, not inside the next statement: its snapshot then shows what
		// the claim before has taken.
		batch.Queue(`SELECT FROM sluice.dispatchers WHERE shard = $1 FOR NO KEY UPDATE`, fence.Shard)
	}
	batch.Queue(claimSQL, fence.Shard, fence.Epoch, fence.Cycle, ids, slots, limits).QueryRow(func(row pgx.Row) error {
		return row.Scan(&epoch, &c.Newest, &accepted, &c.New, &c.Carried, &c.Expired)
	})
	err := q.pool.SendBatch(ctx, batch).Close()
	if err == nil && epoch != fence.Epoch {
		err = ErrFenced
	}
	c.Repeated = len(grants) > 0 && !accepted
	return c, wrap(err, "claim executions")
}

const claimSQL = `
WITH fence AS (
	UPDATE sluice.dispatchers SET cycle = $3, updated_at = now()
	WHERE shard = $1 AND epoch = $2 AND cycle < $3 AND cardinality($4::uuid[]) > 0
	-- Read after the snapshot, so later than every outcome whose slot is taken over here: intervals never overlap.
	RETURNING epoch, cycle, clock_timestamp() AS at
), granted AS MATERIALIZED ( -- or the slots of a workspace would be counted more than once
	SELECT g.workspace_id, greatest(0, least(g.slots, g.seen_limit - (
		SELECT count(*) FROM sluice.slots s WHERE s.workspace_id = g.workspace_id))) AS slots
	FROM fence
	CROSS JOIN unnest($4::uuid[], $5::int[], $6::int[]) AS g (workspace_id, slots, seen_limit)
	JOIN sluice.workspaces w ON w.id = g.workspace_id
	JOIN sluice.tiers t ON t.plan = w.plan
	WHERE t.max_concurrent_workflows = g.seen_limit
), picked AS (
	SELECT item.id FROM granted g CROSS JOIN LATERAL (
		-- Without a sort above it, the outer LIMIT ends the loop over the priorities as soon as it is satisfied.
		SELECT head.id FROM generate_series(1, 5) AS p (priority) CROSS JOIN LATERAL (
			SELECT q.id FROM sluice.execution_queue q
			WHERE q.workspace_id = g.workspace_id AND q.priority = p.priority AND q.available_at <= now()
			ORDER BY q.available_at, q.id LIMIT g.slots FOR UPDATE SKIP LOCKED) AS head
		LIMIT g.slots) AS item
), taken AS (
	DELETE FROM sluice.execution_queue q USING picked WHERE q.id = picked.id RETURNING q.*
), claimed AS (
	INSERT INTO sluice.workflow_executions (id, workspace_id, workflow_definition_id, workflow_version_id, status, priority,
		attempt_count, created_at, available_at, claimed_at, expires_at, unique_key, trigger_type, enqueued_by)
	SELECT i.id, i.workspace_id, i.workflow_definition_id, v.id, 'CLAIMED', i.priority,
		i.attempt_count, i.created_at, i.available_at, fence.at, i.expires_at, i.unique_key, i.trigger_type, i.enqueued_by
	FROM taken i CROSS JOIN fence
	LEFT JOIN sluice.workflow_definitions d ON d.id = i.workflow_definition_id AND d.workspace_id = i.workspace_id
	LEFT JOIN sluice.workflow_definition_versions v ON v.workflow_definition_id = d.id AND v.version_number = d.version_number
	WHERE i.expires_at IS NULL OR i.expires_at > fence.at
	RETURNING id, workspace_id, claimed_at
), inputs AS (
	INSERT INTO sluice.execution_inputs (execution_id, input)
	SELECT i.id, i.input FROM taken i CROSS JOIN fence WHERE i.expires_at IS NULL OR i.expires_at > fence.at
), held AS (
	INSERT INTO sluice.slots (execution_id, workspace_id, epoch, cycle, claimed_at)
	SELECT c.id, c.workspace_id, fence.epoch, fence.cycle, c.claimed_at FROM claimed c CROSS JOIN fence
), expired AS (
	INSERT INTO sluice.refused_items (id, workspace_id, workflow_definition_id, status, reason, actor, priority, attempt_count,
		created_at, available_at, expires_at, unique_key, trigger_type, enqueued_by, input)
	SELECT i.id, i.workspace_id, i.workflow_definition_id, 'EXPIRED', 'expired', 'dispatcher', i.priority, i.attempt_count,
		i.created_at, i.available_at, i.expires_at, i.unique_key, i.trigger_type, i.enqueued_by, i.input
	FROM taken i CROSS JOIN fence WHERE i.expires_at <= fence.at
	RETURNING id
)
SELECT coalesce(d.epoch, 0), coalesce((SELECT cycle FROM fence), d.cycle, 0), EXISTS (SELECT FROM fence), (SELECT count(*) FROM claimed),
       (SELECT count(*) FROM sluice.slots WHERE NOT dispatched), (SELECT count(*) FROM expired)
FROM (VALUES (1)) AS one LEFT JOIN sluice.dispatchers d ON d.shard = $1`

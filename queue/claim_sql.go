package queue

// Claims of one shard wait for one another here, not inside the next statement: its snapshot then shows what the claim
// before has taken. Where shards share a limit, so do those of all shards. And all wait for whoever changes the owners,
// see sluice.settle_claims; a cohort has one owner.
const lockClaimsSQL = `
SELECT d.shard, d.epoch, d.cycle, d.claims, d.dispatch FROM sluice.dispatchers d
WHERE d.shard = $1 OR EXISTS (SELECT FROM sluice.settings WHERE max_concurrent_workflows IS NOT NULL)
ORDER BY d.shard FOR NO KEY UPDATE`

// lockAloneSQL is the same where no limit is shared, for a row whose place is known: an open transaction keeps all of its
// versions, and each look by the shard would go over them. Who has been overtaken finds nothing there, or the row elsewhere.
const lockAloneSQL = `
SELECT d.ctid, d.epoch, d.cycle, d.claims, d.dispatch FROM sluice.dispatchers d WHERE d.ctid = $2 AND d.shard = $1 FOR NO KEY UPDATE`

const carriedSQL = `
SELECT count(*) FROM sluice.slots s JOIN sluice.settings n ON n.one AND ` + ownerOfSlot + ` = $1 WHERE NOT s.dispatched`

// claimSQL takes what is granted, as far as there is room. It is put together from what follows.
const claimSQL = fenceSQL + ` AND $17::tid IS NULL` + fencedSQL + `
), asked AS MATERIALIZED ( -- or the slots of a workspace would be counted more than once` + askedSQL + `,
	       n.max_concurrent_workflows IS NOT NULL OR q.cohort IS NOT NULL AS shares,
	       CASE WHEN q.starts_per_second IS NOT NULL THEN least(q.burst, coalesce(
	           s.tokens + q.starts_per_second * greatest(0, extract(epoch FROM fence.at - s.tokens_at))::float8, q.burst)) END AS tokens` + askedOfSQL + `
	LEFT JOIN LATERAL ( -- not looked up unless it is needed
		SELECT * FROM sluice.shares s WHERE s.workspace_id = g.workspace_id AND q.starts_per_second IS NOT NULL LIMIT 1) AS s ON true` + whereAskedSQL + roomSQL + pickSQL + spendSQL + tookSQL

// claimAloneSQL is claimSQL for workspaces that share no limit and have no rate, with the parameters up to $17, the last of
// which is where the dispatcher's row is. Who turns out to share a limit or to have a rate gets nothing, and nobody does if
// there has been another claim or dispatch.
const claimAloneSQL = fenceSQL + ` AND ctid = $17 AND (claims, dispatch) = ($12, $13)` + fencedSQL + `
), granted AS MATERIALIZED (
	SELECT asked.*, greatest(0, least(slots, ceiling - used, nominal + borrowing_limit::bigint - used))::bigint AS most FROM (` + askedSQL + askedOfSQL + whereAskedSQL + `
		AND n.max_concurrent_workflows IS NULL AND q.cohort IS NULL AND q.starts_per_second IS NULL) AS asked` + pickSQL + tookSQL

const fenceSQL = `
WITH fence AS (
	UPDATE sluice.dispatchers SET cycle = $3, claims = claims + 1, dispatch = dispatch + 1, updated_at = now()
	WHERE shard = $1 AND epoch = $2 AND cycle < $3 AND cardinality($4::uuid[]) > 0`

const fencedSQL = `
	-- Read after the snapshot, so later than every outcome whose slot is taken over here: intervals never overlap.
	RETURNING ctid AS row, epoch, cycle, clock_timestamp() AS at, nextval('sluice.slot_numbers') AS number, (claims, dispatch) = ($12 + 1, $13 + 1) AS known`

const askedSQL = `
	SELECT g.place, g.slots, g.first, g.last, g.lead, g.until, q.*, used.n AS used, used.lowest`

const askedOfSQL = `
	FROM fence
	CROSS JOIN unnest($4::uuid[], $5::int[], $6::int[], $10::int[], $11::int[], $14::bigint[], $15::int[], $16::timestamptz[])
		WITH ORDINALITY AS g (workspace_id, slots, seen_limit, first, last, bound, lead, until, place)
	JOIN sluice.quotas q ON q.workspace_id = g.workspace_id
	JOIN sluice.settings n ON n.one AND ` + ownerOfQuota + ` = $1
	CROSS JOIN LATERAL ( -- see bounds
		SELECT count(*) AS n, min(s.seq) AS lowest FROM sluice.slots s
		WHERE s.workspace_id = g.workspace_id AND s.seq >= CASE WHEN fence.known THEN g.bound ELSE 0 END) AS used`

const whereAskedSQL = `
	WHERE q.ceiling = g.seen_limit`

// roomSQL is what is left for each.
const roomSQL = `
), cohorts AS MATERIALIZED (
	SELECT m.cohort, sum(m.nominal) - sum(used.n) AS free
	FROM (SELECT DISTINCT cohort FROM asked WHERE cohort IS NOT NULL) AS c
	CROSS JOIN fence
	JOIN sluice.quotas m ON m.cohort = c.cohort
	CROSS JOIN LATERAL (
		SELECT count(*) AS n FROM sluice.slots s WHERE s.workspace_id = m.workspace_id
		AND s.seq >= CASE WHEN fence.known THEN coalesce(($19::bigint[])[array_position($18::uuid[], m.workspace_id)], 0) ELSE 0 END) AS used
	GROUP BY 1
), alone AS ( -- what each may take by itself: 1e-6 as admission.grain
	SELECT asked.*, greatest(0, least(slots, ceiling - used, nominal + borrowing_limit::bigint - used, floor(tokens + 1e-6)))::bigint AS could FROM asked
), together AS ( -- what is left for it by those before it, of its cohort
	SELECT a.*, greatest(0, least(a.could, c.free - coalesce(sum(a.could) OVER (
		PARTITION BY a.cohort ORDER BY a.place ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0)))::bigint AS fits
	FROM alone a LEFT JOIN cohorts c ON c.cohort = a.cohort
	WHERE a.shares
), granted AS MATERIALIZED ( -- and of all workspaces
	SELECT a.*, a.could AS fits, a.could AS most FROM alone a WHERE NOT a.shares
	UNION ALL
	SELECT t.*, greatest(0, least(t.fits, f.free - coalesce(sum(t.fits) OVER (
		ORDER BY t.place ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0)))::bigint AS most
	FROM together t
	LEFT JOIN (SELECT max_concurrent_workflows - (SELECT count(*) FROM sluice.slots) AS free
	           FROM sluice.settings WHERE max_concurrent_workflows IS NOT NULL) AS f ON true`

// pickSQL takes it.
const pickSQL = `
), picked AS (
	SELECT item.place FROM granted g CROSS JOIN LATERAL (
		-- Without a sort above it, the outer LIMIT ends this as soon as it is satisfied: rows are locked one by one.
		SELECT due.place FROM (
			SELECT next.place FROM ( -- of a priority that leads, see places: there is nothing to sort
				SELECT q.ctid AS place FROM sluice.execution_queue q
				WHERE g.lead > 0 AND q.workspace_id = g.workspace_id AND q.priority = ($9::int[])[g.lead] AND q.available_at <= now()
				  AND q.available_at < g.until AND (q.available_at, q.id) >= (($7::timestamptz[])[g.lead], ($8::uuid[])[g.lead])
				ORDER BY q.available_at, q.id LIMIT g.most FOR UPDATE SKIP LOCKED) AS next
			UNION ALL
			SELECT locked.place FROM (
				SELECT head.*, ($9::int[])[c.i] AS priority
				FROM generate_series(g.first, g.last) AS c (i) CROSS JOIN LATERAL (
					SELECT q.ctid AS place, q.id, q.available_at FROM sluice.execution_queue q
					WHERE q.workspace_id = g.workspace_id AND q.priority = ($9::int[])[c.i] AND q.available_at <= now()
					  AND (q.available_at, q.id) >= (($7::timestamptz[])[c.i], ($8::uuid[])[c.i])
					ORDER BY q.available_at, q.id LIMIT g.most) AS head
				WHERE g.first < g.last AND ($7::timestamptz[])[c.i] <= now()
				ORDER BY head.available_at + (($9::int[])[c.i] - 1) * (SELECT ageing_step FROM sluice.settings), ($9::int[])[c.i], head.id) AS first
			CROSS JOIN LATERAL (
				SELECT q.ctid AS place FROM sluice.execution_queue q
				WHERE q.ctid = first.place AND q.workspace_id = g.workspace_id AND q.priority = first.priority AND q.available_at <= now()
				FOR UPDATE SKIP LOCKED) AS locked
			UNION ALL -- Others hold some of them: go on behind them.
			SELECT next.place FROM generate_series(g.first, g.last) AS c (i) CROSS JOIN LATERAL (
				SELECT q.available_at, q.id FROM sluice.execution_queue q
				WHERE q.workspace_id = g.workspace_id AND q.priority = ($9::int[])[c.i] AND q.available_at <= now()
				  AND (q.available_at, q.id) >= (($7::timestamptz[])[c.i], ($8::uuid[])[c.i])
				ORDER BY q.available_at, q.id OFFSET g.most - 1 LIMIT 1) AS last
			CROSS JOIN LATERAL (
				SELECT q.ctid AS place FROM sluice.execution_queue q
				WHERE q.workspace_id = g.workspace_id AND q.priority = ($9::int[])[c.i] AND q.available_at <= now()
				  AND (q.available_at, q.id) > (last.available_at, last.id)
				ORDER BY q.available_at, q.id LIMIT g.most FOR UPDATE SKIP LOCKED) AS next
			WHERE g.first < g.last AND ($7::timestamptz[])[c.i] <= now()
		) AS due LIMIT g.most) AS item
	WHERE g.most > 0
), taken AS (
	-- They are locked, so they stay where they are.
	DELETE FROM sluice.execution_queue q WHERE q.ctid = ANY (ARRAY(SELECT place FROM picked)) RETURNING q.*
), found AS MATERIALIZED ( -- with what they run
	SELECT i.*, d.name AS definition_name, v.id AS version_id, v.version_number, coalesce(i.expires_at <= fence.at, false) AS expired
	FROM taken i CROSS JOIN fence
	-- By its id: by workspace, a plan would read all definitions of the workspace for each item.
	LEFT JOIN sluice.workflow_definitions d ON d.id = i.workflow_definition_id
	LEFT JOIN sluice.workflow_definition_versions v ON v.workflow_definition_id = d.id AND v.version_number = d.version_number
		AND (d.workspace_id = i.workspace_id) IS TRUE
), claimed AS (
	INSERT INTO sluice.workflow_executions (id, workspace_id, workflow_definition_id, workflow_version_id, status, priority,
		attempt_count, created_at, available_at, claimed_at, expires_at, unique_key, trigger_type, enqueued_by)
	SELECT i.id, i.workspace_id, i.workflow_definition_id, i.version_id, 'CLAIMED', i.priority,
		i.attempt_count, i.created_at, i.available_at, fence.at, i.expires_at, i.unique_key, i.trigger_type, i.enqueued_by
	FROM found i CROSS JOIN fence WHERE NOT i.expired
	RETURNING id, workspace_id, claimed_at
), inputs AS (
	INSERT INTO sluice.execution_inputs (execution_id, input) SELECT id, input FROM found WHERE NOT expired
), held AS (
	INSERT INTO sluice.slots (execution_id, workspace_id, epoch, cycle, claimed_at, seq)
	SELECT c.id, c.workspace_id, fence.epoch, fence.cycle, c.claimed_at, fence.number FROM claimed c CROSS JOIN fence
), expired AS (
	INSERT INTO sluice.refused_items (id, workspace_id, workflow_definition_id, status, reason, actor, priority, attempt_count,
		created_at, available_at, expires_at, unique_key, trigger_type, enqueued_by, input)
	SELECT i.id, i.workspace_id, i.workflow_definition_id, 'EXPIRED', 'expired', 'dispatcher', i.priority, i.attempt_count,
		i.created_at, i.available_at, i.expires_at, i.unique_key, i.trigger_type, i.enqueued_by, i.input
	FROM found i WHERE i.expired`

// spendSQL takes the tokens.
const spendSQL = `
), spent AS (
	INSERT INTO sluice.shares (workspace_id, tokens, tokens_at)
	SELECT g.workspace_id, greatest(0, g.tokens - c.n), fence.at
	-- FULL makes it a hash join. The planner expects a single row and would compare each with each.
	FROM granted g FULL JOIN (SELECT workspace_id, count(*) AS n FROM claimed GROUP BY 1) AS c ON c.workspace_id = g.workspace_id
	CROSS JOIN fence WHERE c.n > 0 AND g.tokens IS NOT NULL
	ORDER BY 1 -- as chargeSQL locks them
	ON CONFLICT (workspace_id) DO UPDATE SET tokens = excluded.tokens, tokens_at = excluded.tokens_at`

const tookSQL = `
)
SELECT i.id, i.workspace_id, g.name, g.plan, g.weight, i.workflow_definition_id, i.definition_name, i.version_id,
       i.version_number, i.input, i.priority::int, i.attempt_count, fence.at, i.available_at, i.expired, least(g.lowest, fence.number), fence.row
FROM found i CROSS JOIN fence JOIN granted g ON g.workspace_id = i.workspace_id`

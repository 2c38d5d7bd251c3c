-- What the dispatcher of a shard has not heard yet, after the snapshot in which it heard last: first the snapshot of this
-- statement and the database's clock, then turns of the journal in their order, then events. Transactions that were open at that
-- snapshot and have committed since are found by their ids. Ids from the future are those of another cluster, from a dump.
SELECT pg_current_snapshot()::text AS mark, now() AS at, NULL::bigint AS turn,
       CASE WHEN pg_snapshot_xmax(:'mark'::pg_snapshot) > pg_snapshot_xmax(pg_current_snapshot()) THEN 'younger' ELSE '' END AS kind,
       NULL::uuid AS workspace_id, NULL::uuid AS item_id, NULL::uuid AS definition_id, NULL::smallint AS priority, NULL::timestamptz AS available_at,
       NULL::uuid[] AS workspaces, NULL::uuid[] AS freed
UNION ALL
(SELECT NULL, NULL, t.turn, t.kind, t.workspace_id, NULL, NULL, NULL, NULL, NULL, NULL
 FROM sluice.turns t WHERE t.shard = :'shard'::int AND t.turn > :'turn'::bigint ORDER BY t.turn)
UNION ALL
SELECT NULL, NULL, NULL, NULL, e.workspace_id, e.item_id, e.definition_id, e.priority, e.available_at, e.workspaces, e.freed
FROM sluice.events e WHERE e.xid >= pg_snapshot_xmax(:'mark'::pg_snapshot) AND e.xid < pg_snapshot_xmax(pg_current_snapshot())
UNION ALL
SELECT NULL, NULL, NULL, NULL, e.workspace_id, e.item_id, e.definition_id, e.priority, e.available_at, e.workspaces, e.freed
FROM sluice.events e WHERE e.xid = ANY (ARRAY(SELECT pg_snapshot_xip(:'mark'::pg_snapshot)));

-- Deletes the large inputs and the unique keys of the next items, by their ids, of a partition that lies behind the retention.
-- A key that an enqueue holds is left out: once its item is nowhere, it is found again. Returns the last of the items.
WITH page AS (
    SELECT e.id, e.workspace_id, e.unique_key, e.input IS NULL AS large FROM sluice.ended e CROSS JOIN sluice.settings s
    WHERE e.ended_at >= :'from'::timestamptz AND e.ended_at < :'to'::timestamptz AND e.id > :'after'::uuid
      AND s.retention > '0' AND :'to'::timestamptz <= now() - s.retention
    ORDER BY e.id LIMIT :'most'::int
), inputs AS (
    DELETE FROM sluice.inputs i USING page p WHERE i.id = p.id AND p.large
), free AS (
    SELECT k.workspace_id, k.unique_key FROM page p
    JOIN sluice.unique_keys k ON k.workspace_id = p.workspace_id AND k.unique_key = p.unique_key AND k.queue_id = p.id
    FOR UPDATE OF k SKIP LOCKED
), keys AS (
    DELETE FROM sluice.unique_keys k USING free f WHERE k.workspace_id = f.workspace_id AND k.unique_key = f.unique_key
)
SELECT p.id FROM page p ORDER BY p.id DESC LIMIT 1;

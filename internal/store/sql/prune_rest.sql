-- Deletes what lies behind the retention of the items that ended while there was no partition, with their large inputs and keys.
WITH old AS (
    DELETE FROM sluice.ended_rest e WHERE e.ctid = ANY (ARRAY(
        SELECT r.ctid FROM sluice.ended_rest r CROSS JOIN sluice.settings s
        WHERE s.retention > '0' AND r.ended_at <= now() - s.retention LIMIT :'most'::int))
    RETURNING e.id, e.workspace_id, e.unique_key
), inputs AS (
    DELETE FROM sluice.inputs i USING old o WHERE i.id = o.id
), free AS (
    SELECT k.workspace_id, k.unique_key FROM old o
    JOIN sluice.unique_keys k ON k.workspace_id = o.workspace_id AND k.unique_key = o.unique_key AND k.queue_id = o.id
    FOR UPDATE OF k SKIP LOCKED
), keys AS (
    DELETE FROM sluice.unique_keys k USING free f WHERE k.workspace_id = f.workspace_id AND k.unique_key = f.unique_key
)
SELECT count(*) FROM old;

-- Deletes the unique keys of a workspace that is gone, at most so many. What an enqueue holds is left out.
WITH gone AS (
    DELETE FROM sluice.unique_keys k WHERE k.workspace_id = :'workspace'::uuid AND k.unique_key = ANY (ARRAY(
        SELECT q.unique_key FROM sluice.unique_keys q WHERE q.workspace_id = :'workspace'::uuid LIMIT :'most'::int FOR UPDATE SKIP LOCKED))
    RETURNING k.unique_key
)
SELECT count(*) FROM gone;

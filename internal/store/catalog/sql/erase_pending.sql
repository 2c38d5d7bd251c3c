-- Deletes what waits of a workspace that is gone, with its large inputs, at most so many. What is being claimed is left out.
WITH gone AS (
    DELETE FROM sluice.pending p WHERE p.id = ANY (ARRAY(
        SELECT q.id FROM sluice.pending q WHERE q.workspace_id = :'workspace'::uuid LIMIT :'most'::int FOR UPDATE SKIP LOCKED))
    RETURNING p.id
), inputs AS (
    DELETE FROM sluice.inputs i USING gone g WHERE i.id = g.id
)
SELECT count(*) FROM gone;

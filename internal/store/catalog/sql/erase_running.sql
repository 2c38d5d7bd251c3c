-- Deletes executions of a workspace that is gone, with their large inputs, and tells the dispatchers that their slots are free.
WITH gone AS (
    DELETE FROM sluice.running r WHERE r.workspace_id = :'workspace'::uuid AND r.id = ANY (:'ids'::uuid[]) RETURNING r.id
), inputs AS (
    DELETE FROM sluice.inputs i USING gone g WHERE i.id = g.id
), event AS (
    INSERT INTO sluice.events (freed) SELECT array_agg(g.id) FROM gone g HAVING count(*) > 0
)
SELECT count(*) FROM gone;

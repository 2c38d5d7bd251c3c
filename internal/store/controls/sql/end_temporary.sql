-- Ends limits for a time of a workspace, these or with NULL all. Returns how many still held.
WITH gone AS (
    DELETE FROM sluice.temporary_limits t
    WHERE t.workspace_id = :'workspace'::uuid AND (:'names'::text[] IS NULL OR t.name = ANY (:'names'::text[]))
    RETURNING t.until
)
SELECT count(*) FROM gone g WHERE g.until > now();

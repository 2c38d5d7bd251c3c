-- The limits that hold for a time, of these workspaces, or of all where none is given.
SELECT t.workspace_id, t.name, t.value, t.until, t.actor, coalesce(t.reason, '') AS reason
FROM sluice.temporary_limits t
WHERE t.until > now() AND (cardinality(:'workspaces'::uuid[]) = 0 OR t.workspace_id = ANY (:'workspaces'::uuid[]))
ORDER BY t.workspace_id, t.name;

-- The workspaces that have a name: it need not be one.
SELECT w.id, w.name, w.plan, w.external_key FROM sluice.workspaces w WHERE w.name = :'name'::text ORDER BY w.created_at, w.id;

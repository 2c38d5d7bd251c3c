-- The workspaces that have a name: it need not be one. With a key also the one that has the key, whatever its name.
SELECT w.id, w.name, w.plan, w.external_key FROM sluice.workspaces w
WHERE w.name = :'name'::text OR w.external_key = :'key'::text ORDER BY w.created_at, w.id;

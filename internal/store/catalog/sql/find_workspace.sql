-- The workspace that the platform knows by a key, else the one that has the id.
SELECT w.id, w.name, w.plan, w.external_key FROM sluice.workspaces w
WHERE w.external_key = :'key'::text OR w.id = :'id'::uuid
ORDER BY w.external_key IS NOT DISTINCT FROM :'key'::text DESC LIMIT 1;

-- The workspace that has the id, else the one that the platform knows by the key.
SELECT w.id, w.name, w.plan, w.external_key FROM sluice.workspaces w
WHERE w.external_key = :'key'::text OR w.id = :'id'::uuid
ORDER BY w.id IS NOT DISTINCT FROM :'id'::uuid DESC LIMIT 1;

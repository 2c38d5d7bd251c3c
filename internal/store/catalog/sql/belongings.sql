-- What there is of a workspace, or of one that is gone: its name, and how much waits, runs and has ended.
SELECT (SELECT w.name FROM sluice.workspaces w WHERE w.id = :'workspace'::uuid) AS name,
       (SELECT count(*) FROM sluice.pending p WHERE p.workspace_id = :'workspace'::uuid)::int AS pending,
       (SELECT count(*) FROM sluice.running r WHERE r.workspace_id = :'workspace'::uuid)::int AS running,
       ((SELECT count(*) FROM sluice.ended e WHERE e.workspace_id = :'workspace'::uuid AND e.status = 'COMPLETED')
           + (SELECT count(*) FROM sluice.ended e WHERE e.workspace_id = :'workspace'::uuid AND e.reason IS NULL AND e.status <> 'COMPLETED')
           + (SELECT count(*) FROM sluice.ended e WHERE e.workspace_id = :'workspace'::uuid AND e.reason IS NOT NULL))::int AS ended;

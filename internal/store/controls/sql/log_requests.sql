-- Logs that executions are about to be asked to end. Before it, or their ends would be logged before their cause.
INSERT INTO sluice.activity_log (actor, action, workspace_id, queue_id, reason)
SELECT :'actor'::text, :'action'::text, r.workspace_id, r.id, nullif(:'why'::text, '') FROM sluice.running r WHERE r.id = ANY (:'ids'::uuid[]);

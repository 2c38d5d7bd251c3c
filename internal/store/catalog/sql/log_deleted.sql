-- Logs that a workspace was deleted, and by whom. The entry does not belong to it.
INSERT INTO sluice.activity_log (actor, action, details)
VALUES (:'actor'::text, 'workspace-deleted', jsonb_build_object('workspaceId', :'workspace'::uuid));

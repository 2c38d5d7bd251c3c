-- Tells of a worker that it lives, what it has and what it hosts. What has not been seen for an hour is forgotten.
WITH forgotten AS (
    DELETE FROM sluice.workers w WHERE w.seen_at < clock_timestamp() - interval '1 hour' AND w.id <> :'worker'::uuid
)
INSERT INTO sluice.workers AS w (id, identity, workflow_types, any_workflow, activity_types, any_activity, workspaces)
VALUES (:'worker'::uuid, :'identity'::text, :'workflow_types'::text[], :'any_workflow'::boolean,
        :'activity_types'::text[], :'any_activity'::boolean, :'workspaces'::uuid[])
ON CONFLICT (id) DO UPDATE SET seen_at = excluded.seen_at,
    -- The same as before is not written anew.
    workspaces = CASE WHEN w.workspaces = excluded.workspaces THEN w.workspaces ELSE excluded.workspaces END;

-- Enqueues items without keys and times, with one event for all of them. The first arrays are columns of the items; those of the
-- large ones have no input there. The workspaces are theirs, each once; owners and checked are the pairs of workspace and
-- definition that are to be checked. For what "own" means see enqueue.
WITH event AS (
    INSERT INTO sluice.events (workspaces, available_at, quiet) VALUES (:'workspaces'::uuid[], now(), :'own'::boolean)
), large AS (
    INSERT INTO sluice.inputs (id, input) SELECT * FROM unnest(:'large_ids'::uuid[], :'large_inputs'::jsonb[])
)
INSERT INTO sluice.pending (id, workspace_id, workflow_definition_id, priority, trigger_type, enqueued_by, input)
SELECT i.id, i.workspace_id, i.definition_id, i.priority, i.trigger_type,
       coalesce(nullif(i.actor, ''), nullif(current_setting('application_name'), ''), session_user), i.input
FROM unnest(:'ids'::uuid[], :'item_workspaces'::uuid[], :'definitions'::uuid[], :'priorities'::smallint[], :'triggers'::text[],
        :'actors'::text[], :'inputs'::jsonb[]) AS i (id, workspace_id, definition_id, priority, trigger_type, actor, input)
WHERE (SELECT coalesce(bool_and(CASE WHEN d.workspace_id = p.workspace_id THEN true
                                     ELSE sluice.check_definition(p.workspace_id, p.definition_id) END), true)
       FROM unnest(:'owners'::uuid[], :'checked'::uuid[]) AS p (workspace_id, definition_id)
       LEFT JOIN sluice.workflow_definitions d ON d.id = p.definition_id)
  AND (SELECT sluice.check_made((:'ids'::uuid[])[cardinality(:'ids'::uuid[])])) -- the last is the newest
  AND CASE WHEN :'own'::boolean AND EXISTS (SELECT FROM sluice.listeners) THEN (
           -- With one shard, one notification does for all of them.
           SELECT bool_and(sluice.wake(w.id)) FROM unnest(:'workspaces'::uuid[]) WITH ORDINALITY AS w (id, place)
           WHERE w.place = 1 OR (SELECT s.shards > 1 FROM sluice.settings s)) ELSE true END;

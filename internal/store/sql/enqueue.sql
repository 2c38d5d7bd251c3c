-- Enqueues an item without a key and times, with its event. In a transaction of its own the statement wakes the dispatcher itself
-- and makes its event quiet, which spares the commit a trigger. A definition that was checked a moment ago need not be again.
WITH event AS (
    INSERT INTO sluice.events (workspace_id, item_id, definition_id, priority, available_at, quiet)
    VALUES (:'workspace'::uuid, :'id'::uuid, :'definition'::uuid, :'priority'::smallint, now(), :'own'::boolean)
), large AS (
    INSERT INTO sluice.inputs (id, input) SELECT :'id'::uuid, :'input'::jsonb WHERE :'large'::boolean
)
INSERT INTO sluice.pending (id, workspace_id, workflow_definition_id, priority, trigger_type, enqueued_by, input)
SELECT :'id'::uuid, :'workspace'::uuid, :'definition'::uuid, :'priority'::smallint, :'trigger'::text,
       coalesce(nullif(:'actor'::text, ''), nullif(current_setting('application_name'), ''), session_user),
       CASE WHEN NOT :'large'::boolean THEN :'input'::jsonb END
WHERE CASE WHEN NOT :'check'::boolean
             OR EXISTS (SELECT FROM sluice.workflow_definitions d WHERE d.id = :'definition'::uuid AND d.workspace_id = :'workspace'::uuid)
           THEN true ELSE sluice.check_definition(:'workspace'::uuid, :'definition'::uuid) END
  AND CASE WHEN sluice.made_at(:'id'::uuid) <= now() THEN true ELSE sluice.check_made(:'id'::uuid) END
  AND CASE WHEN :'own'::boolean AND EXISTS (SELECT FROM sluice.listeners) THEN sluice.wake(:'workspace'::uuid) ELSE true END;

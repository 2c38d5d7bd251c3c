-- Pauses everything, a workspace, a type or a definition, until a time, or for so long, or until it is resumed. To pause what is
-- paused for the same reason, for as long, changes nothing. Returns the pause, and whether its time is over already.
INSERT INTO sluice.pauses AS p (workspace_id, workflow_type, workflow_definition_id, actor, reason, until)
VALUES (:'workspace'::uuid, :'type'::text, :'definition'::uuid,
    coalesce(nullif(:'actor'::text, ''), nullif(current_setting('application_name'), ''), session_user), nullif(:'reason'::text, ''),
    coalesce(now() + :'for'::interval, :'until'::timestamptz))
ON CONFLICT (coalesce(workspace_id, '00000000-0000-0000-0000-000000000000'), coalesce(workflow_type, ''), coalesce(workflow_definition_id, '00000000-0000-0000-0000-000000000000'))
DO UPDATE SET actor = excluded.actor, reason = excluded.reason, until = excluded.until,
    since = CASE WHEN p.until <= now() THEN excluded.since ELSE p.since END
WHERE p.until <= now() OR (p.reason, p.until) IS DISTINCT FROM (excluded.reason, excluded.until)
RETURNING p.id, (p.until <= now()) IS TRUE AS over;

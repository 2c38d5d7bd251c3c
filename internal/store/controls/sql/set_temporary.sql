-- Sets limits of a workspace until a time, or for so long. To set what is so already changes nothing. There is a row for each that was to
-- be set, which tells whether its time is over already; none if there is no such workspace.
WITH wanted AS (
    SELECT w.id AS workspace_id, l.name, l.value, coalesce(now() + :'for'::interval, :'until'::timestamptz) AS until
    FROM sluice.workspaces w CROSS JOIN unnest(:'names'::text[], :'values'::float8[]) AS l (name, value)
    WHERE w.id = :'workspace'::uuid
), set AS (
    INSERT INTO sluice.temporary_limits AS t (workspace_id, name, value, until, actor, reason)
    SELECT n.workspace_id, n.name, n.value, n.until,
        coalesce(nullif(:'actor'::text, ''), nullif(current_setting('application_name'), ''), session_user), nullif(:'reason'::text, '')
    FROM wanted n
    ON CONFLICT (workspace_id, name) DO UPDATE SET value = excluded.value, until = excluded.until, actor = excluded.actor, reason = excluded.reason
    WHERE (t.value, t.until, t.reason) IS DISTINCT FROM (excluded.value, excluded.until, excluded.reason)
)
SELECT n.until <= now() FROM wanted n;

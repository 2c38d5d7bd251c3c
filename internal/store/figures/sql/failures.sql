-- What has not gone well, by how, what, and the first line of the error: of each outcome the newest items, at most so many and not older
-- than a time; of all workspaces, or of one. Numbers, ids and quoted words in an error do not tell two groups apart. Of
-- each group it tells its items, newest first, when they ended, in 24ths of the time, and what tells the group apart.
WITH outcome (status, refused) AS (
    VALUES ('FAILED', false), ('TIMED_OUT', false), ('TERMINATED', false), ('CANCELLED', false), ('FAILED', true), ('EXPIRED', true)
), item AS MATERIALIZED (
    SELECT e.* FROM outcome o CROSS JOIN LATERAL (
        (SELECT e.id, e.workspace_id, e.workflow_type, e.workflow_definition_id, e.status, e.reason, e.error, e.ended_at FROM sluice.ended e
         WHERE NOT o.refused AND :'workspace'::uuid IS NULL AND e.reason IS NULL AND e.status <> 'COMPLETED' AND e.status = o.status
           AND e.id >= :'first'::uuid AND e.ended_at >= :'since'::timestamptz
         ORDER BY e.id DESC LIMIT :'most'::int)
        UNION ALL
        (SELECT e.id, e.workspace_id, e.workflow_type, e.workflow_definition_id, e.status, e.reason, e.error, e.ended_at FROM sluice.ended e
         WHERE NOT o.refused AND e.workspace_id = :'workspace'::uuid AND e.reason IS NULL AND e.status <> 'COMPLETED' AND e.status = o.status
           AND e.id >= :'first'::uuid AND e.ended_at >= :'since'::timestamptz
         ORDER BY e.id DESC LIMIT :'most'::int)
        UNION ALL
        (SELECT e.id, e.workspace_id, e.workflow_type, e.workflow_definition_id, e.status, e.reason, e.error, e.ended_at FROM sluice.ended e
         WHERE o.refused AND :'workspace'::uuid IS NULL AND e.reason IS NOT NULL AND e.status = o.status
           AND e.id >= :'first'::uuid AND e.ended_at >= :'since'::timestamptz
         ORDER BY e.id DESC LIMIT :'most'::int)
        UNION ALL
        (SELECT e.id, e.workspace_id, e.workflow_type, e.workflow_definition_id, e.status, e.reason, e.error, e.ended_at FROM sluice.ended e
         WHERE o.refused AND e.workspace_id = :'workspace'::uuid AND e.reason IS NOT NULL AND e.status = o.status
           AND e.id >= :'first'::uuid AND e.ended_at >= :'since'::timestamptz
         ORDER BY e.id DESC LIMIT :'most'::int)
    ) AS e
), told AS (
    SELECT i.*, left(split_part(coalesce(i.error ->> 'message', i.error #>> '{}', ''), E'\n', 1), 300) AS message FROM item i
)
SELECT g.status, coalesce(g.reason, '') AS reason, coalesce(g.workflow_type, d.name, '') AS kind, coalesce(g.workflow_type, '') AS workflow_type, d.name IS NOT NULL AS is_definition,
       g.message, g.n, g.workspaces, g.first_at, g.last_at, g.ids, g.at,
       md5(concat_ws(E'\n', g.status, g.reason, g.workflow_type, g.definition_name, g.form)) AS key
FROM (
    SELECT t.status, t.reason, t.workflow_type, named.name AS definition_name,
           regexp_replace(t.message, '[0-9a-fA-F]{8}-[0-9a-fA-F-]{27}|"[^"]*"|[0-9]+', '#', 'g') AS form,
           (array_agg(t.workflow_definition_id ORDER BY t.id DESC))[1] AS definition,
           (array_agg(t.message ORDER BY t.id DESC))[1] AS message, count(*)::int AS n, count(DISTINCT t.workspace_id)::int AS workspaces,
           min(t.ended_at) AS first_at, max(t.ended_at) AS last_at, array_agg(t.id ORDER BY t.id DESC) AS ids,
           array_agg(greatest(0, least(23, floor(24 * extract(epoch FROM t.ended_at - :'since'::timestamptz)
               / greatest(1, extract(epoch FROM now() - :'since'::timestamptz)))))::smallint) AS at
    FROM told t LEFT JOIN sluice.workflow_definitions named ON named.id = t.workflow_definition_id
    GROUP BY t.status, t.reason, t.workflow_type, definition_name, form
) AS g LEFT JOIN sluice.workflow_definitions d ON d.id = g.definition
ORDER BY g.n DESC, g.last_at DESC, g.message LIMIT 200;

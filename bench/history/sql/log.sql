-- So many entries of the log of activity within three days, and a tenth as many changes of limits.
WITH changes AS (
    INSERT INTO sluice.limit_changes (at, actor, action, workspace_id, details)
    SELECT now() - random() * interval '30 days', 'ann', 'workspace-changed', ($1::uuid[])[1 + n % cardinality($1::uuid[])], '{"weight": 2}' FROM generate_series(1, $2::int / 10) AS n
)
INSERT INTO sluice.activity_log (at, actor, action, workspace_id, queue_id, details)
SELECT now() - n * interval '3 days' / $2::int, 'recovery', 'reopened', ($1::uuid[])[1 + n % cardinality($1::uuid[])], gen_random_uuid(), '{}' FROM generate_series(1, $2::int) AS n;

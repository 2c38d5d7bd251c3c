-- Changes those limits of a workspace that are to be set; NULL leaves one to the plan. Returns beside them what then holds
-- for the workspace, of its own or of its plan. Triggers log what changes of the limits; the hosts and the key are
-- logged here.
WITH changed AS (
    UPDATE sluice.workspaces w
    SET max_concurrent_workflows = CASE WHEN :'set_max'::bool THEN :'max'::int ELSE w.max_concurrent_workflows END,
        weight = CASE WHEN :'set_weight'::bool THEN :'weight'::int ELSE w.weight END,
        nominal_quota = CASE WHEN :'set_nominal'::bool THEN :'nominal'::int ELSE w.nominal_quota END,
        borrowing_limit = CASE WHEN :'set_borrowing'::bool THEN :'borrowing'::int ELSE w.borrowing_limit END,
        lending_limit = CASE WHEN :'set_lending'::bool THEN :'lending'::int ELSE w.lending_limit END,
        starts_per_second = CASE WHEN :'set_rate'::bool THEN :'rate'::float8 ELSE w.starts_per_second END,
        burst = CASE WHEN :'set_burst'::bool THEN :'burst'::int ELSE w.burst END,
        cohort = CASE WHEN :'set_cohort'::bool THEN :'cohort'::text ELSE w.cohort END,
        allowed_hosts = CASE WHEN :'set_hosts'::bool THEN :'hosts'::text[] ELSE w.allowed_hosts END,
        external_key = CASE WHEN :'set_key'::bool THEN :'key'::text ELSE w.external_key END,
        updated_at = now()
    FROM sluice.tiers t
    WHERE w.id = :'workspace'::uuid AND t.plan = w.plan
    RETURNING w.id, w.name, w.plan, w.external_key, w.max_concurrent_workflows, w.weight, w.nominal_quota, w.borrowing_limit, w.lending_limit, w.starts_per_second, w.burst, w.cohort,
        w.allowed_hosts, coalesce(w.max_concurrent_workflows, t.max_concurrent_workflows) AS ceiling, coalesce(w.starts_per_second, t.starts_per_second) AS rate
), logged AS (
    INSERT INTO sluice.activity_log (actor, action, workspace_id, details)
    SELECT coalesce(nullif(current_setting('sluice.actor', true), ''), session_user), what.action, c.id, what.details
    FROM changed c CROSS JOIN LATERAL (VALUES
        ('allowed-hosts-changed', jsonb_build_object('allowedHosts', c.allowed_hosts), :'set_hosts'::bool),
        ('external-key-changed', jsonb_build_object('externalKey', c.external_key), :'set_key'::bool)) AS what (action, details, done)
    WHERE what.done
)
SELECT c.* FROM changed c;

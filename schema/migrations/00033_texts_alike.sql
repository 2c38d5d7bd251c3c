-- Texts are judged alike in every database and session: whatever the locale says of blanks and of capital letters, and where an application
-- has switched standard_conforming_strings off.

-- +goose Up

-- As before, with the blanks themselves: what \s is depends on the locale, and without standard_conforming_strings it is the letter s.
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION sluice.check_temporal_name(what text, name text) RETURNS void LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    IF octet_length(name) NOT BETWEEN 1 AND 1000 THEN
        RAISE EXCEPTION '% must have 1 to 1000 bytes, not %', what, octet_length(name) USING ERRCODE = 'SL013';
    ELSIF name ~ sluice.hidden() OR name ~ '^[ \u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]|[ \u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]$' THEN
        RAISE EXCEPTION '% must have characters that can be seen, without blanks around them, not %', what, to_json(left(name, 40)) USING ERRCODE = 'SL013';
    ELSIF name COLLATE "C" ~* '^(/_sys/|temporal-sys-|__temporal_)' THEN
        RAISE EXCEPTION '% % is reserved by Temporal', what, to_json(name) USING ERRCODE = 'SL013';
    END IF;
END $$;
-- +goose StatementEnd

-- As before. Capital letters of ASCII are meant: in Turkish, lower('DISPATCHER') has no dot.
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION sluice.check_workflow(workspace uuid, workflow_type text, task_queue text, workflow_id text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF workflow_type IS NULL THEN
        RAISE EXCEPTION 'workflow_type is missing' USING ERRCODE = 'SL013', HINT = 'name the type by which your worker registers the workflow';
    END IF;
    PERFORM sluice.check_temporal_name('workflow_type', workflow_type), sluice.check_temporal_name('task_queue', task_queue),
        sluice.check_temporal_name('workflow_id', workflow_id);
    IF lower(workflow_type COLLATE "C") IN ('dispatcher', 'execution', 'recovery') THEN
        RAISE EXCEPTION 'workflow_type % is a type of Sluice itself', to_json(workflow_type) USING ERRCODE = 'SL013', HINT = 'name one of your own; to run a definition call sluice.enqueue';
    ELSIF lower(task_queue COLLATE "C") IN ('workflows.default', 'activities.external-api') THEN
        RAISE EXCEPTION 'task_queue % is Sluice''s own', to_json(task_queue) USING ERRCODE = 'SL013', HINT = 'name one that your workers serve';
    ELSIF lower(task_queue COLLATE "C") LIKE 'workflow.workspace.%' AND task_queue <> 'workflow.workspace.' || workspace
        OR sluice.of_another(task_queue, workspace, (SELECT s.task_queue FROM sluice.settings s)) THEN
        RAISE EXCEPTION 'task_queue % is not that of workspace %', to_json(task_queue), workspace USING ERRCODE = 'SL013', HINT = 'leave it out to use the workspace''s';
    ELSIF workflow_id COLLATE "C" ~* '^(sluice-|execution-)' THEN
        RAISE EXCEPTION 'workflow_id % begins as those of Sluice itself do', to_json(workflow_id) USING ERRCODE = 'SL013', HINT = 'choose another id, or leave it out';
    END IF;
END $$;
-- +goose StatementEnd

-- As before, without a backslash.
CREATE OR REPLACE FUNCTION sluice.seconds(duration text) RETURNS numeric LANGUAGE sql IMMUTABLE AS $$
    SELECT sum(m[1]::numeric * u.seconds)
    FROM regexp_matches(duration, '([0-9]+([.][0-9]+)?)(ns|us|µs|ms|s|m|h)', 'g') AS m
    JOIN (VALUES ('h', 3600), ('m', 60), ('s', 1), ('ms', 1e-3), ('us', 1e-6), ('µs', 1e-6), ('ns', 1e-9)) AS u (unit, seconds) ON u.unit = m[3]
    WHERE octet_length(duration) <= 60 AND duration ~ '^([0-9]+([.][0-9]+)?(ns|us|µs|ms|s|m|h))+$'
    HAVING sum(m[1]::numeric * u.seconds) <= 3153600000
$$;

-- As before; the words of actions are the same in Turkish.
CREATE OR REPLACE VIEW sluice.activity AS
    SELECT p.created_at AS at, p.enqueued_by AS actor, 'enqueued' AS action, p.workspace_id, p.id AS queue_id, NULL::uuid AS execution_id,
           NULL::text AS reason, '{}'::jsonb AS details FROM sluice.pending p
    UNION ALL
    SELECT a.at, a.actor, a.action, r.workspace_id, r.id, a.execution_id, NULL, a.details
    FROM sluice.running r CROSS JOIN LATERAL (VALUES
        (r.created_at, r.enqueued_by, 'enqueued', NULL::uuid, '{}'::jsonb),
        (r.claimed_at, 'dispatcher', 'claimed', r.id, '{}'),
        (r.dispatched_at, 'dispatcher', 'dispatched', r.id, jsonb_build_object('runId', r.engine_run_id))
    ) AS a (at, actor, action, execution_id, details) WHERE a.at IS NOT NULL
    UNION ALL
    SELECT a.at, a.actor, a.action, e.workspace_id, e.id, CASE WHEN e.reason IS NULL AND a.action <> 'enqueued' THEN e.id END, a.reason, a.details
    FROM sluice.ended e CROSS JOIN LATERAL (VALUES
        (e.created_at, e.enqueued_by, 'enqueued', NULL::text, '{}'::jsonb),
        (CASE WHEN e.reason IS NULL THEN e.claimed_at END, 'dispatcher', 'claimed', NULL, '{}'),
        (CASE WHEN e.reason IS NULL THEN e.dispatched_at END, 'dispatcher', 'dispatched', NULL, jsonb_build_object('runId', e.engine_run_id)),
        (e.ended_at, coalesce(e.actor, 'execution'), lower(e.status COLLATE "C") COLLATE "default", e.reason,
         jsonb_strip_nulls(jsonb_build_object('error', CASE WHEN e.reason IS NULL THEN e.error ELSE e.error -> 'message' END)))
    ) AS a (at, actor, action, reason, details) WHERE a.at IS NOT NULL
    UNION ALL
    SELECT c.at, c.actor, c.action, c.workspace_id, NULL, NULL, NULL, c.details FROM sluice.limit_changes c
    UNION ALL
    SELECT l.at, l.actor, l.action, l.workspace_id, l.queue_id, NULL, l.reason, l.details FROM sluice.activity_log l;

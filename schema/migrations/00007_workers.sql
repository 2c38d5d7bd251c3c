-- Which workers there are, and what they can run.

-- +goose Up

-- The workflow types that the nodes of a definition run on the workspace's own task queue.
CREATE FUNCTION sluice.types_of(workflow jsonb) RETURNS text[] LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT coalesce(array_agg(DISTINCT named.type #>> '{}' ORDER BY named.type #>> '{}'), '{}')
    FROM jsonb_path_query(workflow, '$.nodes[*] ? (@.type == "workflow" && !(@.config.taskQueue != "")).config.workflowType ? (@.type() == "string")') AS named (type)
$$;

ALTER TABLE sluice.workflow_definition_versions
    ADD COLUMN workflow_types text[] NOT NULL GENERATED ALWAYS AS (sluice.types_of(workflow)) STORED;
COMMENT ON COLUMN sluice.workflow_definition_versions.workflow_types IS 'What its nodes run on the workspace''s own task queue.';

-- One row for each process that hosts workspaces. It tells of itself each second; what it was is kept for an hour.
CREATE TABLE sluice.workers (
    id             uuid PRIMARY KEY,
    identity       text NOT NULL,
    workflow_types text[] NOT NULL DEFAULT '{}',
    any_workflow   boolean NOT NULL DEFAULT false,
    activity_types text[] NOT NULL DEFAULT '{}',
    any_activity   boolean NOT NULL DEFAULT false,
    workspaces     uuid[] NOT NULL DEFAULT '{}',
    started_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    seen_at        timestamptz NOT NULL DEFAULT clock_timestamp()
) WITH (fillfactor = 50, autovacuum_vacuum_threshold = 500, autovacuum_vacuum_scale_factor = 0);
COMMENT ON TABLE sluice.workers IS 'The processes that host workspaces, with the types that they have beside Sluice''s own.';
COMMENT ON COLUMN sluice.workers.any_workflow IS 'It has a dynamic workflow, which takes every type that it has not otherwise.';
COMMENT ON COLUMN sluice.workers.workspaces IS 'Those that it hosts.';

-- A worker that has ended or restarts counts for a while: until the next one is there, nobody takes tasks that it cannot run.
CREATE VIEW sluice.live_workers AS
    SELECT w.*, w.seen_at > clock_timestamp() - interval '5 seconds' AS hosting
    FROM sluice.workers w WHERE w.seen_at > clock_timestamp() - interval '15 seconds';
COMMENT ON VIEW sluice.live_workers IS 'The workers that were seen within 15 s. hosting: within 5 s, so that their workspaces need no other worker.';

-- Of the executions that run now, the workspaces and the types that they need and no live worker has.
CREATE VIEW sluice.missing_types AS
    SELECT n.workspace_id, n.workflow_type, n.executions
    FROM (
        SELECT r.workspace_id, t.workflow_type, sum(r.n)::bigint AS executions
        FROM (SELECT r.workspace_id, r.workflow_version_id, count(*) AS n FROM sluice.running r GROUP BY 1, 2) AS r
        JOIN sluice.workflow_definition_versions v ON v.id = r.workflow_version_id
        CROSS JOIN LATERAL unnest(v.workflow_types) AS t (workflow_type)
        GROUP BY 1, 2
    ) AS n
    WHERE NOT EXISTS (SELECT FROM sluice.live_workers w WHERE w.any_workflow OR n.workflow_type = ANY (w.workflow_types));
COMMENT ON VIEW sluice.missing_types IS 'Workflow types that running executions need on their workspace''s task queue and that no live worker has.';

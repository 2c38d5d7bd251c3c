-- What reconciliation has seen in Temporal: executions that nobody serves, and how far it has looked.

-- +goose Up

ALTER TABLE sluice.slots ADD COLUMN unserved_since timestamptz;
COMMENT ON COLUMN sluice.slots.unserved_since IS
    'Since when a workflow task of this execution waits on its task queue without a worker that takes it; null: none does.';

-- Two processes may do the same step of the same run: only the dispatch that was begun last may undo claims.
ALTER TABLE sluice.dispatchers ADD COLUMN dispatch bigint NOT NULL DEFAULT 0;

-- One row: executions that were closed or started before this moment, by Temporal's visibility, have been looked at.
CREATE TABLE sluice.reconciliation (
    singleton  boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    looked_at  timestamptz NOT NULL
) WITH (fillfactor = 20);

CREATE OR REPLACE VIEW sluice.executions AS
    SELECT e.id, e.id AS queue_id, e.workspace_id, e.workflow_definition_id, e.workflow_version_id,
           'execution-' || e.id AS engine_workflow_id, e.engine_run_id, e.status, e.trigger_type,
           e.dispatched_at AS started_at, e.completed_at,
           round(extract(epoch FROM e.completed_at - e.dispatched_at) * 1000)::bigint AS duration_ms,
           e.error, i.input, e.output, s.unserved_since
    FROM sluice.workflow_executions e
    LEFT JOIN sluice.execution_inputs i ON i.execution_id = e.id
    LEFT JOIN sluice.slots s ON s.execution_id = e.id
    WHERE e.status <> 'CLAIMED';
COMMENT ON VIEW sluice.executions IS 'Every workflow started: RUNNING COMPLETED FAILED CANCELLED TERMINATED TIMED_OUT.';

-- Rare, and asked for by every audit.
CREATE INDEX activity_log_reopened ON sluice.activity_log (queue_id) WHERE action = 'reopened';

-- A task queue is another workspace's also where an operator has given task queues a form of their own.

-- +goose Up

-- Whether a template, such as tenant-{workspace}, makes this task queue for another workspace.
CREATE FUNCTION sluice.of_another(queue text, workspace uuid, template text) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT strpos(template, '{workspace}') > 0 AND queue <> replace(template, '{workspace}', workspace::text)
       AND named.id ~* '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$'
       AND lower(queue) = lower(replace(template, '{workspace}', named.id))
    FROM (SELECT substr(queue, strpos(template, '{workspace}'), 36)) AS named (id)
$$;

-- +goose StatementBegin
CREATE OR REPLACE FUNCTION sluice.check_workflow(workspace uuid, workflow_type text, task_queue text, workflow_id text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF workflow_type IS NULL THEN
        RAISE EXCEPTION 'workflow_type is missing' USING ERRCODE = 'SL013', HINT = 'name the type by which your worker registers the workflow';
    END IF;
    PERFORM sluice.check_temporal_name('workflow_type', workflow_type), sluice.check_temporal_name('task_queue', task_queue),
        sluice.check_temporal_name('workflow_id', workflow_id);
    IF lower(workflow_type) IN ('dispatcher', 'execution', 'recovery') THEN
        RAISE EXCEPTION 'workflow_type % is a type of Sluice itself', to_json(workflow_type) USING ERRCODE = 'SL013', HINT = 'name one of your own; to run a definition call sluice.enqueue';
    ELSIF lower(task_queue) IN ('workflows.default', 'activities.external-api') THEN
        RAISE EXCEPTION 'task_queue % is Sluice''s own', to_json(task_queue) USING ERRCODE = 'SL013', HINT = 'name one that your workers serve';
    ELSIF lower(task_queue) LIKE 'workflow.workspace.%' AND task_queue <> 'workflow.workspace.' || workspace
        OR sluice.of_another(task_queue, workspace, (SELECT s.task_queue FROM sluice.settings s)) THEN
        RAISE EXCEPTION 'task_queue % is not that of workspace %', to_json(task_queue), workspace USING ERRCODE = 'SL013', HINT = 'leave it out to use the workspace''s';
    ELSIF workflow_id ~* '^(sluice-|execution-)' THEN
        RAISE EXCEPTION 'workflow_id % begins as those of Sluice itself do', to_json(workflow_id) USING ERRCODE = 'SL013', HINT = 'choose another id, or leave it out';
    END IF;
END $$;
-- +goose StatementEnd

-- The statements that allow a role to enqueue, and nothing else. None if there is no such role.
SELECT unnest(ARRAY[
    format('GRANT USAGE ON SCHEMA sluice TO %I', r.rolname),
    format('GRANT EXECUTE ON FUNCTION sluice.enqueue, sluice.enqueue_workflow, sluice.workspace, sluice.check_workspace, sluice.task_queue_of TO %I', r.rolname)])
FROM pg_roles r WHERE r.rolname = :'role'::text;

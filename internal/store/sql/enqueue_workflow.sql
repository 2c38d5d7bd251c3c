-- Enqueues an item that is a workflow, and answers for it. It needs no right but to call the function.
SELECT sluice.enqueue_workflow(:'workspace'::uuid, :'type'::text, :'task_queue'::text, workflow_id => :'workflow_id'::text, args => :'args'::jsonb, options => :'options'::jsonb,
    priority => :'priority'::int, available_at => :'available_at'::timestamptz, expires_at => :'expires_at'::timestamptz, unique_key => :'key'::text, request => :'request'::bytea, enqueued_by => :'actor'::text,
    trigger_type => :'trigger'::text, unique_for => :'unique_for'::interval);

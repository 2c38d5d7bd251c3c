-- Changes the settings that are given; only the limit and the plan of workspaces that an enqueue creates can be taken away, by NULL.
UPDATE sluice.settings s
SET max_concurrent_workflows = CASE WHEN :'set_max'::bool THEN :'max'::int ELSE s.max_concurrent_workflows END,
    ageing_step = coalesce(:'ageing_step'::interval, s.ageing_step),
    retention = coalesce(:'retention'::interval, s.retention),
    auto_create_plan = CASE WHEN :'set_plan'::bool THEN :'plan'::text ELSE s.auto_create_plan END,
    task_queue = coalesce(:'task_queue'::text, s.task_queue),
    fairness = coalesce(:'fairness'::text, s.fairness),
    updated_at = now()
WHERE s.one
RETURNING s.max_concurrent_workflows, s.ageing_step, s.retention, s.auto_create_plan, s.task_queue, s.fairness;

-- The settings.
SELECT s.max_concurrent_workflows, s.ageing_step, s.retention, s.auto_create_plan, s.task_queue, s.fairness FROM sluice.settings s;

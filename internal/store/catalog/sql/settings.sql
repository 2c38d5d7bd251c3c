-- The settings.
SELECT s.max_concurrent_workflows, s.ageing_step, s.retention FROM sluice.settings s;

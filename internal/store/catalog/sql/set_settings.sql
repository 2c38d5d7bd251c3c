-- Changes the settings that are given; only the limit can be taken away, by NULL.
UPDATE sluice.settings s
SET max_concurrent_workflows = CASE WHEN :'set_max'::bool THEN :'max'::int ELSE s.max_concurrent_workflows END,
    ageing_step = coalesce(:'ageing_step'::interval, s.ageing_step),
    retention = coalesce(:'retention'::interval, s.retention),
    updated_at = now()
WHERE s.one
RETURNING s.max_concurrent_workflows, s.ageing_step, s.retention;

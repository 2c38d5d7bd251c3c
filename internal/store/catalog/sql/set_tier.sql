-- Changes those limits of a tier that are to be set; NULL takes one away.
UPDATE sluice.tiers t
SET max_concurrent_workflows = CASE WHEN :'set_max'::bool THEN :'max'::int ELSE t.max_concurrent_workflows END,
    weight = CASE WHEN :'set_weight'::bool THEN :'weight'::int ELSE t.weight END,
    nominal_quota = CASE WHEN :'set_nominal'::bool THEN :'nominal'::int ELSE t.nominal_quota END,
    borrowing_limit = CASE WHEN :'set_borrowing'::bool THEN :'borrowing'::int ELSE t.borrowing_limit END,
    lending_limit = CASE WHEN :'set_lending'::bool THEN :'lending'::int ELSE t.lending_limit END,
    starts_per_second = CASE WHEN :'set_rate'::bool THEN :'rate'::float8 ELSE t.starts_per_second END,
    burst = CASE WHEN :'set_burst'::bool THEN :'burst'::int ELSE t.burst END,
    updated_at = now()
WHERE t.plan = :'plan'::text
RETURNING t.plan, t.max_concurrent_workflows, t.weight, t.nominal_quota, t.borrowing_limit, t.lending_limit, t.starts_per_second, t.burst;

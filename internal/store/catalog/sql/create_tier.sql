-- Creates a tier, unless there is one.
INSERT INTO sluice.tiers (plan, max_concurrent_workflows) VALUES (:'plan'::text, :'max'::int) ON CONFLICT (plan) DO NOTHING;

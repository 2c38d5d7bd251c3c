-- For the rest of the transaction: find rows by an index or by their place, and keep the plan.
SELECT set_config('enable_seqscan', 'off', true), set_config('enable_bitmapscan', 'off', true), set_config('plan_cache_mode', 'force_generic_plan', true);

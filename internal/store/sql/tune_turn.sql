-- As tune, for a statement that takes a turn: it waits so many milliseconds at most for a transaction that holds it.
SELECT set_config('enable_seqscan', 'off', true), set_config('enable_bitmapscan', 'off', true), set_config('plan_cache_mode', 'force_generic_plan', true),
       set_config('lock_timeout', (:'milliseconds'::int)::text, true);

-- For the rest of the transaction: how long to wait for a lock.
SELECT set_config('lock_timeout', (:'milliseconds'::int)::text, true);

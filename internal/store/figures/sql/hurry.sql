-- Statements of this transaction that take longer than so many milliseconds fail from now on.
SELECT set_config('statement_timeout', (:'most'::int)::text, true);

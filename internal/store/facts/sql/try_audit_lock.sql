-- Takes the lock of the one process that audits, unless another has it.
SELECT pg_try_advisory_lock(:'lock'::bigint);

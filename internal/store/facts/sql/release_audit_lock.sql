-- Gives the lock of the one process that audits back.
SELECT pg_advisory_unlock(:'lock'::bigint);

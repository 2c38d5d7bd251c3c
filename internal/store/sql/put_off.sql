-- Has a pending item that cannot be claimed wait, longer each time, up to so many attempts.
UPDATE sluice.pending p
SET attempt_count = p.attempt_count + 1, last_error = :'error'::text,
    available_at = now() + interval '5 seconds' * power(2, least(greatest(p.attempt_count, 0), 10))
WHERE p.id = :'id'::uuid AND p.attempt_count < :'attempts'::int - 1;

-- Notes that a pass of recovery has failed, and with what error.
INSERT INTO sluice.recovery AS r (looked_at, failing_since, failing_error)
VALUES (now() - interval '1 hour', now(), left(:'error'::text, 2000))
ON CONFLICT (one) DO UPDATE SET failing_since = coalesce(r.failing_since, now()), failing_error = excluded.failing_error;

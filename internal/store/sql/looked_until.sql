-- Notes up to when recovery has looked at what changed in Temporal: nothing has failed. An earlier moment than the noted one changes
-- nothing, unless that is from the future, as a clock that was ahead leaves it.
INSERT INTO sluice.recovery AS r (looked_at) VALUES (:'until'::timestamptz)
ON CONFLICT (one) DO UPDATE SET failing_since = NULL, failing_error = NULL,
    looked_at = CASE WHEN r.looked_at > excluded.looked_at + interval '1 minute' THEN excluded.looked_at ELSE greatest(r.looked_at, excluded.looked_at) END;

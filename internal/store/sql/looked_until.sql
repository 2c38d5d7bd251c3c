-- Notes up to when recovery has looked at what changed in Temporal. An earlier moment than the noted one changes nothing.
INSERT INTO sluice.recovery AS r (looked_at) VALUES (:'until'::timestamptz)
ON CONFLICT (one) DO UPDATE SET looked_at = excluded.looked_at WHERE r.looked_at < excluded.looked_at;

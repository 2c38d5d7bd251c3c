-- Puts the curve of a workspace on record.
INSERT INTO sluice.estimates (workspace_id, made_at, due, id, start_after, start_before, why)
VALUES (:'workspace'::uuid, :'made_at'::timestamptz, :'due'::timestamptz[], :'id'::uuid[], :'start_after'::timestamptz[], :'start_before'::timestamptz[], nullif(:'why'::text, ''))
ON CONFLICT (workspace_id) DO UPDATE SET made_at = excluded.made_at, due = excluded.due, id = excluded.id, start_after = excluded.start_after, start_before = excluded.start_before,
    why = excluded.why;

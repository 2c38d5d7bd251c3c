-- Makes a run the owner of its shard, by a turn of its own; a run that owns it takes it over again under a higher number, so
-- that its steps that are still under way are overtaken. A repeated call changes nothing.
-- There is no row in the answer if another has taken the turn meanwhile: try again.
WITH next AS (
    INSERT INTO sluice.turns (shard, turn, kind)
    SELECT :'shard'::int, coalesce((SELECT max(t.turn) FROM sluice.turns t WHERE t.shard = :'shard'::int), 0) + 1, 'run'
    WHERE NOT EXISTS (SELECT FROM sluice.dispatchers d WHERE d.shard = :'shard'::int AND d.run_id = :'run'::text AND d.takeover >= :'takeover'::int)
    ON CONFLICT DO NOTHING
    RETURNING turn
), taken AS (
    INSERT INTO sluice.dispatchers AS d (shard, run_id, takeover, turn) SELECT :'shard'::int, :'run'::text, :'takeover'::int, next.turn FROM next
    ON CONFLICT (shard) DO UPDATE SET run_id = excluded.run_id, takeover = excluded.takeover, turn = excluded.turn, updated_at = now()
    RETURNING d.turn
)
SELECT taken.turn FROM taken
UNION ALL
SELECT d.turn FROM sluice.dispatchers d WHERE d.shard = :'shard'::int AND d.run_id = :'run'::text AND d.takeover >= :'takeover'::int;

-- Deletes old turns of the journal, and never the newest of a shard: the next claim must follow it.
DELETE FROM sluice.turns t
WHERE t.ctid = ANY (ARRAY(
    SELECT old.ctid FROM sluice.turns old
    JOIN (SELECT s.shard, (SELECT max(n.turn) FROM sluice.turns n WHERE n.shard = s.shard) AS turn FROM generate_series(0, 63) AS s (shard)) AS newest
        ON newest.shard = old.shard
    WHERE old.at < now() - :'age'::interval AND old.turn < newest.turn LIMIT :'most'::int));

-- Notes that a run ends because its shard is not one of those there are, and tells whether that is so. Once noted, it
-- stays so. There is no row in the answer if the run does not own the shard.
WITH noted AS (
    UPDATE sluice.dispatchers d SET retired_run = d.run_id
    WHERE d.shard = :'shard'::int AND d.run_id = :'run'::text AND (d.retired_run = d.run_id OR d.shard >= (SELECT s.shards FROM sluice.settings s))
    RETURNING d.shard
)
SELECT EXISTS (SELECT FROM noted) FROM sluice.dispatchers d WHERE d.shard = :'shard'::int AND d.run_id = :'run'::text;

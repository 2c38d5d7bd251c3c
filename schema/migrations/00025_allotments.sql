-- What shards may hold of the global limit is divided among those that are short of it, by the weights of who waits there. Before, it went
-- to whoever asked first, and a shard that always had work kept it. Dispatchers decide (internal/admission/share); here is what they go by.

-- +goose Up

-- Shards that have more to start than they may hold. A row counts for three seconds: a shard that is short says so again each second.
CREATE TABLE sluice.shortages (
    shard    integer PRIMARY KEY CHECK (shard BETWEEN 0 AND 63),
    weight   bigint NOT NULL CHECK (weight > 0),
    more     integer NOT NULL CHECK (more > 0),
    asked_at timestamptz NOT NULL,
    served   float8 NOT NULL
);
COMMENT ON TABLE sluice.shortages IS 'Shards that have more to start than they may hold of the global limit.';
COMMENT ON COLUMN sluice.shortages.weight IS 'Of all workspaces of the shard that wait or hold slots.';
COMMENT ON COLUMN sluice.shortages.more IS 'How many slots it could use at once beyond those it holds.';
COMMENT ON COLUMN sluice.shortages.served IS 'How many slots it might hold, times for how many seconds since it is short, divided by its weight. A shard that begins to be short has as much as the least.';

DROP FUNCTION sluice.allot(integer, integer);

-- Sets what each shard may hold, shard 0 first, of a limit. Every shard has a turn after that, and reads its allotment again. Nothing is
-- changed if the limit or the number of shards is another by now, or if more could be held than the limit: what was decided on is past.
-- +goose StatementBegin
CREATE FUNCTION sluice.set_allotments(of_limit integer, given integer[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM sluice.take_turns('allotment', NULL);
    -- Each claim has either committed by now, and is seen, or has lost its turn; so has each change of the settings.
    UPDATE sluice.allotments a SET slots = given[a.shard + 1]
    FROM sluice.settings n
    WHERE n.max_concurrent_workflows = of_limit AND n.shards = cardinality(given) AND a.shard < n.shards AND a.slots <> given[a.shard + 1]
      AND (0 = ALL (given) OR of_limit >= (
          SELECT sum(greatest(coalesce(u.used, 0), given[every.shard + 1])) FROM sluice.allotments every LEFT JOIN (
              SELECT sluice.shard_of(r.workspace_id, w.cohort, cardinality(given)) AS shard, count(*) AS used
              FROM sluice.running r LEFT JOIN sluice.workspaces w ON w.id = r.workspace_id GROUP BY 1
          ) AS u ON u.shard = every.shard
          WHERE every.shard < cardinality(given)));
END $$;
-- +goose StatementEnd

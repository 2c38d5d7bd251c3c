-- Partitions that were made by a clock which was ahead do not keep those of the days before them from being made: until that time came,
-- all that ends would go to the rest, and be deleted from there row by row.

-- +goose Up

-- As before, but beside partitions of a time to come.
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION sluice.make_partitions() RETURNS integer LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout TO '100ms' SET timezone TO 'UTC' AS $$
DECLARE
    months boolean := (SELECT s.retention = '0' OR s.retention > '92 days' FROM sluice.settings s);
    before bigint;
    whose  text;
    moment text;
    start  timestamptz;
    stop   timestamptz;
    late   timestamptz;
    name   text;
BEGIN
    BEGIN
        LOCK TABLE sluice.partitions IN SHARE UPDATE EXCLUSIVE MODE NOWAIT;
    EXCEPTION WHEN lock_not_available THEN
        RETURN 0; -- another session makes them
    END;
    SELECT count(*) INTO before FROM sluice.partitions;
    FOR whose, moment IN VALUES ('ended', 'ended_at'), ('activity_log', 'at') LOOP
        BEGIN
            SELECT greatest(max(p.to_at), date_trunc('day', now())) INTO start FROM sluice.partitions p
                WHERE p.parent = whose AND p.from_at < now() + interval '3 days'; -- later ones are of a clock that was ahead
            WHILE start < now() + interval '3 days' LOOP
                SELECT least(CASE WHEN months THEN date_trunc('month', start) + interval '1 month' ELSE start + interval '1 day' END, min(p.from_at)) INTO stop
                    FROM sluice.partitions p WHERE p.parent = whose AND p.from_at > start;
                -- What has happened without a partition stays in the rest: the partition begins with the day after it.
                EXECUTE format('SELECT date_trunc(''day'', max(x.%1$I)) + interval ''1 day'' FROM sluice.%2$I x WHERE x.%1$I >= $1 AND x.%1$I < $2',
                    moment, whose || '_rest') INTO late USING start, stop;
                IF late IS NOT NULL THEN
                    start := late;
                    CONTINUE;
                END IF;
                name := whose || to_char(start, '_YYYYMMDD');
                EXECUTE format('CREATE TABLE sluice.%I (LIKE sluice.%I INCLUDING ALL)', name, whose);
                IF whose = 'activity_log' THEN -- as its rest: it has no key, and a publication of all tables must not keep old rows from being deleted
                    EXECUTE format('ALTER TABLE sluice.%I REPLICA IDENTITY FULL', name);
                END IF;
                EXECUTE format('ALTER TABLE sluice.%I ATTACH PARTITION sluice.%I FOR VALUES FROM (%L) TO (%L)', whose, name, start, stop);
                INSERT INTO sluice.partitions VALUES (name, whose, start, stop);
                start := stop;
            END LOOP;
        EXCEPTION WHEN lock_not_available OR check_violation THEN
            NULL; -- a check is violated by what has come into the rest just now
        END;
    END LOOP;
    RETURN (SELECT count(*) FROM sluice.partitions) - before;
END $$;
-- +goose StatementEnd

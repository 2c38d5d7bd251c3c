-- Locks that only those can take who may change the tables: the number of an advisory lock is free for whoever may connect, and a role
-- with nothing but the grant to enqueue could hold up all changes of limits and the partitions with it.

-- +goose Up

-- ---------------------------------------------------------------- turns

-- As before, but changes take their turns one after the other by the lock of sluice.allotments. It conflicts with itself, VACUUM and
-- ANALYZE alone: whoever reads or changes the rows waits for none of it.
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION sluice.take_turn(of_shard integer, what text, workspace uuid) RETURNS void LANGUAGE plpgsql SET lock_timeout TO '5s' AS $$
DECLARE
    taken jsonb := coalesce(nullif(current_setting('sluice.turns_taken', true), ''), '{}');
    key   text := what || ' ' || of_shard;
BEGIN
    -- An older snapshot does not show the newest turn, and what it takes for the next one may have been deleted since.
    IF current_setting('transaction_isolation') NOT IN ('read committed', 'read uncommitted') THEN
        RAISE EXCEPTION 'limits, shards, cohorts and definitions are changed at READ COMMITTED, not %', upper(current_setting('transaction_isolation'))
            USING ERRCODE = 'SL010', HINT = 'begin the transaction with BEGIN ISOLATION LEVEL READ COMMITTED';
    END IF;
    IF what IN ('limits', 'definitions') THEN
        IF taken ->> key = 'all' THEN
            RETURN;
        ELSIF taken ? key THEN
            workspace := NULL;
        END IF;
        PERFORM set_config('sluice.turns_taken', (taken || jsonb_build_object(key, CASE WHEN workspace IS NULL THEN 'all' ELSE 'one' END))::text, true);
    END IF;
    LOCK TABLE sluice.allotments IN SHARE UPDATE EXCLUSIVE MODE;
    LOOP
        INSERT INTO sluice.turns (shard, turn, kind, workspace_id)
            SELECT of_shard, coalesce(max(t.turn), 0) + 1, what, workspace FROM sluice.turns t WHERE t.shard = of_shard
            ON CONFLICT DO NOTHING;
        EXIT WHEN FOUND;
    END LOOP;
    IF EXISTS (SELECT FROM sluice.listeners l WHERE l.shard = of_shard) THEN
        PERFORM pg_notify('sluice_events', of_shard::text);
    END IF;
EXCEPTION WHEN lock_not_available THEN
    RAISE EXCEPTION 'another change or a claim has been under way for 5 s, the turn is held by %, so nothing was changed', coalesce(sluice.turn_holder(), 'nobody any more')
        USING ERRCODE = 'SL009', HINT = 'try again, or end that transaction: SELECT pg_terminate_backend(its number)';
END $$;
-- +goose StatementEnd

-- As before, and a transaction counts too that has that lock and waits for its first turn.
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION sluice.turn_holder() RETURNS text LANGUAGE sql VOLATILE AS $$
    SELECT CASE WHEN l.pid IS NULL THEN concat('a prepared transaction', (
                    SELECT ' ' || quote_literal(x.gid) || ' of ' || x.owner || ', prepared at ' || to_char(x.prepared AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS') || ' UTC'
                    FROM pg_prepared_xacts x WHERE x.database = current_database() ORDER BY x.prepared LIMIT 1))
                ELSE concat('process ', l.pid, ' (', concat_ws(', ', nullif(a.application_name, ''), a.usename, nullif(a.state, ''),
                    'its transaction began at ' || to_char(a.xact_start AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS') || ' UTC'), ')') END
    FROM pg_locks l LEFT JOIN pg_stat_activity a ON a.pid = l.pid
    WHERE l.locktype = 'relation' AND l.granted AND (l.relation = 'sluice.turns'::regclass AND l.mode = 'RowExclusiveLock'
          OR l.relation = 'sluice.allotments'::regclass AND l.mode = 'ShareUpdateExclusiveLock')
      AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database()) AND l.pid IS DISTINCT FROM pg_backend_pid()
    ORDER BY a.wait_event_type = 'Lock' NULLS FIRST, a.xact_start NULLS FIRST LIMIT 1
$$;
-- +goose StatementEnd

-- ---------------------------------------------------------------- partitions

-- As before, but one session at a time makes them by the lock of sluice.partitions.
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
            SELECT greatest(max(p.to_at), date_trunc('day', now())) INTO start FROM sluice.partitions p WHERE p.parent = whose;
            WHILE start < now() + interval '3 days' LOOP
                stop := CASE WHEN months THEN date_trunc('month', start) + interval '1 month' ELSE start + interval '1 day' END;
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

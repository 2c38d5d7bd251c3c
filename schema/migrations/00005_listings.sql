-- What an operator of many workspaces and millions of ended items asks for.

-- +goose Up

-- ---------------------------------------------------------------- listings

-- A page of a listing, of a workspace or of all, of a status or of any, is read from the end of a few of these, however much
-- there is: each class of what has ended has its own, so that none has to be searched among the others. What completes
-- has an entry in two of them, as most executions do.
DROP INDEX sluice.ended_workspace;
DROP INDEX sluice.ended_refused;
CREATE INDEX ended_completed ON sluice.ended (id) WHERE status = 'COMPLETED';
CREATE INDEX ended_completed_of ON sluice.ended (workspace_id, id) WHERE status = 'COMPLETED';
CREATE INDEX ended_unsuccessful ON sluice.ended (status, id) WHERE reason IS NULL AND status <> 'COMPLETED';
CREATE INDEX ended_unsuccessful_of ON sluice.ended (workspace_id, status, id) WHERE reason IS NULL AND status <> 'COMPLETED';
CREATE INDEX ended_refused ON sluice.ended (status, id) WHERE reason IS NOT NULL;
CREATE INDEX ended_refused_of ON sluice.ended (workspace_id, status, id) WHERE reason IS NOT NULL;
CREATE INDEX ended_reason ON sluice.ended (reason, status, id) WHERE reason IS NOT NULL;

-- ---------------------------------------------------------------- what is deleted takes along what belongs to it

-- What is deleted of ended with SQL, for want of room, takes along its large inputs and its unique keys, unless the item is
-- elsewhere by now: it may have been retried or reopened. A key that an enqueue holds is left to recovery, as are the rows of
-- a partition that is named, truncated or dropped.
-- +goose StatementBegin
CREATE FUNCTION sluice.forget_ended() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    WITH nowhere AS MATERIALIZED (
        SELECT g.id, g.workspace_id, g.unique_key FROM gone g
        WHERE NOT EXISTS (SELECT FROM sluice.pending p WHERE p.id = g.id) AND NOT EXISTS (SELECT FROM sluice.running r WHERE r.id = g.id)
    ), inputs AS (
        DELETE FROM sluice.inputs i USING nowhere n WHERE i.id = n.id
    ), free AS (
        SELECT k.workspace_id, k.unique_key FROM nowhere n
        JOIN sluice.unique_keys k ON k.workspace_id = n.workspace_id AND k.unique_key = n.unique_key AND k.queue_id = n.id
        FOR UPDATE OF k SKIP LOCKED
    )
    DELETE FROM sluice.unique_keys k USING free f WHERE k.workspace_id = f.workspace_id AND k.unique_key = f.unique_key;
    RETURN NULL;
END $$;
-- +goose StatementEnd
REVOKE EXECUTE ON FUNCTION sluice.forget_ended() FROM PUBLIC;
CREATE TRIGGER forget AFTER DELETE ON sluice.ended REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION sluice.forget_ended();

-- A workspace that is deleted leaves its cohort: an audit has to know when.
-- +goose StatementBegin
CREATE FUNCTION sluice.log_deleted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO sluice.limit_changes (actor, action, workspace_id)
        VALUES (coalesce(nullif(current_setting('sluice.actor', true), ''), nullif(current_setting('application_name'), ''), session_user), 'workspace-deleted', OLD.id);
    RETURN NULL;
END $$;
-- +goose StatementEnd
CREATE CONSTRAINT TRIGGER log_deleted AFTER DELETE ON sluice.workspaces DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION sluice.log_deleted();

-- ---------------------------------------------------------------- partitions

-- Makes the partitions of the next three days: one for each day, or for each month where things are kept for more than a
-- quarter. Returns how many. It locks the parent only against other such changes, and gives up where a lock is not free.
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
    IF NOT pg_try_advisory_xact_lock(5357) THEN
        RETURN 0; -- another session makes them
    END IF;
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


-- +goose StatementBegin
DO $$
DECLARE
    made text;
BEGIN
    FOR made IN SELECT p.name FROM sluice.partitions p WHERE p.parent = 'activity_log' AND to_regclass(format('sluice.%I', p.name)) IS NOT NULL LOOP
        EXECUTE format('ALTER TABLE sluice.%I REPLICA IDENTITY FULL', made);
    END LOOP;
END $$;
-- +goose StatementEnd

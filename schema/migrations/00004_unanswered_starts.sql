-- What one bad row, clock or transaction may not do to the others.

-- +goose Up

-- ---------------------------------------------------------------- starts that get no usable answer

ALTER TABLE sluice.running
    ADD COLUMN start_error       text,
    ADD COLUMN start_error_since timestamptz,
    ADD COLUMN start_again_at    timestamptz;
COMMENT ON COLUMN sluice.running.start_error IS 'While it is claimed: why its last start has not told whether the workflow exists; NULL: none has failed so.';
COMMENT ON COLUMN sluice.running.start_error_since IS 'When the first such start was.';
COMMENT ON COLUMN sluice.running.start_again_at IS 'When it is started again; NULL: at once.';

-- Rows come by other ways than an enqueue, from a dump or by hand. Those that are there stay.
ALTER TABLE sluice.pending ADD CONSTRAINT pending_times CHECK (
    isfinite(created_at) AND isfinite(available_at) AND isfinite(expires_at) IS NOT FALSE) NOT VALID;

CREATE OR REPLACE VIEW sluice.queue_items AS
    SELECT p.id, p.workspace_id, p.workflow_definition_id, coalesce(p.input, (SELECT i.input FROM sluice.inputs i WHERE i.id = p.id)) AS input,
           p.priority, p.unique_key, 'PENDING' AS status, p.attempt_count, p.created_at, p.available_at, p.expires_at,
           NULL::timestamptz AS claimed_at, NULL::timestamptz AS dispatched_at, NULL::uuid AS execution_id, p.last_error AS error
    FROM sluice.pending p
    UNION ALL
    SELECT r.id, r.workspace_id, r.workflow_definition_id, coalesce(r.input, (SELECT i.input FROM sluice.inputs i WHERE i.id = r.id)),
           r.priority, r.unique_key, CASE WHEN r.dispatched_at IS NULL THEN 'CLAIMED' ELSE 'DISPATCHED' END, r.attempt_count, r.created_at,
           r.available_at, r.expires_at, r.claimed_at, r.dispatched_at, r.id, CASE WHEN r.dispatched_at IS NULL THEN r.start_error END
    FROM sluice.running r
    UNION ALL
    SELECT e.id, e.workspace_id, e.workflow_definition_id, coalesce(e.input, (SELECT i.input FROM sluice.inputs i WHERE i.id = e.id)),
           e.priority, e.unique_key, CASE WHEN e.reason IS NULL THEN 'DISPATCHED' ELSE e.status END, e.attempt_count, e.created_at,
           e.available_at, e.expires_at, CASE WHEN e.reason IS NULL THEN e.claimed_at END, CASE WHEN e.reason IS NULL THEN e.dispatched_at END,
           CASE WHEN e.reason IS NULL THEN e.id END, CASE WHEN e.reason IS NOT NULL THEN concat_ws(': ', e.reason, e.error ->> 'message') END
    FROM sluice.ended e;

-- ---------------------------------------------------------------- who holds the next turn

-- The transaction of another session that has taken a turn and has not ended, in words; NULL: there is none. Claims and changes of
-- limits wait for it. Of several it is the oldest that does not itself wait for a lock.
-- +goose StatementBegin
CREATE FUNCTION sluice.turn_holder() RETURNS text LANGUAGE sql VOLATILE AS $$
    SELECT CASE WHEN l.pid IS NULL THEN concat('a prepared transaction', (
                    SELECT ' ' || quote_literal(x.gid) || ' of ' || x.owner || ', prepared at ' || to_char(x.prepared AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS') || ' UTC'
                    FROM pg_prepared_xacts x WHERE x.database = current_database() ORDER BY x.prepared LIMIT 1))
                ELSE concat('process ', l.pid, ' (', concat_ws(', ', nullif(a.application_name, ''), a.usename, nullif(a.state, ''),
                    'its transaction began at ' || to_char(a.xact_start AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS') || ' UTC'), ')') END
    FROM pg_locks l LEFT JOIN pg_stat_activity a ON a.pid = l.pid
    WHERE l.locktype = 'relation' AND l.relation = 'sluice.turns'::regclass AND l.mode = 'RowExclusiveLock' AND l.granted
      AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database()) AND l.pid IS DISTINCT FROM pg_backend_pid()
    ORDER BY a.wait_event_type = 'Lock' NULLS FIRST, a.xact_start NULLS FIRST LIMIT 1
$$;
-- +goose StatementEnd

-- As before, but it names who holds the turn, and begins a journal anew that has been emptied.
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
    PERFORM pg_advisory_xact_lock(5358);
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


-- ---------------------------------------------------------------- no order rests on a sequence

-- After a logical switchover a sequence begins again, and a key of it alone would refuse changes of limits.
ALTER TABLE sluice.limit_changes DROP CONSTRAINT limit_changes_pkey, ADD PRIMARY KEY (at, id);

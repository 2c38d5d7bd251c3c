-- The schema of Sluice. An item is a row of exactly one of three tables, pending, running and ended, and moves between
-- them in one statement. People and tools read the views at the end: their columns and words are kept stable.

-- +goose Up

-- ---------------------------------------------------------------- plans and workspaces

CREATE TABLE sluice.tiers (
    plan                     text PRIMARY KEY CHECK (plan ~ '^[A-Z][A-Z0-9_-]{0,62}$'),
    max_concurrent_workflows integer NOT NULL CHECK (max_concurrent_workflows >= 0),
    weight                   integer NOT NULL DEFAULT 1 CHECK (weight BETWEEN 1 AND 1000),
    nominal_quota            integer CHECK (nominal_quota >= 0),
    borrowing_limit          integer CHECK (borrowing_limit >= 0),
    starts_per_second        double precision CHECK (starts_per_second > 0 AND starts_per_second <= 1000000),
    burst                    integer CHECK (burst >= 1),
    created_at               timestamptz NOT NULL DEFAULT now(),
    updated_at               timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE sluice.tiers IS 'What each workspace of a plan may use. A change holds from the next claim on; a cut drains, it kills nothing.';
COMMENT ON COLUMN sluice.tiers.nominal_quota IS 'Guaranteed to each workspace of the plan; NULL: all of max_concurrent_workflows.';
COMMENT ON COLUMN sluice.tiers.borrowing_limit IS 'Slots above nominal_quota that a workspace may borrow; NULL: up to max_concurrent_workflows.';
COMMENT ON COLUMN sluice.tiers.starts_per_second IS 'Of each workspace of the plan; NULL: not bounded.';
COMMENT ON COLUMN sluice.tiers.burst IS 'Starts at once after a rest; NULL: those of one second, at least 1.';

CREATE TABLE sluice.workspaces (
    id                       uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    name                     text NOT NULL CHECK (name <> ''),
    plan                     text NOT NULL DEFAULT 'FREE' REFERENCES sluice.tiers (plan),
    max_concurrent_workflows integer CHECK (max_concurrent_workflows >= 0),
    weight                   integer CHECK (weight BETWEEN 1 AND 1000),
    nominal_quota            integer CHECK (nominal_quota >= 0),
    borrowing_limit          integer CHECK (borrowing_limit >= 0),
    starts_per_second        double precision CHECK (starts_per_second > 0 AND starts_per_second <= 1000000),
    burst                    integer CHECK (burst >= 1),
    cohort                   text CHECK (cohort ~ '^[a-z0-9][a-z0-9_-]{0,62}$'),
    created_at               timestamptz NOT NULL DEFAULT now(),
    updated_at               timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX workspaces_cohort ON sluice.workspaces (cohort) WHERE cohort IS NOT NULL;
COMMENT ON TABLE sluice.workspaces IS 'A limit that is NULL here is what the plan says.';
COMMENT ON COLUMN sluice.workspaces.cohort IS 'Its members lend one another what they leave idle of their nominal quotas.';

CREATE VIEW sluice.quotas AS
    SELECT w.id AS workspace_id, w.name, w.plan, w.cohort,
           coalesce(w.max_concurrent_workflows, t.max_concurrent_workflows) AS ceiling,
           least(coalesce(w.nominal_quota, t.nominal_quota, w.max_concurrent_workflows, t.max_concurrent_workflows),
                 coalesce(w.max_concurrent_workflows, t.max_concurrent_workflows)) AS nominal,
           coalesce(w.borrowing_limit, t.borrowing_limit) AS borrowing_limit,
           coalesce(w.weight, t.weight) AS weight,
           coalesce(w.starts_per_second, t.starts_per_second) AS starts_per_second,
           CASE WHEN coalesce(w.starts_per_second, t.starts_per_second) IS NOT NULL THEN
               coalesce(w.burst, t.burst, greatest(1, ceil(coalesce(w.starts_per_second, t.starts_per_second)))::int) END AS burst
    FROM sluice.workspaces w JOIN sluice.tiers t ON t.plan = w.plan;
COMMENT ON VIEW sluice.quotas IS 'What each workspace may use: what is set for it, else what its plan says.';

CREATE TABLE sluice.settings (
    one                      boolean PRIMARY KEY DEFAULT true CHECK (one),
    max_concurrent_workflows integer CHECK (max_concurrent_workflows >= 0),
    ageing_step              interval NOT NULL DEFAULT '5 minutes' CHECK (ageing_step BETWEEN '0' AND '365 days'),
    shards                   integer NOT NULL DEFAULT 1 CHECK (shards BETWEEN 1 AND 64),
    retention                interval NOT NULL DEFAULT '30 days' CHECK (retention = '0' OR retention BETWEEN '1 day' AND '36500 days'),
    updated_at               timestamptz NOT NULL DEFAULT now()
);
COMMENT ON COLUMN sluice.settings.max_concurrent_workflows IS 'Of all workspaces together; NULL: not bounded.';
COMMENT ON COLUMN sluice.settings.ageing_step IS 'The head start of a priority against the next one: a lower one waits at most so much longer for each step.';
COMMENT ON COLUMN sluice.settings.shards IS 'How many dispatchers share the workspaces; change it with: starter start --shards N.';
COMMENT ON COLUMN sluice.settings.retention IS 'How long items that have ended and the activity log are kept; 0: for ever.';

-- A cohort belongs to one shard as a whole.
CREATE FUNCTION sluice.shard_of(workspace uuid, cohort text, shards integer) RETURNS integer LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN shards <= 1 THEN 0
                ELSE ((hashtextextended(coalesce(cohort, workspace::text), 0) & 9223372036854775807) % shards)::integer END
$$;

-- ---------------------------------------------------------------- definitions

CREATE TABLE sluice.workflow_definitions (
    id             uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    workspace_id   uuid NOT NULL REFERENCES sluice.workspaces (id) ON DELETE CASCADE,
    name           text NOT NULL CHECK (name <> ''),
    version_number integer NOT NULL DEFAULT 1 CHECK (version_number > 0),
    created_at     timestamptz NOT NULL DEFAULT now(),
    updated_at     timestamptz NOT NULL DEFAULT now(),
    UNIQUE (workspace_id, name)
);
COMMENT ON COLUMN sluice.workflow_definitions.version_number IS 'The current version: what executions claimed from now on run.';

CREATE TABLE sluice.workflow_definition_versions (
    id                     uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    workflow_definition_id uuid NOT NULL REFERENCES sluice.workflow_definitions (id) ON DELETE CASCADE,
    version_number         integer NOT NULL CHECK (version_number > 0),
    workflow               jsonb NOT NULL CHECK (jsonb_typeof(workflow) = 'object'),
    created_at             timestamptz NOT NULL DEFAULT now(),
    UNIQUE (workflow_definition_id, version_number)
);

-- +goose StatementBegin
CREATE FUNCTION sluice.refuse_version_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'version % of definition % is immutable', OLD.version_number, OLD.workflow_definition_id
        USING ERRCODE = 'SL008', HINT = 'apply the definition again: that adds a version';
END $$;
-- +goose StatementEnd
CREATE TRIGGER immutable BEFORE UPDATE ON sluice.workflow_definition_versions
    FOR EACH ROW EXECUTE FUNCTION sluice.refuse_version_change();

-- ---------------------------------------------------------------- the life of an item

-- What waits. No foreign keys and no status: an insert takes no lock that another enqueue or the dispatcher waits for.
-- The index mirrors the order in which the dispatcher reads a line (workspace, priority).
CREATE TABLE sluice.pending (
    id                     uuid PRIMARY KEY,
    workspace_id           uuid NOT NULL,
    workflow_definition_id uuid NOT NULL,
    priority               smallint NOT NULL DEFAULT 3 CHECK (priority BETWEEN 1 AND 5),
    attempt_count          integer NOT NULL DEFAULT 0,
    created_at             timestamptz NOT NULL DEFAULT now(),
    available_at           timestamptz NOT NULL DEFAULT now(),
    expires_at             timestamptz,
    unique_key             text,
    trigger_type           text NOT NULL DEFAULT 'FUNCTION',
    enqueued_by            text NOT NULL,
    last_error             text,
    input                  jsonb
) WITH (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 20000, autovacuum_vacuum_cost_limit = 2000);
CREATE INDEX pending_line ON sluice.pending (workspace_id, priority, available_at, id);
CREATE INDEX pending_expiry ON sluice.pending (expires_at) WHERE expires_at IS NOT NULL;
COMMENT ON COLUMN sluice.pending.attempt_count IS 'Starts that have failed so far.';
COMMENT ON COLUMN sluice.pending.input IS 'NULL: it is large and lives in sluice.inputs.';

-- What holds a slot: a row here, from the claim to the outcome, is the only thing that counts as usage. Settling a start
-- changes no indexed column, so there is no other index.
CREATE TABLE sluice.running (
    id                     uuid PRIMARY KEY,
    workspace_id           uuid NOT NULL,
    workflow_definition_id uuid NOT NULL,
    workflow_version_id    uuid,
    priority               smallint NOT NULL,
    attempt_count          integer NOT NULL,
    turn                   bigint,
    created_at             timestamptz NOT NULL,
    available_at           timestamptz NOT NULL,
    claimed_at             timestamptz NOT NULL,
    dispatched_at          timestamptz,
    checked_at             timestamptz NOT NULL DEFAULT now(),
    unserved_since         timestamptz,
    expires_at             timestamptz,
    unique_key             text,
    trigger_type           text NOT NULL,
    enqueued_by            text NOT NULL,
    engine_run_id          text,
    input                  jsonb
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 10000, autovacuum_vacuum_cost_limit = 2000);
COMMENT ON COLUMN sluice.running.turn IS 'Of the claim that took the slot; NULL: no claim did, Temporal ran the workflow by itself.';
COMMENT ON COLUMN sluice.running.dispatched_at IS 'NULL: claimed, and not known to be started.';
COMMENT ON COLUMN sluice.running.checked_at IS 'When recovery last compared it with its workflow.';
COMMENT ON COLUMN sluice.running.unserved_since IS 'Since when no worker takes its workflow task; NULL: one does.';

-- What is over, by the time of its end: retention drops whole partitions. BRIN finds what has ended lately: rows come in
-- that order, and an entry of a B-tree would cost each outcome more than the row it points to.
CREATE TABLE sluice.ended (
    id                     uuid NOT NULL,
    workspace_id           uuid NOT NULL,
    workflow_definition_id uuid NOT NULL,
    workflow_version_id    uuid,
    status                 text NOT NULL,
    reason                 text,
    actor                  text,
    priority               smallint NOT NULL,
    attempt_count          integer NOT NULL,
    created_at             timestamptz NOT NULL,
    available_at           timestamptz NOT NULL,
    claimed_at             timestamptz,
    dispatched_at          timestamptz,
    ended_at               timestamptz NOT NULL DEFAULT now(),
    expires_at             timestamptz,
    unique_key             text,
    trigger_type           text NOT NULL,
    enqueued_by            text NOT NULL,
    engine_run_id          text,
    input                  jsonb,
    output                 jsonb,
    error                  jsonb,
    PRIMARY KEY (id, ended_at),
    CONSTRAINT executed_or_refused CHECK (CASE WHEN reason IS NULL
        THEN status IN ('COMPLETED', 'FAILED', 'CANCELLED', 'TERMINATED', 'TIMED_OUT') AND claimed_at IS NOT NULL
        ELSE status IN ('FAILED', 'CANCELLED', 'EXPIRED') AND reason <> '' END)
) PARTITION BY RANGE (ended_at);
CREATE INDEX ended_workspace ON sluice.ended (workspace_id, id);
CREATE INDEX ended_refused ON sluice.ended (id) WHERE reason IS NOT NULL;
CREATE INDEX ended_at ON sluice.ended USING brin (ended_at) WITH (pages_per_range = 16);
CREATE TABLE sluice.ended_rest PARTITION OF sluice.ended DEFAULT;
COMMENT ON COLUMN sluice.ended.reason IS 'Why the item ended without an execution; NULL: it had one.';
COMMENT ON COLUMN sluice.ended.actor IS 'Who or what ended it; NULL: its execution did.';
COMMENT ON TABLE sluice.ended_rest IS 'What ends while no partition has been made for its time.';

-- Inputs that are too large to be copied when their item moves. They are written once, and go with their item.
CREATE TABLE sluice.inputs (
    id    uuid PRIMARY KEY,
    input jsonb NOT NULL
);

-- The first item of a unique key answers for it while it waits or runs, and for a while after its end.
CREATE TABLE sluice.unique_keys (
    workspace_id uuid NOT NULL,
    unique_key   text NOT NULL,
    queue_id     uuid NOT NULL,
    keep         interval,
    PRIMARY KEY (workspace_id, unique_key)
);
COMMENT ON COLUMN sluice.unique_keys.keep IS 'How long after the end of its item the key is held; NULL: as long as the item is retained.';

-- ---------------------------------------------------------------- the journal: who may claim next

-- Only the dispatcher of a shard adds usage. Whatever could make its knowledge too optimistic takes the next turn of the
-- shard. A claim that was planned on turn N inserts N+1 in its own statement; if that is taken, the claim does nothing,
-- and the dispatcher reads here why. Rows are only added; recovery deletes old ones, and never the newest of a shard.
CREATE TABLE sluice.turns (
    shard        integer NOT NULL,
    turn         bigint NOT NULL,
    kind         text NOT NULL CHECK (kind IN ('first', 'run', 'claim', 'requeue', 'handover',
                                               'limits', 'definitions', 'regained', 'settings', 'owners', 'allotment')),
    workspace_id uuid,
    at           timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (shard, turn)
);
COMMENT ON COLUMN sluice.turns.workspace_id IS 'Whom it is about; NULL: all of the shard.';
INSERT INTO sluice.turns (shard, turn, kind) SELECT shard, 0, 'first' FROM generate_series(0, 63) AS shard;

-- The run of each shard's dispatcher, and the turn with which it took the shard over.
CREATE TABLE sluice.dispatchers (
    shard       integer PRIMARY KEY CHECK (shard BETWEEN 0 AND 63),
    run_id      text NOT NULL DEFAULT '',
    takeover    integer NOT NULL DEFAULT 0,
    turn        bigint NOT NULL DEFAULT 0,
    retired_run text,
    updated_at  timestamptz NOT NULL DEFAULT now()
);
COMMENT ON COLUMN sluice.dispatchers.retired_run IS 'The run that has ended or is about to, because its shard was no longer one of settings.shards.';

-- What a shard may hold of the global limit when there are several shards.
CREATE TABLE sluice.allotments (
    shard integer PRIMARY KEY CHECK (shard BETWEEN 0 AND 63),
    slots integer NOT NULL DEFAULT 0 CHECK (slots >= 0)
);
INSERT INTO sluice.allotments (shard) SELECT generate_series(0, 63);

-- Takes the next turn of a shard. It waits for a claim that is under way, 5 s at most. Changes take their turns one
-- after the other, by the advisory lock: the rows of one statement come in any order, and so would their shards. A transaction
-- that changes more than one workspace of a shard takes one turn more, for all of them.
-- +goose StatementBegin
CREATE FUNCTION sluice.take_turn(of_shard integer, what text, workspace uuid) RETURNS void LANGUAGE plpgsql SET lock_timeout TO '5s' AS $$
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
            SELECT of_shard, max(t.turn) + 1, what, workspace FROM sluice.turns t WHERE t.shard = of_shard
            ON CONFLICT DO NOTHING;
        EXIT WHEN FOUND;
    END LOOP;
    IF EXISTS (SELECT FROM sluice.listeners l WHERE l.shard = of_shard) THEN
        PERFORM pg_notify('sluice_events', of_shard::text);
    END IF;
EXCEPTION WHEN lock_not_available THEN
    RAISE EXCEPTION 'a claim has been under way for 5 s, so nothing was changed'
        USING ERRCODE = 'SL009', HINT = 'try again, or look in pg_stat_activity for what holds it up';
END $$;
-- +goose StatementEnd

-- All who take turns of several shards do so in the order of the shards, or two could deadlock. How many there are is read
-- anew each time: a change of their number that was under way has committed when its turn of the first shard is waited for.
-- +goose StatementBegin
CREATE FUNCTION sluice.take_turns(what text, workspace uuid) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    shard integer := 0;
BEGIN
    WHILE shard < (SELECT s.shards FROM sluice.settings s) LOOP
        PERFORM sluice.take_turn(shard, what, workspace);
        shard := shard + 1;
    END LOOP;
END $$;
-- +goose StatementEnd

-- Takes the next turn of the shard that a workspace belongs to. With that turn it cannot come to belong to another any more;
-- if it has just done so, that one's is taken too.
-- +goose StatementBegin
CREATE FUNCTION sluice.take_owners_turn(what text, workspace uuid) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    owner integer;
    taken integer;
BEGIN
    LOOP
        SELECT sluice.shard_of(workspace, (SELECT w.cohort FROM sluice.workspaces w WHERE w.id = workspace), s.shards) INTO owner
            FROM sluice.settings s;
        EXIT WHEN owner = taken;
        PERFORM sluice.take_turn(owner, what, workspace);
        taken := owner;
    END LOOP;
END $$;
-- +goose StatementEnd

-- The turns that changes of limits, owners and definitions take, at the commit of the transaction that makes them.
-- +goose StatementBegin
CREATE FUNCTION sluice.turn_changed() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    before jsonb := CASE WHEN TG_OP <> 'INSERT' THEN to_jsonb(OLD) END;
    after  jsonb := CASE WHEN TG_OP <> 'DELETE' THEN to_jsonb(NEW) END;
BEGIN
    CASE TG_TABLE_NAME
    WHEN 'settings' THEN
        IF before ->> 'shards' = after ->> 'shards' THEN
            PERFORM sluice.take_turns('settings', NULL);
        ELSE
            FOR shard IN 0 .. 63 LOOP
                PERFORM sluice.take_turn(shard, 'owners', NULL);
            END LOOP;
        END IF;
        UPDATE sluice.allotments SET slots = 0 WHERE slots > 0;
    WHEN 'tiers' THEN
        PERFORM sluice.take_turns('limits', NULL);
    WHEN 'workspaces' THEN
        IF before ->> 'cohort' IS NOT DISTINCT FROM after ->> 'cohort' THEN
            PERFORM sluice.take_owners_turn('limits', coalesce(after ->> 'id', before ->> 'id')::uuid);
        ELSE -- its usage moves to another shard
            PERFORM sluice.take_turns('owners', NULL);
            UPDATE sluice.allotments SET slots = 0 WHERE slots > 0;
        END IF;
    WHEN 'running' THEN
        -- What the shards may hold of a global limit was dealt without this slot: they ask for it again.
        IF (SELECT s.max_concurrent_workflows IS NOT NULL AND s.shards > 1 FROM sluice.settings s) THEN
            PERFORM sluice.take_turns('allotment', NULL);
            UPDATE sluice.allotments SET slots = 0 WHERE slots > 0;
        END IF;
        PERFORM sluice.take_owners_turn('regained', (after ->> 'workspace_id')::uuid);
    ELSE -- a definition may have changed its owner
        PERFORM sluice.take_owners_turn('definitions', t.workspace_id)
        FROM (SELECT DISTINCT sluice.shard_of(x.id, (SELECT w.cohort FROM sluice.workspaces w WHERE w.id = x.id), s.shards) AS shard, x.id AS workspace_id
              FROM sluice.settings s CROSS JOIN (VALUES ((before ->> 'workspace_id')::uuid), ((after ->> 'workspace_id')::uuid)) AS x (id)
              WHERE x.id IS NOT NULL ORDER BY 1, 2) AS t;
    END CASE;
    RETURN NULL;
END $$;
-- +goose StatementEnd
CREATE CONSTRAINT TRIGGER turn AFTER UPDATE ON sluice.settings DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN ((OLD.max_concurrent_workflows, OLD.ageing_step, OLD.shards) IS DISTINCT FROM (NEW.max_concurrent_workflows, NEW.ageing_step, NEW.shards))
    EXECUTE FUNCTION sluice.turn_changed();
CREATE CONSTRAINT TRIGGER turn AFTER UPDATE ON sluice.tiers DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN (OLD.* IS DISTINCT FROM NEW.*) EXECUTE FUNCTION sluice.turn_changed();
CREATE CONSTRAINT TRIGGER turn AFTER UPDATE OR DELETE ON sluice.workspaces DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    EXECUTE FUNCTION sluice.turn_changed();
CREATE CONSTRAINT TRIGGER turn_joined AFTER INSERT ON sluice.workspaces DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN (NEW.cohort IS NOT NULL) EXECUTE FUNCTION sluice.turn_changed();
CREATE CONSTRAINT TRIGGER turn AFTER UPDATE OR DELETE ON sluice.workflow_definitions DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    EXECUTE FUNCTION sluice.turn_changed();
CREATE CONSTRAINT TRIGGER turn AFTER INSERT ON sluice.running DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN (NEW.turn IS NULL) EXECUTE FUNCTION sluice.turn_changed();

-- Gives a shard up to so many more slots of the global limit, and returns whether that changed anything. What the other
-- shards do not use they lose: they ask for it again.
-- +goose StatementBegin
CREATE FUNCTION sluice.allot(to_shard integer, more integer) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    n      sluice.settings;
    shards integer;
BEGIN
    SELECT * INTO n FROM sluice.settings;
    shards := n.shards;
    IF n.max_concurrent_workflows IS NULL OR shards = 1 OR n.max_concurrent_workflows <= (SELECT count(*) FROM sluice.running) THEN
        RETURN false;
    END IF;
    PERFORM sluice.take_turns('allotment', NULL);
    -- Each claim has either committed by now, and is seen, or has lost its turn; so has each change of the settings.
    SELECT * INTO n FROM sluice.settings;
    IF n.max_concurrent_workflows IS NULL OR n.shards <> shards THEN
        RETURN true;
    END IF;
    WITH used AS (
        SELECT sluice.shard_of(r.workspace_id, w.cohort, n.shards) AS shard, count(*)::int AS n
        FROM sluice.running r LEFT JOIN sluice.workspaces w ON w.id = r.workspace_id GROUP BY 1
    ), free AS (
        SELECT n.max_concurrent_workflows - coalesce(sum(used.n), 0)::int AS n FROM used
    )
    UPDATE sluice.allotments a
    -- Above the limit, after a cut, no shard may even replace what it holds.
    SET slots = CASE WHEN free.n < 0 THEN 0 ELSE coalesce(u.n, 0) + CASE WHEN a.shard = to_shard THEN least(more, free.n) ELSE 0 END END
    FROM free CROSS JOIN sluice.allotments every LEFT JOIN used u ON u.shard = every.shard
    WHERE a.shard = every.shard AND a.shard < shards;
    RETURN true;
END $$;
-- +goose StatementEnd

-- ---------------------------------------------------------------- events: what the dispatchers hear of

-- Insert-only: items have arrived, slots have been freed. Read by transaction id, so that what commits late is heard
-- too. Outcomes only make room, and are told by execution id: to hear of one twice or late changes nothing.
CREATE TABLE sluice.events (
    xid           xid8 NOT NULL DEFAULT pg_current_xact_id(),
    at            timestamptz NOT NULL DEFAULT now(),
    workspace_id  uuid,
    item_id       uuid,
    definition_id uuid,
    priority      smallint CHECK (priority BETWEEN 1 AND 5),
    available_at  timestamptz,
    workspaces    uuid[],
    freed         uuid[],
    quiet         boolean NOT NULL DEFAULT false
) WITH (toast_tuple_target = 8160, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 20000);
ALTER TABLE sluice.events ALTER COLUMN workspaces SET STORAGE EXTERNAL, ALTER COLUMN freed SET STORAGE EXTERNAL;
ALTER TABLE sluice.events REPLICA IDENTITY FULL; -- it has no key, and a publication of all tables must not keep old rows from being deleted
CREATE INDEX events_xid ON sluice.events (xid);
COMMENT ON COLUMN sluice.events.workspace_id IS 'One item has arrived, for this workspace.';
COMMENT ON COLUMN sluice.events.workspaces IS 'Several items have arrived, for these workspaces; the first is available at available_at.';
COMMENT ON COLUMN sluice.events.freed IS 'These executions have given their slots back.';
COMMENT ON COLUMN sluice.events.quiet IS 'The statement has itself notified the dispatchers that wait.';

-- Which dispatchers wait to be notified. NOTIFY serialises the commits of a database, so it is sent only to them.
CREATE TABLE sluice.listeners (
    shard integer PRIMARY KEY,
    token uuid NOT NULL,
    since timestamptz NOT NULL DEFAULT now()
);

-- Notifies the dispatcher of a workspace, or with NULL all of them. While all workspaces share a limit, what one gives
-- back may be another's: then everything is for all.
-- +goose StatementBegin
CREATE FUNCTION sluice.wake(workspace uuid) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    n     integer;
    owner integer;
BEGIN
    SELECT s.shards INTO n FROM sluice.settings s WHERE s.max_concurrent_workflows IS NULL;
    IF workspace IS NULL OR coalesce(n, 1) = 1 THEN
        PERFORM pg_notify('sluice_events', '');
        RETURN true;
    END IF;
    owner := sluice.shard_of(workspace, (SELECT w.cohort FROM sluice.workspaces w WHERE w.id = workspace), n);
    IF EXISTS (SELECT FROM sluice.listeners l WHERE l.shard = owner) THEN
        PERFORM pg_notify('sluice_events', owner::text);
    END IF;
    RETURN true;
END $$;
-- +goose StatementEnd

-- Deferred to the commit: that is when what happened becomes visible, however long the transaction was open.
-- +goose StatementBegin
CREATE FUNCTION sluice.wake_listeners() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM sluice.listeners) THEN
        PERFORM sluice.wake(NEW.workspace_id);
    END IF;
    RETURN NULL;
END $$;
-- +goose StatementEnd
CREATE CONSTRAINT TRIGGER wake AFTER INSERT ON sluice.events DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN (NOT NEW.quiet) EXECUTE FUNCTION sluice.wake_listeners();

-- ---------------------------------------------------------------- fairness on record

-- Where workspaces, and each shard and cohort, stand in virtual time (see internal/admission), and token buckets.
CREATE TABLE sluice.virtual_times (
    workspace_id uuid PRIMARY KEY,
    own          bigint NOT NULL DEFAULT 0,
    borrowed     bigint NOT NULL DEFAULT 0,
    tokens       double precision,
    tokens_at    timestamptz
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 10000);
CREATE TABLE sluice.clocks (
    shard          integer NOT NULL,
    cohort         text NOT NULL,
    own_clock      bigint NOT NULL DEFAULT 0,
    borrowed_clock bigint NOT NULL DEFAULT 0,
    own            bigint NOT NULL DEFAULT 0,
    borrowed       bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (shard, cohort)
) WITH (fillfactor = 20);
COMMENT ON COLUMN sluice.clocks.cohort IS 'Empty: all workspaces of the shard outside of cohorts, and each cohort as one.';

-- ---------------------------------------------------------------- what is on record beside the items

-- Every change of a limit, written as it commits. Kept for ever: an audit judges claims by it.
CREATE TABLE sluice.limit_changes (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at           timestamptz NOT NULL DEFAULT clock_timestamp(),
    actor        text NOT NULL,
    action       text NOT NULL,
    workspace_id uuid,
    details      jsonb NOT NULL DEFAULT '{}'
);

-- What leaves no other fact.
CREATE TABLE sluice.activity_log (
    at           timestamptz NOT NULL DEFAULT clock_timestamp(),
    actor        text NOT NULL,
    action       text NOT NULL,
    workspace_id uuid,
    queue_id     uuid,
    reason       text,
    details      jsonb NOT NULL DEFAULT '{}'
) PARTITION BY RANGE (at);
CREATE INDEX activity_log_item ON sluice.activity_log (queue_id) WHERE queue_id IS NOT NULL;
CREATE INDEX activity_log_reopened ON sluice.activity_log (queue_id) WHERE action = 'reopened';
CREATE TABLE sluice.activity_log_rest PARTITION OF sluice.activity_log DEFAULT;
ALTER TABLE sluice.activity_log_rest REPLICA IDENTITY FULL; -- as that of events

-- How far recovery has looked at what Temporal shows.
CREATE TABLE sluice.recovery (
    one       boolean PRIMARY KEY DEFAULT true CHECK (one),
    looked_at timestamptz NOT NULL
) WITH (fillfactor = 20);

-- +goose StatementBegin
CREATE FUNCTION sluice.log_limit() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    who    text := coalesce(nullif(current_setting('sluice.actor', true), ''), nullif(current_setting('application_name'), ''), session_user);
    row    jsonb := to_jsonb(NEW);
    limits jsonb := jsonb_strip_nulls(jsonb_build_object(
        'maxConcurrentWorkflows', row -> 'max_concurrent_workflows', 'nominalQuota', row -> 'nominal_quota',
        'borrowingLimit', row -> 'borrowing_limit', 'weight', row -> 'weight', 'startsPerSecond', row -> 'starts_per_second',
        'burst', row -> 'burst', 'cohort', row -> 'cohort', 'ageingStep', row -> 'ageing_step', 'shards', row -> 'shards',
        'retention', row -> 'retention'));
BEGIN
    CASE TG_TABLE_NAME
    WHEN 'tiers' THEN
        INSERT INTO sluice.limit_changes (actor, action, details) VALUES (who, 'tier-changed', limits || jsonb_build_object('plan', NEW.plan));
    WHEN 'settings' THEN
        INSERT INTO sluice.limit_changes (actor, action, details) VALUES (who, 'settings-changed', limits);
    ELSE
        INSERT INTO sluice.limit_changes (actor, action, workspace_id, details)
            VALUES (who, CASE WHEN TG_OP = 'INSERT' THEN 'workspace-created' WHEN OLD.plan = NEW.plan THEN 'limits-changed' ELSE 'plan-changed' END,
                    NEW.id, limits || jsonb_build_object('plan', NEW.plan) || CASE WHEN TG_OP = 'INSERT' THEN jsonb_build_object('name', NEW.name) ELSE '{}' END);
    END CASE;
    RETURN NULL;
END $$;
-- +goose StatementEnd
CREATE CONSTRAINT TRIGGER log_created AFTER INSERT ON sluice.tiers DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION sluice.log_limit();
CREATE CONSTRAINT TRIGGER log_created AFTER INSERT ON sluice.workspaces DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION sluice.log_limit();
CREATE CONSTRAINT TRIGGER log_changed AFTER UPDATE ON sluice.tiers DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN ((OLD.max_concurrent_workflows, OLD.weight, OLD.nominal_quota, OLD.borrowing_limit, OLD.starts_per_second, OLD.burst)
        IS DISTINCT FROM (NEW.max_concurrent_workflows, NEW.weight, NEW.nominal_quota, NEW.borrowing_limit, NEW.starts_per_second, NEW.burst))
    EXECUTE FUNCTION sluice.log_limit();
CREATE CONSTRAINT TRIGGER log_changed AFTER UPDATE ON sluice.workspaces DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN ((OLD.plan, OLD.max_concurrent_workflows, OLD.weight, OLD.nominal_quota, OLD.borrowing_limit, OLD.starts_per_second, OLD.burst, OLD.cohort)
        IS DISTINCT FROM (NEW.plan, NEW.max_concurrent_workflows, NEW.weight, NEW.nominal_quota, NEW.borrowing_limit, NEW.starts_per_second, NEW.burst, NEW.cohort))
    EXECUTE FUNCTION sluice.log_limit();
CREATE CONSTRAINT TRIGGER log_changed AFTER UPDATE ON sluice.settings DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN ((OLD.max_concurrent_workflows, OLD.ageing_step, OLD.shards, OLD.retention)
        IS DISTINCT FROM (NEW.max_concurrent_workflows, NEW.ageing_step, NEW.shards, NEW.retention))
    EXECUTE FUNCTION sluice.log_limit();

INSERT INTO sluice.settings DEFAULT VALUES;
INSERT INTO sluice.dispatchers (shard) VALUES (0);
INSERT INTO sluice.tiers (plan, max_concurrent_workflows, weight) VALUES ('FREE', 2, 1), ('STARTER', 5, 2), ('PRO', 20, 4), ('ENTERPRISE', 100, 8);

-- ---------------------------------------------------------------- retention

-- The partitions of ended and of activity_log, which hold what happened from one moment to another.
CREATE TABLE sluice.partitions (
    name    text PRIMARY KEY,
    parent  text NOT NULL CHECK (parent IN ('ended', 'activity_log')),
    from_at timestamptz NOT NULL,
    to_at   timestamptz NOT NULL CHECK (to_at > from_at)
);

-- Makes the partitions of the next three days: one for each day, or for each month where things are kept for more than a
-- quarter. Returns how many. It locks the parent only against other such changes, and gives up where a lock is not free.
-- +goose StatementBegin
CREATE FUNCTION sluice.make_partitions() RETURNS integer LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout TO '100ms' SET timezone TO 'UTC' AS $$
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

-- Drops a partition that lies behind the retention, and returns whether it is gone. Outcomes, and what reads such tables,
-- wait for its lock, a tenth of a second at most; then it gives up. A partition that has been detached is not touched.
-- +goose StatementBegin
CREATE FUNCTION sluice.drop_partition(of_name text) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout TO '100ms' AS $$
DECLARE
    p sluice.partitions;
BEGIN
    SELECT x.* INTO p FROM sluice.partitions x CROSS JOIN sluice.settings s
        WHERE x.name = of_name AND s.retention > '0' AND x.to_at <= now() - s.retention;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    IF EXISTS (SELECT FROM pg_inherits i WHERE i.inhrelid = to_regclass(format('sluice.%I', p.name)) AND i.inhparent = to_regclass(format('sluice.%I', p.parent))) THEN
        -- All that a DROP locks, and no second wait behind the first.
        EXECUTE format('LOCK TABLE ONLY sluice.%I IN ACCESS EXCLUSIVE MODE', p.parent);
        EXECUTE format('LOCK TABLE ONLY sluice.%I, ONLY sluice.%I IN ACCESS EXCLUSIVE MODE NOWAIT', p.parent || '_rest', p.name);
        EXECUTE format('DROP TABLE sluice.%I', p.name);
    END IF;
    DELETE FROM sluice.partitions x WHERE x.name = p.name;
    RETURN true;
EXCEPTION WHEN lock_not_available THEN
    RETURN false;
END $$;
-- +goose StatementEnd

-- They act as the owner of the schema, so nobody else may call them without a grant; and what is in a session's own
-- temporary schema comes last, or a type made there would run its code as the owner.
REVOKE EXECUTE ON FUNCTION sluice.make_partitions(), sluice.drop_partition(text) FROM PUBLIC;

SELECT sluice.make_partitions();

-- ---------------------------------------------------------------- enqueue

-- RFC 9562 version 7 with sub-millisecond order in rand_a: ids follow enqueue order.
CREATE FUNCTION sluice.uuid_v7() RETURNS uuid LANGUAGE sql VOLATILE PARALLEL SAFE AS $$
    SELECT (overlay(lpad(to_hex((extract(epoch FROM clock_timestamp()) * 1000000)::bigint * 512 / 125), 15, '0') PLACING '7' FROM 13 FOR 0)
        || right(gen_random_uuid()::text, 17))::uuid
$$;

-- When the id of an item was made, less an hour for clocks that differ; nothing of the item is older. Other ids: for ever ago.
CREATE FUNCTION sluice.made_at(id uuid) RETURNS timestamptz LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN substr(id::text, 15, 1) = '7'
        THEN to_timestamp(('x' || lpad(replace(left(id::text, 13), '-', ''), 16, '0'))::bit(64)::bigint / 1000.0) - interval '1 hour'
        ELSE '-infinity' END
$$;

-- Returns true, or says what is wrong with a definition of a workspace.
-- +goose StatementBegin
CREATE FUNCTION sluice.check_definition(workspace uuid, definition uuid) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    owner uuid;
BEGIN
    SELECT d.workspace_id INTO owner FROM sluice.workflow_definitions d WHERE d.id = definition;
    IF owner = workspace THEN
        RETURN true;
    ELSIF NOT EXISTS (SELECT FROM sluice.workspaces w WHERE w.id = workspace) THEN
        RAISE EXCEPTION 'unknown workspace %', coalesce(workspace::text, 'NULL')
            USING ERRCODE = 'SL001', HINT = 'create it first, or look its id up in sluice.workspaces';
    ELSIF owner IS NULL THEN
        RAISE EXCEPTION 'unknown workflow definition %', coalesce(definition::text, 'NULL')
            USING ERRCODE = 'SL002', HINT = 'apply the definition first, or look its id up in sluice.workflow_definitions';
    END IF;
    RAISE EXCEPTION 'workflow definition % does not belong to workspace %', definition, workspace
        USING ERRCODE = 'SL003', HINT = 'a definition only runs for the workspace that owns it: apply it there too';
END $$;
-- +goose StatementEnd

-- What has become of an item: QUEUED, CLAIMED, RUNNING, how its execution or it itself ended, or NULL if nothing is known of it.
-- +goose StatementBegin
CREATE FUNCTION sluice.whereabouts(item uuid, OUT status text, OUT ended_at timestamptz) LANGUAGE sql STABLE AS $$
    SELECT 'QUEUED', NULL::timestamptz FROM sluice.pending p WHERE p.id = item
    UNION ALL
    SELECT CASE WHEN r.dispatched_at IS NULL THEN 'CLAIMED' ELSE 'RUNNING' END, NULL FROM sluice.running r WHERE r.id = item
    UNION ALL
    SELECT e.status, e.ended_at FROM sluice.ended e WHERE e.id = item AND e.ended_at >= sluice.made_at(item)
$$;
-- +goose StatementEnd

-- The one way in for items of any kind, whose input the caller has measured. Answers {queueId, status, message}.
-- +goose StatementBegin
CREATE FUNCTION sluice.enqueue_item(
    workspace_id uuid, definition_id uuid, input jsonb, priority integer, available_at timestamptz,
    unique_key text, expires_at timestamptz, enqueued_by text, trigger_type text, unique_for interval, large boolean
) RETURNS jsonb LANGUAGE plpgsql AS $$
#variable_conflict use_variable
DECLARE
    item  uuid := sluice.uuid_v7();
    due   timestamptz := greatest(coalesce(available_at, now()), now());
    first sluice.unique_keys;
    state record;
BEGIN
    PERFORM sluice.check_definition(workspace_id, definition_id);
    IF input IS NULL OR jsonb_typeof(input) <> 'object' THEN
        RAISE EXCEPTION 'input must be a JSON object, not %', coalesce(jsonb_typeof(input), 'NULL') USING ERRCODE = 'SL004';
    END IF;
    IF priority IS NULL OR priority NOT BETWEEN 1 AND 5 THEN
        RAISE EXCEPTION 'priority must be 1 (first) to 5 (last), not %', coalesce(priority::text, 'NULL') USING ERRCODE = 'SL005';
    END IF;
    IF NOT isfinite(due) OR due > now() + interval '10 years' THEN
        RAISE EXCEPTION 'available_at must be at most ten years ahead, not %', available_at USING ERRCODE = 'SL006';
    END IF;
    expires_at := nullif(expires_at, 'infinity');
    IF expires_at >= timestamptz '10000-01-01 00:00:00+00' THEN
        RAISE EXCEPTION 'expires_at must lie before the year 10000, not %', expires_at USING ERRCODE = 'SL006', HINT = 'leave it out for never';
    END IF;
    IF expires_at <= greatest(due, clock_timestamp()) THEN
        RAISE EXCEPTION 'expires_at % must lie after available_at and the present', expires_at USING ERRCODE = 'SL006';
    END IF;
    IF unique_key IS NOT NULL THEN
        IF unique_key = '' OR octet_length(unique_key) > 512 THEN
            RAISE EXCEPTION 'unique_key must have 1 to 512 bytes, not %', octet_length(unique_key) USING ERRCODE = 'SL007';
        END IF;
        IF unique_for < '0' OR unique_for > '36500 days' THEN
            RAISE EXCEPTION 'unique_for must be 0 to 100 years, not %', unique_for USING ERRCODE = 'SL007', HINT = 'leave it out for as long as the item is retained';
        END IF;
        -- Two enqueues of the same key do wait for one another: that is what makes the key unique.
        LOOP
            INSERT INTO sluice.unique_keys AS k (workspace_id, unique_key, queue_id, keep)
                VALUES (workspace_id, unique_key, item, unique_for) ON CONFLICT DO NOTHING;
            EXIT WHEN FOUND;
            SELECT k.* INTO first FROM sluice.unique_keys k
                WHERE k.workspace_id = enqueue_item.workspace_id AND k.unique_key = enqueue_item.unique_key FOR UPDATE;
            CONTINUE WHEN NOT FOUND; -- deleted meanwhile
            SELECT w.* INTO state FROM sluice.whereabouts(first.queue_id) w;
            IF state.status IS NOT NULL AND (state.ended_at + first.keep <= clock_timestamp()) IS NOT TRUE THEN
                RETURN jsonb_build_object('queueId', first.queue_id, 'status', state.status,
                    'message', 'Already enqueued under this unique key; this is the first item.');
            END IF;
            UPDATE sluice.unique_keys k SET queue_id = item, keep = unique_for
                WHERE k.workspace_id = enqueue_item.workspace_id AND k.unique_key = enqueue_item.unique_key;
            EXIT;
        END LOOP;
    END IF;
    IF large THEN
        INSERT INTO sluice.inputs (id, input) VALUES (item, input);
    END IF;
    INSERT INTO sluice.events (workspace_id, item_id, definition_id, priority, available_at)
        VALUES (workspace_id, item, definition_id, priority, due);
    INSERT INTO sluice.pending
        (id, workspace_id, workflow_definition_id, priority, available_at, expires_at, unique_key, trigger_type, enqueued_by, input)
        VALUES (item, workspace_id, definition_id, priority, due, expires_at, unique_key, coalesce(trigger_type, 'FUNCTION'),
            coalesce(nullif(enqueued_by, ''), nullif(current_setting('application_name'), ''), session_user),
            CASE WHEN NOT large THEN input END);
    RETURN jsonb_build_object('queueId', item, 'status', 'QUEUED',
        'message', 'Workflow execution queued. Will start when capacity is available.');
END $$;
-- +goose StatementEnd

-- What applications in other languages call. Errors: SL001 to SL007.
-- +goose StatementBegin
CREATE FUNCTION sluice.enqueue(
    workspace_id uuid, definition_id uuid, input jsonb DEFAULT '{}', priority integer DEFAULT 3, available_at timestamptz DEFAULT NULL,
    unique_key text DEFAULT NULL, expires_at timestamptz DEFAULT NULL, enqueued_by text DEFAULT NULL, trigger_type text DEFAULT 'FUNCTION',
    unique_for interval DEFAULT NULL
) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    bytes integer := octet_length(input::text);
BEGIN
    IF bytes > 262144 THEN
        RAISE EXCEPTION 'input has % bytes, at most 262144 (256 KiB) are allowed', bytes
            USING ERRCODE = 'SL004', HINT = 'store large data elsewhere and pass a reference';
    END IF;
    RETURN sluice.enqueue_item(workspace_id, definition_id, coalesce(input, '{}'), coalesce(priority, 3), available_at,
        unique_key, expires_at, enqueued_by, trigger_type, unique_for, coalesce(bytes, 0) > 2000);
END $$;
-- +goose StatementEnd

-- ---------------------------------------------------------------- what people and tools read

CREATE VIEW sluice.queue_items AS
    SELECT p.id, p.workspace_id, p.workflow_definition_id, coalesce(p.input, (SELECT i.input FROM sluice.inputs i WHERE i.id = p.id)) AS input,
           p.priority, p.unique_key, 'PENDING' AS status, p.attempt_count, p.created_at, p.available_at, p.expires_at,
           NULL::timestamptz AS claimed_at, NULL::timestamptz AS dispatched_at, NULL::uuid AS execution_id, p.last_error AS error
    FROM sluice.pending p
    UNION ALL
    SELECT r.id, r.workspace_id, r.workflow_definition_id, coalesce(r.input, (SELECT i.input FROM sluice.inputs i WHERE i.id = r.id)),
           r.priority, r.unique_key, CASE WHEN r.dispatched_at IS NULL THEN 'CLAIMED' ELSE 'DISPATCHED' END, r.attempt_count, r.created_at,
           r.available_at, r.expires_at, r.claimed_at, r.dispatched_at, r.id, NULL
    FROM sluice.running r
    UNION ALL
    SELECT e.id, e.workspace_id, e.workflow_definition_id, coalesce(e.input, (SELECT i.input FROM sluice.inputs i WHERE i.id = e.id)),
           e.priority, e.unique_key, CASE WHEN e.reason IS NULL THEN 'DISPATCHED' ELSE e.status END, e.attempt_count, e.created_at,
           e.available_at, e.expires_at, CASE WHEN e.reason IS NULL THEN e.claimed_at END, CASE WHEN e.reason IS NULL THEN e.dispatched_at END,
           CASE WHEN e.reason IS NULL THEN e.id END, CASE WHEN e.reason IS NOT NULL THEN concat_ws(': ', e.reason, e.error ->> 'message') END
    FROM sluice.ended e;
COMMENT ON VIEW sluice.queue_items IS 'Every item: PENDING CLAIMED DISPATCHED FAILED CANCELLED EXPIRED.';

CREATE VIEW sluice.executions AS
    SELECT r.id, r.id AS queue_id, r.workspace_id, r.workflow_definition_id, r.workflow_version_id, 'execution-' || r.id AS engine_workflow_id,
           r.engine_run_id, 'RUNNING' AS status, r.trigger_type, r.dispatched_at AS started_at, NULL::timestamptz AS completed_at,
           NULL::bigint AS duration_ms, NULL::jsonb AS error, coalesce(r.input, (SELECT i.input FROM sluice.inputs i WHERE i.id = r.id)) AS input,
           NULL::jsonb AS output, r.unserved_since
    FROM sluice.running r WHERE r.dispatched_at IS NOT NULL
    UNION ALL
    SELECT e.id, e.id, e.workspace_id, e.workflow_definition_id, e.workflow_version_id, 'execution-' || e.id,
           e.engine_run_id, e.status, e.trigger_type, e.dispatched_at, e.ended_at,
           round(extract(epoch FROM e.ended_at - e.dispatched_at) * 1000)::bigint, e.error,
           coalesce(e.input, (SELECT i.input FROM sluice.inputs i WHERE i.id = e.id)), e.output, NULL
    FROM sluice.ended e WHERE e.reason IS NULL;
COMMENT ON VIEW sluice.executions IS 'Every workflow started: RUNNING COMPLETED FAILED CANCELLED TERMINATED TIMED_OUT.';

CREATE VIEW sluice.activity AS
    SELECT p.created_at AS at, p.enqueued_by AS actor, 'enqueued' AS action, p.workspace_id, p.id AS queue_id, NULL::uuid AS execution_id,
           NULL::text AS reason, '{}'::jsonb AS details FROM sluice.pending p
    UNION ALL
    SELECT a.at, a.actor, a.action, r.workspace_id, r.id, a.execution_id, NULL, a.details
    FROM sluice.running r CROSS JOIN LATERAL (VALUES
        (r.created_at, r.enqueued_by, 'enqueued', NULL::uuid, '{}'::jsonb),
        (r.claimed_at, 'dispatcher', 'claimed', r.id, '{}'),
        (r.dispatched_at, 'dispatcher', 'dispatched', r.id, jsonb_build_object('runId', r.engine_run_id))
    ) AS a (at, actor, action, execution_id, details) WHERE a.at IS NOT NULL
    UNION ALL
    SELECT a.at, a.actor, a.action, e.workspace_id, e.id, CASE WHEN e.reason IS NULL AND a.action <> 'enqueued' THEN e.id END, a.reason, a.details
    FROM sluice.ended e CROSS JOIN LATERAL (VALUES
        (e.created_at, e.enqueued_by, 'enqueued', NULL::text, '{}'::jsonb),
        (CASE WHEN e.reason IS NULL THEN e.claimed_at END, 'dispatcher', 'claimed', NULL, '{}'),
        (CASE WHEN e.reason IS NULL THEN e.dispatched_at END, 'dispatcher', 'dispatched', NULL, jsonb_build_object('runId', e.engine_run_id)),
        (e.ended_at, coalesce(e.actor, 'execution'), lower(e.status), e.reason,
         jsonb_strip_nulls(jsonb_build_object('error', CASE WHEN e.reason IS NULL THEN e.error ELSE e.error -> 'message' END)))
    ) AS a (at, actor, action, reason, details) WHERE a.at IS NOT NULL
    UNION ALL
    SELECT c.at, c.actor, c.action, c.workspace_id, NULL, NULL, NULL, c.details FROM sluice.limit_changes c
    UNION ALL
    SELECT l.at, l.actor, l.action, l.workspace_id, l.queue_id, NULL, l.reason, l.details FROM sluice.activity_log l;
COMMENT ON VIEW sluice.activity IS 'Who did what when: every transition of every item, and every operator action.';

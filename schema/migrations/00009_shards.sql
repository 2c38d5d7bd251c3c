-- Several dispatchers on one database: each owns the workspaces that hash to its shard. How many there are is stored
-- here, so that no two workers can disagree about who owns what.

-- +goose Up

ALTER TABLE sluice.settings ADD COLUMN shards integer NOT NULL DEFAULT 1 CHECK (shards BETWEEN 1 AND 64);
COMMENT ON COLUMN sluice.settings.shards IS 'How many dispatchers share the workspaces; change it with: starter start --shards N.';

ALTER TABLE sluice.dispatchers ADD COLUMN retired_run text;
COMMENT ON COLUMN sluice.dispatchers.retired_run IS 'The run that has ended or is about to, because its shard was no longer one of settings.shards.';

-- Members of one cohort have one owner, so that their quota is decided in one place. Nothing depends on where a
-- workspace hashes to but who decides for it: the function may give other values after an upgrade of Postgres.
CREATE FUNCTION sluice.shard_of(workspace uuid, cohort text, shards integer) RETURNS integer LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
    'SELECT CASE WHEN shards <= 1 THEN 0
            ELSE ((hashtextextended(coalesce(cohort, workspace::text), 0) & 9223372036854775807) % shards)::integer END';

-- ---------------------------------------------------------------- when an owner changes

-- What decides who claims for a workspace, or which limits claims of several dispatchers share, changes between claims
-- and never during one: whoever claims holds this table in a weaker mode, until its transaction ends, and takes it
-- before the snapshot that it decides on. So the first claim of a new owner sees what the last one of the old owner took.
-- It costs claims nothing: they write to this table anyway. A lock of the settings row would cost each of them a write,
-- and the change would have to wait for a moment at which no dispatcher holds it, while this one has its place in a queue.
-- Deferred to the commit: that is when owners change, however long the transaction was open, and claims wait for no more.
--
-- A dispatch that is under way has read its claims under the old owner. Overtaken, it may still start them, which is
-- idempotent, but no longer undo them: by now that may be another dispatcher's to decide.
-- +goose StatementBegin
CREATE FUNCTION sluice.settle_claims() RETURNS trigger LANGUAGE plpgsql SET lock_timeout = '5s' AS $$
BEGIN
    LOCK TABLE sluice.dispatchers IN EXCLUSIVE MODE;
    UPDATE sluice.dispatchers SET dispatch = dispatch + 1;
    RETURN NULL;
EXCEPTION WHEN lock_not_available THEN
    RAISE EXCEPTION 'claims have been under way for 5 s, so nothing was changed'
        USING ERRCODE = 'SL009', HINT = 'try again, or look in pg_stat_activity for what holds them up';
END $$;
-- +goose StatementEnd
CREATE CONSTRAINT TRIGGER settle_claims AFTER UPDATE ON sluice.settings
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN (OLD.shards <> NEW.shards OR (OLD.max_concurrent_workflows IS NULL) <> (NEW.max_concurrent_workflows IS NULL))
    EXECUTE FUNCTION sluice.settle_claims();
CREATE CONSTRAINT TRIGGER settle_claims AFTER UPDATE ON sluice.workspaces
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (OLD.cohort IS DISTINCT FROM NEW.cohort) EXECUTE FUNCTION sluice.settle_claims();

-- ---------------------------------------------------------------- whom a bell wakes

-- Only if the dispatcher it is for is parked: NOTIFY serialises commits, and with several dispatchers one often is. A
-- changed limit is news for all of them, and so is everything while they share a limit.
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION sluice.notify_parked() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    n     integer;
    owner integer;
BEGIN
    IF NOT EXISTS (SELECT FROM sluice.parked) THEN
        RETURN NULL;
    END IF;
    SELECT s.shards INTO n FROM sluice.settings s WHERE s.max_concurrent_workflows IS NULL;
    IF NEW.limits OR coalesce(n, 1) = 1 THEN
        PERFORM pg_notify('sluice_doorbell', '');
        RETURN NULL;
    END IF;
    owner := sluice.shard_of(NEW.workspace_id, (SELECT w.cohort FROM sluice.workspaces w WHERE w.id = NEW.workspace_id), n);
    IF EXISTS (SELECT FROM sluice.parked p WHERE p.shard = owner) THEN
        PERFORM pg_notify('sluice_doorbell', owner::text);
    END IF;
    RETURN NULL;
END $$;
-- +goose StatementEnd

-- ---------------------------------------------------------------- and it is on record

-- +goose StatementBegin
CREATE OR REPLACE FUNCTION sluice.log_limit() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    actor  text := coalesce(nullif(current_setting('sluice.actor', true), ''), nullif(current_setting('application_name'), ''), session_user);
    row    jsonb := to_jsonb(NEW);
    limits jsonb := jsonb_strip_nulls(jsonb_build_object(
        'maxConcurrentWorkflows', row -> 'max_concurrent_workflows', 'nominalQuota', row -> 'nominal_quota',
        'borrowingLimit', row -> 'borrowing_limit', 'weight', row -> 'weight', 'startsPerSecond', row -> 'starts_per_second',
        'burst', row -> 'burst', 'cohort', row -> 'cohort', 'ageingStep', row -> 'ageing_step', 'shards', row -> 'shards'));
BEGIN
    IF TG_TABLE_NAME = 'tiers' THEN
        INSERT INTO sluice.activity_log (actor, action, details) VALUES (actor, 'tier-changed', limits || jsonb_build_object('plan', NEW.plan));
    ELSIF TG_TABLE_NAME = 'settings' THEN
        INSERT INTO sluice.activity_log (actor, action, details) VALUES (actor, 'settings-changed', limits);
    ELSIF TG_OP = 'INSERT' THEN
        INSERT INTO sluice.activity_log (actor, action, workspace_id, details)
            VALUES (actor, 'workspace-created', NEW.id, limits || jsonb_build_object('name', NEW.name, 'plan', NEW.plan));
    ELSE
        INSERT INTO sluice.activity_log (actor, action, workspace_id, details)
            VALUES (actor, CASE WHEN OLD.plan = NEW.plan THEN 'limits-changed' ELSE 'plan-changed' END, NEW.id,
                    limits || jsonb_build_object('plan', NEW.plan));
    END IF;
    RETURN NULL;
END $$;
-- +goose StatementEnd
DROP TRIGGER log_changed ON sluice.settings;
CREATE CONSTRAINT TRIGGER log_changed AFTER UPDATE ON sluice.settings
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN ((OLD.max_concurrent_workflows, OLD.ageing_step, OLD.shards) IS DISTINCT FROM (NEW.max_concurrent_workflows, NEW.ageing_step, NEW.shards))
    EXECUTE FUNCTION sluice.log_limit();

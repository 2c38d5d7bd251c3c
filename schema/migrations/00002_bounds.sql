-- Every value has a bound where it enters, and applications enqueue by one function, which acts as the owner of the schema.
-- The numbers are those of package internal/bounds; tests compare them.

-- +goose Up

-- ---------------------------------------------------------------- texts

-- Characters that control a terminal, turn the direction of writing, break lines, or cannot be seen.
CREATE FUNCTION sluice.hidden() RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT '[\u0001-\u001f\u007f-\u009f\u00ad\u034f\u061c\u115f-\u1160\u17b4-\u17b5\u180b-\u180f'
        '\u200b-\u200f\u2028-\u202e\u2060-\u206f\u2800\u3164\ufeff\uffa0\ufff0-\ufffb'
        '\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]'
$$;

-- Whether something may be called so: 1 to 200 characters that can be seen, without blanks around them.
CREATE FUNCTION sluice.is_name(name text) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT char_length(name) BETWEEN 1 AND 200 AND name !~ sluice.hidden()
       AND name !~ '^[ \u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]|[ \u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]$'
$$;

-- What is there already and would be refused now is kept under a name that is its own: what can be seen of the old one, and its id.
CREATE FUNCTION sluice.renamed(name text, id uuid) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN sluice.is_name(n.shown) THEN n.shown || ' ' || id ELSE id::text END
    FROM (SELECT btrim(left(regexp_replace(name, sluice.hidden(), ' ', 'g'), 150))) AS n (shown)
$$;
UPDATE sluice.workspaces w SET name = sluice.renamed(w.name, w.id) WHERE NOT sluice.is_name(w.name);
UPDATE sluice.workflow_definitions d SET name = sluice.renamed(d.name, d.id) WHERE NOT sluice.is_name(d.name);
DROP FUNCTION sluice.renamed(text, uuid);
UPDATE sluice.tiers SET starts_per_second = 0.000001 WHERE starts_per_second < 0.000001;
UPDATE sluice.workspaces SET starts_per_second = 0.000001 WHERE starts_per_second < 0.000001;
UPDATE sluice.pending SET enqueued_by = left(enqueued_by, 200), trigger_type = left(trigger_type, 200)
    WHERE char_length(enqueued_by) > 200 OR char_length(trigger_type) > 200;
UPDATE sluice.running SET enqueued_by = left(enqueued_by, 200), trigger_type = left(trigger_type, 200)
    WHERE char_length(enqueued_by) > 200 OR char_length(trigger_type) > 200;
-- Inputs that are larger as they are printed than as they were written: their items find them apart, and move without them.
WITH large AS (
    SELECT p.id, p.input FROM sluice.pending p WHERE octet_length(p.input::text) > 262144
    UNION ALL
    SELECT r.id, r.input FROM sluice.running r WHERE octet_length(r.input::text) > 262144
), apart AS (
    INSERT INTO sluice.inputs (id, input) SELECT l.id, l.input FROM large l ON CONFLICT DO NOTHING
), pending AS (
    UPDATE sluice.pending p SET input = NULL FROM large l WHERE p.id = l.id
)
UPDATE sluice.running r SET input = NULL FROM large l WHERE r.id = l.id;

SET CONSTRAINTS ALL IMMEDIATE; -- a table whose triggers are still to run cannot be altered
SET CONSTRAINTS ALL DEFERRED;

-- ---------------------------------------------------------------- checks

ALTER TABLE sluice.workspaces
    ADD CONSTRAINT workspaces_named CHECK (sluice.is_name(name)),
    ADD CONSTRAINT workspaces_rate CHECK (starts_per_second >= 0.000001);
ALTER TABLE sluice.tiers ADD CONSTRAINT tiers_rate CHECK (starts_per_second >= 0.000001);
ALTER TABLE sluice.workflow_definitions ADD CONSTRAINT workflow_definitions_named CHECK (sluice.is_name(name));
-- Versions are immutable, and large tables are not read under a lock: these hold for new rows.
ALTER TABLE sluice.workflow_definition_versions
    ADD CONSTRAINT workflow_definition_versions_bounded CHECK (octet_length(workflow::text) <= 524288 AND sluice.is_name(workflow ->> 'name') IS NOT FALSE) NOT VALID;
ALTER TABLE sluice.inputs ADD CONSTRAINT inputs_bounded CHECK (octet_length(input::text) <= 262144) NOT VALID;
ALTER TABLE sluice.unique_keys ADD CONSTRAINT unique_keys_bounded CHECK (octet_length(unique_key) BETWEEN 1 AND 512) NOT VALID;
ALTER TABLE sluice.pending ADD CONSTRAINT pending_bounded CHECK (
    char_length(enqueued_by) <= 200 AND char_length(trigger_type) <= 200 AND octet_length(input::text) <= 262144) NOT VALID;

-- ---------------------------------------------------------------- enqueue

-- The one way in for items of any kind, whose input the caller has measured. Answers {queueId, status, message}.
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION sluice.enqueue_item(
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
    enqueued_by := coalesce(nullif(enqueued_by, ''), nullif(current_setting('application_name'), ''), session_user);
    trigger_type := coalesce(nullif(trigger_type, ''), 'FUNCTION');
    IF char_length(enqueued_by) > 200 OR enqueued_by ~ sluice.hidden() THEN
        RAISE EXCEPTION 'enqueued_by must have at most 200 characters that can be seen, not % such as %', char_length(enqueued_by), to_json(left(enqueued_by, 40))
            USING ERRCODE = 'SL011';
    END IF;
    IF char_length(trigger_type) > 200 OR trigger_type ~ sluice.hidden() THEN
        RAISE EXCEPTION 'trigger_type must have at most 200 characters that can be seen, not % such as %', char_length(trigger_type), to_json(left(trigger_type, 40))
            USING ERRCODE = 'SL011';
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
                    'message', 'Already enqueued under this unique key; this is the first item.'
                        || CASE WHEN state.ended_at IS NULL THEN '' ELSE ' It has ended as ' || state.status
                            || ' and still holds the key: nothing was enqueued. To let the key go: sluice.release_key, or starter release-key.' END);
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
        VALUES (item, workspace_id, definition_id, priority, due, expires_at, unique_key, trigger_type, enqueued_by, CASE WHEN NOT large THEN input END);
    RETURN jsonb_build_object('queueId', item, 'status', 'QUEUED',
        'message', 'Workflow execution queued. Will start when capacity is available.');
END $$;
-- +goose StatementEnd

-- What applications in any language call, with no other right than to call it. Errors: SL001 to SL007, SL011. A priority of the
-- wrong size is refused by its own code too, so it is not an integer.
DROP FUNCTION sluice.enqueue(uuid, uuid, jsonb, integer, timestamptz, text, timestamptz, text, text, interval);
-- +goose StatementBegin
CREATE FUNCTION sluice.enqueue(
    workspace_id uuid, definition_id uuid, input jsonb DEFAULT '{}', priority bigint DEFAULT 3, available_at timestamptz DEFAULT NULL,
    unique_key text DEFAULT NULL, expires_at timestamptz DEFAULT NULL, enqueued_by text DEFAULT NULL, trigger_type text DEFAULT 'FUNCTION',
    unique_for interval DEFAULT NULL
) RETURNS jsonb LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    printed text := input::text;
    bytes   integer := octet_length(printed);
BEGIN
    IF bytes > 262144 THEN
        RAISE EXCEPTION 'input has % bytes, at most 262144 (256 KiB) are allowed', bytes
            USING ERRCODE = 'SL004', HINT = 'store large data elsewhere and pass a reference';
    END IF;
    -- So many levels take that many bytes, and brackets; whether they are nested is dear to find out.
    IF bytes > 1000 AND bytes - octet_length(replace(replace(printed, '{', ''), '[', '')) > 500
        AND input @? 'strict $.**{500} ? (@.type() == "object" || @.type() == "array")' THEN
        RAISE EXCEPTION 'input is nested deeper than 500 levels' USING ERRCODE = 'SL004', HINT = 'flatten it, or pass it as text';
    END IF;
    IF priority NOT BETWEEN 1 AND 5 THEN
        RAISE EXCEPTION 'priority must be 1 (first) to 5 (last), not %', priority USING ERRCODE = 'SL005';
    END IF;
    RETURN sluice.enqueue_item(workspace_id, definition_id, coalesce(input, '{}'), coalesce(priority, 3)::integer, available_at,
        unique_key, expires_at, enqueued_by, trigger_type, unique_for, coalesce(bytes, 0) > 2000);
END $$;
-- +goose StatementEnd

-- Lets the unique key of a workspace go whose item has ended, so that the next enqueue under it makes an item. Answers with the item that
-- held it and what has become of it, or with NULL for both where nothing held it.
-- +goose StatementBegin
CREATE FUNCTION sluice.release_key(workspace_id uuid, unique_key text, released_by text DEFAULT NULL)
RETURNS jsonb LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
    first sluice.unique_keys;
    state record;
BEGIN
    IF NOT EXISTS (SELECT FROM sluice.workspaces w WHERE w.id = workspace_id) THEN
        RAISE EXCEPTION 'unknown workspace %', coalesce(workspace_id::text, 'NULL')
            USING ERRCODE = 'SL001', HINT = 'look its id up in sluice.workspaces';
    ELSIF unique_key IS NULL OR octet_length(unique_key) NOT BETWEEN 1 AND 512 THEN
        RAISE EXCEPTION 'unique_key must have 1 to 512 bytes, not %', coalesce(octet_length(unique_key)::text, 'NULL') USING ERRCODE = 'SL007';
    END IF;
    released_by := coalesce(nullif(released_by, ''), nullif(current_setting('application_name'), ''), session_user);
    IF char_length(released_by) > 200 OR released_by ~ sluice.hidden() THEN
        RAISE EXCEPTION 'released_by must have at most 200 characters that can be seen, not % such as %', char_length(released_by), to_json(left(released_by, 40))
            USING ERRCODE = 'SL011';
    END IF;
    -- An enqueue or a retry that is about to take the key holds its row; what it has done is seen by the statements after this one.
    SELECT k.* INTO first FROM sluice.unique_keys k
        WHERE k.workspace_id = release_key.workspace_id AND k.unique_key = release_key.unique_key FOR UPDATE;
    IF NOT FOUND THEN
        RETURN jsonb_build_object('queueId', NULL, 'status', NULL, 'message', 'No item holds this unique key.');
    END IF;
    SELECT w.* INTO state FROM sluice.whereabouts(first.queue_id) w;
    IF state.status IN ('QUEUED', 'CLAIMED', 'RUNNING') THEN
        RAISE EXCEPTION 'the unique key is that of item %, which is %', first.queue_id, state.status
            USING ERRCODE = 'SL012', HINT = 'wait for its end, or cancel it: a key stands for one item at a time';
    END IF;
    DELETE FROM sluice.unique_keys k WHERE k.workspace_id = release_key.workspace_id AND k.unique_key = release_key.unique_key;
    INSERT INTO sluice.activity_log (actor, action, workspace_id, queue_id, details)
        VALUES (released_by, 'key-released', workspace_id, first.queue_id, jsonb_build_object('uniqueKey', unique_key));
    RETURN jsonb_build_object('queueId', first.queue_id, 'status', state.status,
        'message', 'The unique key is free: the next enqueue under it makes a new item.');
END $$;
-- +goose StatementEnd

-- ---------------------------------------------------------------- the grant for applications

-- Before version 18 a deferred trigger runs as whoever commits: an application that may only call a function.
ALTER FUNCTION sluice.wake_listeners() SECURITY DEFINER;
ALTER FUNCTION sluice.wake_listeners() SET search_path = pg_catalog, pg_temp;
REVOKE EXECUTE ON FUNCTION sluice.enqueue(uuid, uuid, jsonb, bigint, timestamptz, text, timestamptz, text, text, interval),
    sluice.release_key(uuid, text, text), sluice.wake_listeners() FROM PUBLIC;

-- Who could enqueue before still can.
-- +goose StatementBegin
DO $$
DECLARE
    may text;
BEGIN
    FOR may IN
        SELECT CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END
        FROM pg_class c CROSS JOIN LATERAL aclexplode(c.relacl) AS a
        WHERE c.oid = 'sluice.pending'::regclass AND a.privilege_type = 'INSERT' AND a.grantee <> c.relowner
    LOOP
        EXECUTE 'GRANT EXECUTE ON FUNCTION sluice.enqueue(uuid, uuid, jsonb, bigint, timestamptz, text, timestamptz, text, text, interval), '
             || 'sluice.release_key(uuid, text, text) TO ' || may;
    END LOOP;
END $$;
-- +goose StatementEnd

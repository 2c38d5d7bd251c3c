-- Gives a workspace that has no key one, and logs it; no row if it has one by now.
WITH given AS (
    UPDATE sluice.workspaces w SET external_key = :'key'::text, updated_at = now()
    WHERE w.id = :'workspace'::uuid AND w.external_key IS NULL
    RETURNING w.id, w.name, w.plan, w.external_key
), logged AS (
    INSERT INTO sluice.activity_log (actor, action, workspace_id, details)
    SELECT coalesce(nullif(current_setting('sluice.actor', true), ''), session_user), 'external-key-changed', g.id, jsonb_build_object('externalKey', g.external_key)
    FROM given g
)
SELECT g.* FROM given g;

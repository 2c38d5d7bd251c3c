-- Records a token, and that it was made.
WITH t AS (
    INSERT INTO sluice.api_tokens (name, hash, role, workspace_id, sees_payloads, created_by, expires_at)
    VALUES (:'name'::text, :'hash'::bytea, :'role'::text, :'workspace'::uuid, :'payloads'::boolean, :'actor'::text, :'expires_at'::timestamptz)
    RETURNING *
), logged AS (
    INSERT INTO sluice.activity_log (actor, action, workspace_id, details)
    SELECT :'actor'::text, 'token-created', t.workspace_id, jsonb_build_object('token', t.id, 'name', t.name, 'role', t.role) FROM t
)
SELECT t.id, t.name, t.role, t.workspace_id, t.sees_payloads, t.created_at, t.created_by, t.expires_at, t.revoked_at, t.revoked_by, t.last_used_at
FROM t;

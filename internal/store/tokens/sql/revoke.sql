-- Revokes a token, and records who has done it. One that was revoked before stays as it was.
WITH revoked AS (
    UPDATE sluice.api_tokens t SET revoked_at = now(), revoked_by = :'actor'::text
    WHERE t.id = :'id'::uuid AND t.revoked_at IS NULL
    RETURNING *
), logged AS (
    INSERT INTO sluice.activity_log (actor, action, workspace_id, details)
    SELECT :'actor'::text, 'token-revoked', t.workspace_id, jsonb_build_object('token', t.id, 'name', t.name, 'role', t.role) FROM revoked t
)
SELECT t.id, t.name, t.role, t.workspace_id, t.sees_payloads, t.created_at, t.created_by, t.expires_at, t.revoked_at, t.revoked_by, t.last_used_at
FROM revoked t
UNION ALL
SELECT t.id, t.name, t.role, t.workspace_id, t.sees_payloads, t.created_at, t.created_by, t.expires_at, t.revoked_at, t.revoked_by, t.last_used_at
FROM sluice.api_tokens t WHERE t.id = :'id'::uuid AND NOT EXISTS (SELECT FROM revoked);

-- All tokens there ever were, newest first.
SELECT t.id, t.name, t.role, t.workspace_id, t.sees_payloads, t.created_at, t.created_by, t.expires_at, t.revoked_at, t.revoked_by, t.last_used_at
FROM sluice.api_tokens t ORDER BY t.created_at DESC, t.id;

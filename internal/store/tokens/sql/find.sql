-- The token of this hash, if it is good.
SELECT t.id, t.name, t.role, t.workspace_id, t.sees_payloads, t.expires_at, t.hash
FROM sluice.api_tokens t
WHERE t.hash = :'hash'::bytea AND t.revoked_at IS NULL AND (t.expires_at IS NULL OR t.expires_at > now())
  AND (t.role <> 'workspace' OR t.workspace_id IS NOT NULL);

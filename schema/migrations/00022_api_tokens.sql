-- Who may use the HTTP API.

-- +goose Up

-- Of a token only its hash is stored: what is read here opens nothing. Rows stay when a token is revoked or its workspace is deleted. As
-- soon as there is one, the API answers nobody without a token, so the last one that goes opens nothing either.
CREATE TABLE sluice.api_tokens (
    id            uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    name          text NOT NULL CHECK (char_length(name) BETWEEN 1 AND 100),
    hash          bytea NOT NULL UNIQUE CHECK (octet_length(hash) = 32),
    role          text NOT NULL CHECK (role IN ('operator-read', 'operator-write', 'workspace')),
    workspace_id  uuid REFERENCES sluice.workspaces (id) ON DELETE SET NULL CHECK (workspace_id IS NULL OR role = 'workspace'),
    sees_payloads boolean NOT NULL,
    created_at    timestamptz NOT NULL DEFAULT now(),
    created_by    text NOT NULL CHECK (char_length(created_by) <= 200),
    expires_at    timestamptz CHECK (isfinite(expires_at)),
    revoked_at    timestamptz,
    revoked_by    text CHECK (char_length(revoked_by) <= 200),
    last_used_at  timestamptz
);
CREATE INDEX api_tokens_workspace ON sluice.api_tokens (workspace_id) WHERE workspace_id IS NOT NULL;
COMMENT ON TABLE sluice.api_tokens IS 'Who may use the HTTP API; change it with: starter token create, starter token revoke.';
COMMENT ON COLUMN sluice.api_tokens.hash IS 'SHA-256 of the token.';
COMMENT ON COLUMN sluice.api_tokens.workspace_id IS 'The only one that a token of role workspace sees and touches; NULL there: it was deleted, and the token is good for nothing.';
COMMENT ON COLUMN sluice.api_tokens.sees_payloads IS 'Whether answers have inputs and results.';
COMMENT ON COLUMN sluice.api_tokens.last_used_at IS 'To some minutes.';

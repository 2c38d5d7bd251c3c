-- A dispatcher that remembers the backlog between its cycles reads again only what has changed. So a bell tells what has:
-- items that arrived and when the first of them is available, a slot that became free, or a limit.

-- +goose Up

ALTER TABLE sluice.doorbell
    ADD COLUMN available_at timestamptz,
    ADD COLUMN limits       boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN sluice.doorbell.available_at IS 'When the first of the items that arrived is available; NULL: it is not about items.';
COMMENT ON COLUMN sluice.doorbell.limits IS 'A limit has changed. Neither this nor an item: a slot became free, or was taken by recovery.';

-- Items that are due and items that are scheduled ring apart: both moments count.
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION sluice.ring() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO sluice.doorbell (workspace_id, available_at)
        SELECT workspace_id, min(available_at) FROM arrived GROUP BY workspace_id, available_at > now();
    RETURN NULL;
END $$;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE OR REPLACE FUNCTION sluice.ring_limits() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO sluice.doorbell (workspace_id, limits)
        VALUES (coalesce((to_jsonb(NEW) ->> 'id')::uuid, '00000000-0000-0000-0000-000000000000'), true);
    RETURN NULL;
END $$;
-- +goose StatementEnd

-- Its quota is its cohort's.
CREATE TRIGGER ring_joined AFTER INSERT ON sluice.workspaces FOR EACH ROW WHEN (NEW.cohort IS NOT NULL) EXECUTE FUNCTION sluice.ring_limits();

-- How many claims were ever accepted, in all epochs: whoever remembers another number has missed one.
ALTER TABLE sluice.dispatchers ADD COLUMN claims bigint NOT NULL DEFAULT 0;

-- What keeps an execution from going on, and when somebody has asked it to cancel.

-- +goose Up
ALTER TABLE sluice.running ADD COLUMN unserved text, ADD COLUMN cancel_asked_at timestamptz;
COMMENT ON COLUMN sluice.running.unserved_since IS 'Since when no worker takes its workflow task or completes it, or that of one of its children; NULL: all is well.';
COMMENT ON COLUMN sluice.running.unserved IS 'Whose workflow task that is, and with what error it fails.';
COMMENT ON COLUMN sluice.running.cancel_asked_at IS 'When it was first asked to cancel; recovery terminates what is still open a while later.';

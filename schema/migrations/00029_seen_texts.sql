-- What is said of a pause or of a limit for a time is shown to others, in terminals too: it has characters that can be seen, as names have.
-- A type is of one line, a reason may have several. A pause has a beginning that can be shown. Rows that are there already stay until they are resumed or end.

-- +goose Up

ALTER TABLE sluice.pauses
    ADD CONSTRAINT pauses_type_seen CHECK (workflow_type !~ sluice.hidden()) NOT VALID,
    ADD CONSTRAINT pauses_reason_seen CHECK (translate(reason, E'\n\t', '  ') !~ sluice.hidden()) NOT VALID,
    ADD CONSTRAINT pauses_since_finite CHECK (isfinite(since)) NOT VALID;
ALTER TABLE sluice.temporary_limits
    ADD CONSTRAINT temporary_limits_reason_seen CHECK (translate(reason, E'\n\t', '  ') !~ sluice.hidden()) NOT VALID;

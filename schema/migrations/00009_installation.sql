-- A database and a Temporal namespace belong together: the executions that hold slots here run there.

-- +goose Up

-- Which namespace that is; its dispatcher carries the id of this row. NULL: none yet. The id is made by the pairing, or all
-- databases that were made from one template would have the same.
CREATE TABLE sluice.installation (
    one          boolean PRIMARY KEY DEFAULT true CHECK (one),
    id           uuid,
    namespace    text CHECK (octet_length(namespace) BETWEEN 1 AND 1000),
    namespace_id text CHECK (octet_length(namespace_id) BETWEEN 1 AND 1000),
    paired_at    timestamptz,
    CHECK (num_nulls(id, namespace, namespace_id) IN (0, 3))
);
COMMENT ON TABLE sluice.installation IS 'The Temporal namespace that this database belongs to; change it with: starter start --move.';
COMMENT ON COLUMN sluice.installation.namespace_id IS 'Tells namespaces of the same name in different clusters apart.';
INSERT INTO sluice.installation DEFAULT VALUES;

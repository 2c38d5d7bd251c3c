-- The hosts that a workspace's http nodes may call.

-- +goose Up

ALTER TABLE sluice.workspaces ADD COLUMN allowed_hosts text[]
    CONSTRAINT workspaces_allowed_hosts CHECK (allowed_hosts IS NULL OR
        cardinality(allowed_hosts) BETWEEN 1 AND 100 AND array_ndims(allowed_hosts) = 1 AND array_position(allowed_hosts, NULL) IS NULL AND
        cardinality(string_to_array(array_to_string(allowed_hosts, ' '), ' ')) = cardinality(allowed_hosts) AND -- no blank inside
        octet_length(array_to_string(allowed_hosts, ' ')) <= 30000 AND array_to_string(allowed_hosts, ' ') ~ '^[]a-z0-9_.:*[-]+( []a-z0-9_.:*[-]+)*$');
COMMENT ON COLUMN sluice.workspaces.allowed_hosts IS 'What http nodes may call: names, *. and a name, or IP addresses, each with :PORT or for all ports, in small letters; NULL: any host.';

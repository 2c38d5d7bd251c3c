-- Creates a workspace, with an id and a key of the platform's own or without.
INSERT INTO sluice.workspaces (id, name, plan, external_key)
VALUES (coalesce(:'id'::uuid, gen_random_uuid()), :'name'::text, :'plan'::text, :'key'::text) RETURNING id, name, plan, external_key;

-- Creates a workspace.
INSERT INTO sluice.workspaces (name, plan) VALUES (:'name'::text, :'plan'::text) RETURNING id, name, plan;

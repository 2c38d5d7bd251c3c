-- Tells of a worker that it hosts no workspace any more. Its types are remembered for as long as it counts as live.
UPDATE sluice.workers w SET workspaces = '{}' WHERE w.id = :'worker'::uuid;

-- The names of some definitions.
SELECT d.id, d.name FROM sluice.workflow_definitions d WHERE d.id = ANY (:'definitions'::uuid[]);

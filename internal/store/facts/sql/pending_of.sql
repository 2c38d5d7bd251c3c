-- Those of these items that are pending.
SELECT p.id, p.workspace_id FROM sluice.pending p WHERE p.id = ANY (:'ids'::uuid[]);

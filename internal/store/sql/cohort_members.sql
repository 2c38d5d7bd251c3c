-- The workspaces that are in a cohort: what one of them may use depends on all of them, with a backlog or not.
SELECT w.id FROM sluice.workspaces w WHERE w.cohort IS NOT NULL;

-- The workspaces of some cohorts.
SELECT w.id FROM sluice.workspaces w WHERE w.cohort = ANY (:'cohorts'::text[]);

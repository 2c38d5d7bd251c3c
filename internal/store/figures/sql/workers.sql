-- The processes that host workspaces and were seen within the hour, those that live first: by the time of the transaction, which shows
-- them as they were then, however long it takes.
SELECT w.id, w.identity, w.workflow_types, w.any_workflow, cardinality(w.workspaces) AS workspaces, w.started_at, w.seen_at,
       w.seen_at > now() - interval '5 seconds' AS live
FROM sluice.workers w ORDER BY live DESC, w.started_at DESC, w.id;

-- Notes that executions were asked to cancel: Recovery terminates those that are still open a while later.
UPDATE sluice.running r SET cancel_asked_at = now()
WHERE r.cancel_asked_at IS NULL AND r.id = ANY (ARRAY(SELECT o.id FROM sluice.running o WHERE o.id = ANY (:'ids'::uuid[]) ORDER BY o.id FOR UPDATE));

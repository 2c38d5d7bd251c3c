-- The executions that hold a slot.
SELECT r.id FROM sluice.running r;

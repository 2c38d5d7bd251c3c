-- The request of a workflow, where it is large.
SELECT i.request FROM sluice.inputs i WHERE i.id = :'id'::uuid;

-- Deletes a workspace with its definitions. From its commit on nothing can be enqueued for it or claimed.
DELETE FROM sluice.workspaces w WHERE w.id = :'workspace'::uuid RETURNING w.name;

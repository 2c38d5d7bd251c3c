-- Orders the changes of a workspace's definitions. It is no row if there is no such workspace.
SELECT w.id FROM sluice.workspaces w WHERE w.id = :'workspace'::uuid FOR NO KEY UPDATE;

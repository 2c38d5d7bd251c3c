-- Has others who look for a workspace by its name, to create it if there is none, wait for the end of the transaction. Nobody else waits for
-- this lock, and only those who may change workspaces can take it.
LOCK TABLE sluice.workspaces IN SHARE UPDATE EXCLUSIVE MODE;

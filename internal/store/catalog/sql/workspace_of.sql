-- The id of the workspace that is known by this key, which may be its id. It is created where the settings allow that.
SELECT sluice.workspace(:'key');

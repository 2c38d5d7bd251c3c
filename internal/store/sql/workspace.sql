-- The id of the workspace that a platform knows by a key, or whose id that is. It is created where that is allowed.
SELECT sluice.workspace(:'key'::text);

-- Whether the role may write what waits, or can only have a function do it.
SELECT has_table_privilege('sluice.pending', 'INSERT');

-- For the rest of the transaction: do not wait for the disk at the commit. What is lost in a crash is found out again.
SELECT set_config('synchronous_commit', 'off', true);

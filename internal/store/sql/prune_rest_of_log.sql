-- Deletes what lies behind the retention of the log that was written while there was no partition.
DELETE FROM sluice.activity_log_rest l WHERE l.ctid = ANY (ARRAY(
    SELECT r.ctid FROM sluice.activity_log_rest r CROSS JOIN sluice.settings s
    WHERE s.retention > '0' AND r.at <= now() - s.retention LIMIT :'most'::int));

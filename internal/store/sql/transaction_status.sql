-- What has become of a transaction: committed, aborted, in progress, or NULL where it is so old that nobody knows.
SELECT pg_xact_status(:'id'::text::xid8);

-- Has others who look for a workspace of this name, to create it if there is none, wait for the end of the transaction.
SELECT pg_advisory_xact_lock(5358, hashtext(:'name'::text));

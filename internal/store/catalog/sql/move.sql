-- Gives the database to another namespace. With another id, what works for the former one does not work for this one. There
-- is no row in the answer if executions hold slots that are not to be abandoned.
UPDATE sluice.installation
SET id = gen_random_uuid(), namespace = :'namespace'::text, namespace_id = :'namespace_id'::text, paired_at = now()
WHERE :'abandon'::boolean OR NOT EXISTS (SELECT FROM sluice.running)
RETURNING id;

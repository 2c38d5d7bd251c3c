-- Notes the namespace that the database belongs to, if it has none.
UPDATE sluice.installation SET id = gen_random_uuid(), namespace = :'namespace'::text, namespace_id = :'namespace_id'::text, paired_at = now()
WHERE namespace_id IS NULL;

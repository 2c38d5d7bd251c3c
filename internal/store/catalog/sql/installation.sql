-- Which namespace the database belongs to, and how many executions hold a slot.
SELECT coalesce(i.id, '00000000-0000-0000-0000-000000000000') AS id, current_database() AS database, coalesce(i.namespace, '') AS namespace, coalesce(i.namespace_id, '') AS namespace_id,
       (SELECT count(*)::int FROM sluice.running) AS running
FROM sluice.installation i;

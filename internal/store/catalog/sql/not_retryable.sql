-- Of items that cannot all be retried: what each of them is, in the order given. The holder is the item that its unique key
-- belongs to; of several among them, the last. LIMIT has each be looked up by its id.
SELECT n.id, q.status, x.status AS execution_status, q.expires_at, (q.expires_at <= now()) IS TRUE AS over,
       CASE WHEN q.unique_key IS NOT NULL THEN
           coalesce(k.queue_id, first_value(n.id) OVER (PARTITION BY q.workspace_id, q.unique_key ORDER BY n.id DESC)) END AS holder
FROM unnest(:'ids'::uuid[]) WITH ORDINALITY AS n (id, place)
LEFT JOIN LATERAL (SELECT * FROM sluice.queue_items q WHERE q.id = n.id LIMIT 1) AS q ON true
LEFT JOIN LATERAL (SELECT * FROM sluice.executions x WHERE x.id = q.execution_id LIMIT 1) AS x ON true
LEFT JOIN sluice.unique_keys k ON k.workspace_id = q.workspace_id AND k.unique_key = q.unique_key
ORDER BY n.place;

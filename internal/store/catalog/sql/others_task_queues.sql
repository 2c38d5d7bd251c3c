-- Those of some task queues that are another workspace's than this one's.
SELECT named.queue FROM unnest(:'queues'::text[]) AS named (queue) CROSS JOIN sluice.settings s
WHERE sluice.of_another(named.queue, :'workspace'::uuid, s.task_queue);

-- Executions that were given a slot back since a time, with all earlier times that they were.
SELECT l.queue_id AS id, l.at, (l.details ->> 'completedAt')::timestamptz AS before FROM sluice.activity_log l
WHERE l.action = 'reopened' AND l.queue_id IN (
    SELECT n.queue_id FROM sluice.activity_log n WHERE n.action = 'reopened' AND n.at >= coalesce(:'since'::timestamptz, '-infinity'));

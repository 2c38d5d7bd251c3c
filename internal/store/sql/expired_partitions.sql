-- The partitions all of which lies behind the retention, oldest first.
SELECT p.name, p.parent, p.from_at, p.to_at FROM sluice.partitions p CROSS JOIN sluice.settings s
WHERE s.retention > '0' AND p.to_at <= now() - s.retention
ORDER BY p.to_at, p.name;

-- When pending items start.
SELECT x.id, x.start_after, x.start_before, x.why, x.estimated_at FROM sluice.estimated_starts x WHERE x.id = ANY (:'ids'::uuid[]);

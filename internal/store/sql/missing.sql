-- Of items that a claim did not get: those that are still there, and whether their time is over. The others are gone.
SELECT p.id, (p.expires_at <= now()) IS TRUE AS expired, p.priority, p.available_at FROM sluice.pending p WHERE p.id = ANY (:'ids'::uuid[]);

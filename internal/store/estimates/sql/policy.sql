-- What the policy goes by, and the longest execution of late, in seconds.
SELECT s.ageing_step, s.fairness = 'slot-time' AS slot_time, coalesce((SELECT max(c.longest) FROM sluice.clocks c WHERE c.cohort = ''), 0) AS longest
FROM sluice.settings s;

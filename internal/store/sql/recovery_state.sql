-- Where recovery stands.
SELECT (SELECT s.looked_at FROM sluice.recovery s) AS looked_until,
       count(*) FILTER (WHERE r.dispatched_at IS NOT NULL AND r.checked_at < now() - :'age'::interval) AS due,
       count(r.unserved_since) AS unserved,
       array_agg(r.id) FILTER (WHERE r.cancel_asked_at < now() - :'patience'::interval) AS overdue
FROM sluice.running r;

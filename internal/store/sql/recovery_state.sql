-- Where recovery stands. A clock that was ahead leaves times in the future: a check of then does not count, and a cancel that was asked for then
-- counts as asked for long ago. A workflow of a caller's own that was asked to cancel is overdue only once no worker has carried it on for as
-- long: it may take its time to clean up.
SELECT (SELECT s.looked_at FROM sluice.recovery s) AS looked_until,
       count(*) FILTER (WHERE r.dispatched_at IS NOT NULL AND (r.checked_at < now() - :'age'::interval OR r.checked_at > now() + interval '1 minute')) AS due,
       count(r.unserved_since) AS unserved,
       array_agg(r.id) FILTER (WHERE (r.cancel_asked_at < now() - :'patience'::interval OR r.cancel_asked_at > now() + interval '1 minute')
           AND (r.workflow_type IS NULL OR r.unserved_since < now() - :'patience'::interval OR r.unserved_since > now() + interval '1 minute')) AS overdue
FROM sluice.running r;

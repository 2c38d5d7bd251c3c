-- Notes that an execution was asked to cancel, and returns since when it has been.
UPDATE sluice.running r SET cancel_asked_at = coalesce(r.cancel_asked_at, now()) WHERE r.id = :'id'::uuid
RETURNING r.cancel_asked_at;

-- Leaves a trace of a repair whose own statement leaves none.
INSERT INTO sluice.activity_log (actor, action, queue_id, reason) VALUES ('recovery', 'recovered', :'id'::uuid, :'reason'::text);

-- Records what leaves no other fact.
INSERT INTO sluice.activity_log (actor, action, workspace_id, queue_id, reason, details)
VALUES (:'actor'::text, :'action'::text, :'workspace'::uuid, :'item'::uuid, :'reason'::text, coalesce(:'details'::jsonb, '{}'));

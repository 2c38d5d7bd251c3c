-- Enqueues an item of any kind, and answers for it. It needs no right but to call the function.
SELECT sluice.enqueue(:'workspace'::uuid, :'definition'::uuid, :'input'::jsonb, :'priority'::int, :'available_at'::timestamptz,
    :'key'::text, :'expires_at'::timestamptz, :'actor'::text, :'trigger'::text, :'unique_for'::interval);

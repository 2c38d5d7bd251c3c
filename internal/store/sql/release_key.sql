-- Lets a unique key go whose item has ended.
SELECT sluice.release_key(:'workspace'::uuid, :'key'::text, :'actor'::text);

-- It waits no longer, unless another process waits by now.
DELETE FROM sluice.listeners WHERE shard = :'shard'::int AND token = :'token'::uuid;

-- Notes that a token has been used, to five minutes: a row that is written at each request would be a cost of its own.
UPDATE sluice.api_tokens t SET last_used_at = now()
WHERE t.id = :'id'::uuid AND (t.last_used_at IS NULL OR t.last_used_at < now() - interval '5 minutes');

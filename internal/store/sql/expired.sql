-- Pending items whose time is over. What another transaction holds is left out: it may just be claimed.
SELECT p.id FROM sluice.pending p WHERE p.expires_at <= now() ORDER BY p.expires_at LIMIT :'most'::int FOR UPDATE SKIP LOCKED;

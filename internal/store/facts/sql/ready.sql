-- How many items are ready, counted up to a number.
SELECT count(*) FROM (SELECT FROM sluice.pending p WHERE p.available_at <= now() LIMIT :'most'::int) AS ready;

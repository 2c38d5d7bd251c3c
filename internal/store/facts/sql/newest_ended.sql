-- The newest items before an id that have ended, whatever their workspace and outcome, at most so many.
SELECT e.id FROM sluice.ended e WHERE e.id < :'before'::uuid AND e.ended_at >= :'since'::timestamptz ORDER BY e.id DESC LIMIT :'most'::int;

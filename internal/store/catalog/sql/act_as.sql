-- For the rest of the transaction: says who acts, for the triggers that write down changes of limits.
SELECT set_config('sluice.actor', :'actor'::text, true);

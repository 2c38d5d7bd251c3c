-- For the rest of the transaction: says why, for the trigger that writes down who has resumed what.
SELECT set_config('sluice.reason', :'reason'::text, true);

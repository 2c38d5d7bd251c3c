-- By which the transaction can be asked for later.
SELECT pg_current_xact_id()::text;

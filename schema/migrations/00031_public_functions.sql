-- What a function of the schema may do is for the tables to say, as long as it acts as its caller: checks, views and statements of every role
-- call such functions. A database may give new functions to nobody (ALTER DEFAULT PRIVILEGES ... REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC). Those
-- that act as the owner of the schema stay with those to whom they are granted.

-- +goose Up

-- +goose StatementBegin
DO $$
DECLARE
    f regprocedure;
BEGIN
    FOR f IN SELECT p.oid FROM pg_proc p WHERE p.pronamespace = 'sluice'::regnamespace AND NOT p.prosecdef LOOP
        EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO PUBLIC', f);
    END LOOP;
END $$;
-- +goose StatementEnd

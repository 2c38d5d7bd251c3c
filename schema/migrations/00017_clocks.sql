-- A client whose clock is far ahead makes no ids of items.

-- +goose Up

-- Returns true, or says that an id was made more than an hour ahead of the database's clock. Where an item has ended is looked for from
-- the time in its id on (sluice.made_at): such an item would have ended before, and be found no more.
-- +goose StatementBegin
CREATE FUNCTION sluice.check_made(id uuid) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    IF sluice.made_at(id) > clock_timestamp() THEN
        RAISE EXCEPTION 'id % was made at %, by a clock that is more than an hour ahead', id, sluice.made_at(id) + interval '1 hour'
            USING ERRCODE = 'SL015', HINT = 'set that clock, or call sluice.enqueue, which makes the id';
    END IF;
    RETURN true;
END $$;
-- +goose StatementEnd

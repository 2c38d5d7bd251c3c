-- Notes how long it took, in seconds.
UPDATE sluice.estimation SET took = make_interval(secs => :'took'::float8);

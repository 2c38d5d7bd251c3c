-- What has become of an item; no row where nothing is known of it.
SELECT w.status FROM sluice.whereabouts(:'id'::uuid) w WHERE w.status IS NOT NULL;

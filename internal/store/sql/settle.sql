-- Records that workflows exist. The ids are in order. What has ended meanwhile is not there any more.
UPDATE sluice.running r
SET dispatched_at = now(), checked_at = now(), engine_run_id = (:'runs'::text[])[width_bucket(r.id, :'ids'::uuid[])]
WHERE r.id = ANY (:'ids'::uuid[]) AND r.dispatched_at IS NULL;

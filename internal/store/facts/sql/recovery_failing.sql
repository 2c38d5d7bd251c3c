-- Since when recovery cannot do all of its work, and why.
SELECT r.failing_since AS since, coalesce(r.failing_error, '') AS error FROM sluice.recovery r WHERE r.failing_since IS NOT NULL;

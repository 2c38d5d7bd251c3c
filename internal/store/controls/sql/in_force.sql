-- What a workspace may use now, and what is guaranteed to it before that is cut down to it.
SELECT q.name, q.ceiling, coalesce(w.nominal_quota, t.nominal_quota) AS nominal, q.starts_per_second AS rate, coalesce(w.burst, t.burst) AS burst
FROM sluice.quotas q JOIN sluice.workspaces_now w ON w.id = q.workspace_id JOIN sluice.tiers t ON t.plan = q.plan
WHERE q.workspace_id = :'workspace'::uuid;

-- What is set for workspaces, by name; for all of them where none is given. NULL is left to the plan.
SELECT w.id, w.name, w.plan, w.external_key, w.max_concurrent_workflows, w.weight, w.nominal_quota, w.borrowing_limit, w.lending_limit, w.starts_per_second, w.burst, w.cohort,
       w.allowed_hosts
FROM sluice.workspaces w
WHERE cardinality(:'workspaces'::uuid[]) = 0 OR w.id = ANY (:'workspaces'::uuid[])
ORDER BY w.name, w.id;

-- The tiers, smallest first.
SELECT t.plan, t.max_concurrent_workflows, t.weight, t.nominal_quota, t.borrowing_limit, t.lending_limit, t.starts_per_second, t.burst
FROM sluice.tiers t ORDER BY t.max_concurrent_workflows, t.plan;

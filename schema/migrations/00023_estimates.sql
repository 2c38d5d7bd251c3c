-- When pending items will start: what has been worked out last, and a view that tells it of each item.

-- +goose Up

-- When the work was last begun, and how long it took: who does it next waits for a multiple of that.
CREATE TABLE sluice.estimation (
    one      boolean PRIMARY KEY DEFAULT true CHECK (one),
    began_at timestamptz NOT NULL DEFAULT '-infinity',
    took     interval NOT NULL DEFAULT '0'
);
INSERT INTO sluice.estimation DEFAULT VALUES;

-- A curve for each workspace that has items waiting or has had some of late. Item id[n], which is due at due[n] (available_at and an ageing
-- step for each step of its priority), starts between start_after[n] and start_before[n], in nine cases of ten. It begins with what waited then and goes on with what would
-- arrive within a minute.
CREATE TABLE sluice.estimates (
    workspace_id uuid PRIMARY KEY,
    made_at      timestamptz NOT NULL,
    due          timestamptz[] NOT NULL,
    id           uuid[] NOT NULL,
    start_after  timestamptz[] NOT NULL,
    start_before timestamptz[] NOT NULL,
    why          text
);
COMMENT ON COLUMN sluice.estimates.why IS 'Why nothing is known of items that are due later; NULL: none were waiting.';

CREATE VIEW sluice.estimated_starts AS
    SELECT p.id, p.workspace_id,
           CASE WHEN w.why IS NULL THEN greatest(x.start_after, p.available_at) END AS start_after,
           CASE WHEN w.why IS NULL THEN greatest(x.start_before, p.available_at + (x.start_before - x.start_after)) END AS start_before,
           w.why,
           e.made_at AS estimated_at
    FROM sluice.pending p
    CROSS JOIN sluice.settings s
    LEFT JOIN sluice.estimates e ON e.workspace_id = p.workspace_id AND e.made_at > now() - (SELECT greatest(interval '5 minutes', 150 * n.took) FROM sluice.estimation n)
    CROSS JOIN LATERAL (SELECT p.available_at + (p.priority - 1) * s.ageing_step AS due) AS i
    CROSS JOIN LATERAL (
        SELECT (SELECT count(*) FROM unnest(e.due, e.id) AS point (due, id) WHERE (point.due, point.id) <= (i.due, p.id))::int AS below, cardinality(e.due) AS n) AS at
    CROSS JOIN LATERAL (
        SELECT CASE WHEN at.below = 0 OR at.below = at.n OR p.id = e.id[at.below] THEN 0
                    WHEN e.due[at.below] = e.due[at.below + 1] THEN 0.5 -- they were enqueued together
                    ELSE extract(epoch FROM i.due - e.due[at.below]) / extract(epoch FROM e.due[at.below + 1] - e.due[at.below]) END::float8 AS part,
               least(greatest(at.below, 1), at.n) AS a, least(at.below + 1, at.n) AS b
    ) AS near
    CROSS JOIN LATERAL (
        SELECT e.start_after[near.a] + near.part * (e.start_after[near.b] - e.start_after[near.a]) AS start_after,
               e.start_before[near.a] + near.part * (e.start_before[near.b] - e.start_before[near.a]) AS start_before
    ) AS x
    CROSS JOIN LATERAL (
        SELECT CASE
            WHEN EXISTS (
                SELECT FROM sluice.pauses z
                WHERE (z.workspace_id = p.workspace_id) IS NOT FALSE AND (z.workflow_type IS NULL OR z.workflow_type = p.workflow_type)
                  AND (z.workflow_definition_id IS NULL OR z.workflow_definition_id = p.workflow_definition_id) AND (z.until > now()) IS NOT FALSE) THEN 'paused'
            WHEN e.workspace_id IS NULL THEN 'not-estimated'
            WHEN at.n = 0 OR at.below = at.n AND p.id <> e.id[at.n] THEN
                CASE WHEN p.available_at > now() THEN 'scheduled' ELSE coalesce(e.why, 'not-estimated') END
            END AS why
    ) AS w;
COMMENT ON VIEW sluice.estimated_starts IS 'When each pending item starts, in nine cases of ten; why says why that cannot be told.';

-- Who may read items may read this.
-- +goose StatementBegin
DO $$
DECLARE
    may text;
BEGIN
    FOR may IN
        SELECT CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END
        FROM pg_class c CROSS JOIN LATERAL aclexplode(c.relacl) AS a
        WHERE c.oid = 'sluice.queue_items'::regclass AND a.privilege_type = 'SELECT' AND a.grantee <> c.relowner
    LOOP
        EXECUTE 'GRANT SELECT ON sluice.estimated_starts TO ' || may;
    END LOOP;
END $$;
-- +goose StatementEnd

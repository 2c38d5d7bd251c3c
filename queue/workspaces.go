package queue

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"sluice/internal/admission"
)

// Workspace is a customer's or team's share of the system.
type Workspace struct {
	ID   uuid.UUID `json:"id"`
	Name string    `json:"name"`
	Plan string    `json:"plan"`
}

// WorkspaceLimits are what a workspace may use instead of what its plan says; what is nil is left to the plan.
type WorkspaceLimits struct {
	Workspace
	MaxConcurrentWorkflows *int     `json:"maxConcurrentWorkflows,omitempty"`
	Weight                 *int     `json:"weight,omitempty"`
	NominalQuota           *int     `json:"nominalQuota,omitempty"`
	BorrowingLimit         *int     `json:"borrowingLimit,omitempty"`
	StartsPerSecond        *float64 `json:"startsPerSecond,omitempty"`
	Burst                  *int     `json:"burst,omitempty"`
	Cohort                 *string  `json:"cohort,omitempty"` // whose members lend one another what they leave idle
}

// WorkspaceChange changes the limits that are not nil; one that is taken away is left to the plan again.
type WorkspaceChange struct {
	MaxConcurrentWorkflows *Change[int]
	Weight                 *Change[int]
	NominalQuota           *Change[int]
	BorrowingLimit         *Change[int]
	StartsPerSecond        *Change[float64]
	Burst                  *Change[int]
	Cohort                 *Change[string]
}

// WorkspaceUsage is a workspace with what it waits for and what it uses.
type WorkspaceUsage struct {
	ID         uuid.UUID `json:"id"`
	Name       string    `json:"name"`
	Plan       string    `json:"plan"`
	Pending    int       `json:"pending"`
	Running    int       `json:"running"` // slots held
	Limit      int       `json:"limit"`
	Done       int       `json:"done"`               // executions ended, whatever their outcome
	LongestMS  int64     `json:"longestWaitMs"`      // age of the oldest ready item
	Reason     *string   `json:"reason,omitempty"`   // why its ready items wait, or its executions
	Unserved   int       `json:"unserved,omitempty"` // executions whose workflow task no worker takes
	Refused    int       `json:"refused,omitempty"`  // FAILED, CANCELLED or EXPIRED items
	NotSuccess int       `json:"failed,omitempty"`   // executions that did not complete
	Shard      int       `json:"shard,omitempty"`    // whose dispatcher decides for it
}

// CreateWorkspace creates a workspace on a plan. ErrUnknownPlan says that there is no such tier.
func (q *Queue) CreateWorkspace(ctx context.Context, name, plan, actor string) (Workspace, error) {
	w := Workspace{ID: uuid.Must(uuid.NewV7()), Name: strings.TrimSpace(name), Plan: strings.ToUpper(plan)}
	if w.Name == "" {
		return w, invalid("a workspace needs a name")
	}
	err := pgx.BeginFunc(ctx, q.pool, func(tx pgx.Tx) error {
		if err := actAs(ctx, tx, actor); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `INSERT INTO sluice.workspaces (id, name, plan) VALUES ($1, $2, $3)`, w.ID, w.Name, w.Plan)
		return err
	})
	return w, wrap(q.unknownPlan(ctx, err, w.Plan), "create workspace")
}

// SetPlan moves a workspace to another plan, from the next cycle on.
func (q *Queue) SetPlan(ctx context.Context, id uuid.UUID, plan, actor string) (Workspace, error) {
	w := Workspace{ID: id, Plan: strings.ToUpper(plan)}
	err := pgx.BeginFunc(ctx, q.pool, func(tx pgx.Tx) error {
		if err := actAs(ctx, tx, actor); err != nil {
			return err
		}
		err := tx.QueryRow(ctx, `UPDATE sluice.workspaces SET plan = $2, updated_at = now() WHERE id = $1 RETURNING name`, id, w.Plan).Scan(&w.Name)
		if errors.Is(err, pgx.ErrNoRows) {
			return unknownWorkspace(id)
		}
		return err
	})
	return w, wrap(q.unknownPlan(ctx, err, w.Plan), "set plan")
}

// SetWorkspace changes what one workspace may use, from the next claim on; a cut drains and kills nothing.
func (q *Queue) SetWorkspace(ctx context.Context, id uuid.UUID, change WorkspaceChange, actor string) (WorkspaceLimits, error) {
	w := WorkspaceLimits{Workspace: Workspace{ID: id}}
	limits := limitChange{
		max: change.MaxConcurrentWorkflows, weight: change.Weight, nominal: change.NominalQuota, borrowing: change.BorrowingLimit,
		rate: change.StartsPerSecond, burst: change.Burst, cohort: change.Cohort,
	}
	if err := limits.validate(); err != nil {
		return w, err
	}
	err := pgx.BeginFunc(ctx, q.pool, func(tx pgx.Tx) error {
		if err := actAs(ctx, tx, actor); err != nil {
			return err
		}
		set, args := limits.assignments(id)
		err := tx.QueryRow(ctx, `UPDATE sluice.workspaces SET `+set+` WHERE id = $1
			RETURNING name, plan, max_concurrent_workflows, weight, nominal_quota, borrowing_limit, starts_per_second, burst, cohort`, args...).
			Scan(&w.Name, &w.Plan, &w.MaxConcurrentWorkflows, &w.Weight, &w.NominalQuota, &w.BorrowingLimit, &w.StartsPerSecond, &w.Burst, &w.Cohort)
		if errors.Is(err, pgx.ErrNoRows) {
			return unknownWorkspace(id)
		}
		if err != nil {
			return err
		}
		var most int
		var rate *float64
		err = tx.QueryRow(ctx, `SELECT ceiling, starts_per_second FROM sluice.quotas WHERE workspace_id = $1`, id).Scan(&most, &rate)
		if err != nil {
			return err
		}
		return consistent("workspace "+w.Name, most, w.NominalQuota, rate, w.Burst)
	})
	return w, wrap(err, "set workspace")
}

// Workspaces lists workspaces with their usage, by name; all of them when no ids are given.
func (q *Queue) Workspaces(ctx context.Context, ids ...uuid.UUID) ([]WorkspaceUsage, error) {
	list, err := collect[WorkspaceUsage](ctx, q.pool, `
		SELECT w.id, w.name, w.plan, coalesce(p.n, 0)::int AS pending, coalesce(s.n, 0)::int AS running,
		       t.ceiling AS "limit", coalesce(e.n, 0)::int AS done,
		       coalesce(round(extract(epoch FROM p.wait) * 1000), 0)::bigint AS longest_ms,
		       coalesce(s.unserved, 0)::int AS unserved, CASE WHEN s.unserved > 0 THEN 'unserved' END AS reason,
		       coalesce(r.n, 0)::int AS refused, coalesce(e.bad, 0)::int AS not_success,
		       sluice.shard_of(w.id, w.cohort, n.shards) AS shard
		FROM sluice.settings n CROSS JOIN sluice.workspaces w JOIN sluice.quotas t ON t.workspace_id = w.id
		LEFT JOIN (SELECT workspace_id, count(*) AS n,
		                  now() - min(available_at) FILTER (WHERE available_at <= now()) AS wait
		           FROM sluice.execution_queue GROUP BY 1) p ON p.workspace_id = w.id
		LEFT JOIN (SELECT workspace_id, count(*) AS n, count(unserved_since) AS unserved FROM sluice.slots GROUP BY 1) s ON s.workspace_id = w.id
		LEFT JOIN (SELECT workspace_id, count(*) AS n, count(*) FILTER (WHERE status <> 'COMPLETED') AS bad
		           FROM sluice.workflow_executions WHERE completed_at IS NOT NULL GROUP BY 1) e ON e.workspace_id = w.id
		LEFT JOIN (SELECT workspace_id, count(*) AS n FROM sluice.refused_items GROUP BY 1) r ON r.workspace_id = w.id
		WHERE cardinality($1::uuid[]) = 0 OR w.id = ANY ($1)
		ORDER BY w.name, w.id`, append([]uuid.UUID{}, ids...))
	if err != nil {
		return nil, wrap(err, "list workspaces")
	}
	why, err := q.reasons(ctx)
	for i, w := range list {
		if reason := string(why[w.ID]); reason != "" && w.Reason == nil {
			list[i].Reason = &reason
		}
	}
	return list, wrap(err, "list workspaces")
}

// reasons tells why the items of workspaces wait: what the policy would decide now, if a batch had room for everybody.
func (q *Queue) reasons(ctx context.Context) (map[uuid.UUID]admission.Reason, error) {
	why := map[uuid.UUID]admission.Reason{}
	err := q.eachShard(ctx, func(q *Queue) error {
		capacity, err := q.Capacity(ctx, 1)
		in := capacity.Input(math.MaxInt32)
		for i, reason := range in.Why(admission.Decide(in)) {
			why[in.Workspaces[i].ID] = reason
		}
		return err
	})
	return why, err
}

// ActiveWorkspaces are those whose workflows need a worker: they hold slots, or have items that are ready or about to be.
func (q *Queue) ActiveWorkspaces(ctx context.Context) ([]uuid.UUID, error) {
	return q.ids(ctx, "list active workspaces", withBacklog+`
		SELECT workspace_id FROM sluice.slots
		UNION
		SELECT workspace_id FROM backlog b WHERE EXISTS (
			SELECT FROM generate_series(1, 5) AS p (priority) WHERE EXISTS (
				SELECT FROM sluice.execution_queue q WHERE q.workspace_id = b.workspace_id AND q.priority = p.priority
				AND q.available_at <= now() + interval '5 seconds'))`)
}

// unknownPlan explains a broken foreign key to tiers. It reads on a connection of its own: call it outside the transaction.
func (q *Queue) unknownPlan(ctx context.Context, err error, plan string) error {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) || pg.Code != "23503" {
		return err
	}
	unknown := &RequestError{Kind: ErrUnknownPlan, Message: fmt.Sprintf("unknown plan %q", plan)}
	if tiers, err := q.Tiers(ctx); err == nil {
		var plans []string
		for _, t := range tiers {
			plans = append(plans, t.Plan)
		}
		unknown.Hint = "plans are " + strings.Join(plans, ", ")
	}
	return unknown
}

func unknownWorkspace(id uuid.UUID) error {
	return &RequestError{Kind: ErrUnknownWorkspace, Message: "unknown workspace " + id.String(), Hint: "list them with: starter workspace list"}
}

// details makes a JSON object of alternating names and values.
func details(pairs ...any) json.RawMessage {
	object := make(map[string]any, len(pairs)/2)
	for i := 0; i+1 < len(pairs); i += 2 {
		object[pairs[i].(string)] = pairs[i+1]
	}
	raw, err := json.Marshal(object)
	if err != nil {
		panic(err) // only strings and numbers are passed
	}
	return raw
}

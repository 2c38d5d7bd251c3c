package api

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"
	"go.temporal.io/sdk/client"

	"sluice/internal/audit"
	"sluice/internal/operate"
	"sluice/internal/overview"
	"sluice/internal/web/access"
)

func (s *API) status(h huma.API) {
	tags := []string{"operation"}
	register(s, h, route{grant: operatorReads, timeout: 40 * time.Second, Operation: huma.Operation{
		OperationID: "get-status", Method: http.MethodGet, Path: "/api/v1/status", Tags: tags, Summary: "Get what the dispatchers do and what each workspace waits for",
		Description: "With what has ended in the last hour. Where a dispatcher does not answer, dispatcherError says why, and the rest is told all the same.",
	}}, s.getStatus)
	orNull(h.OpenAPI().Components.Schemas, "dispatcher", "Status", "ShardStatus")
	register(s, h, route{grant: reads, Operation: huma.Operation{
		OperationID: "get-waits", Method: http.MethodGet, Path: "/api/v1/waits", Tags: tags, Summary: "Get which workspaces have something waiting, and why",
		Description: "Why a workspace's ready items wait, and since when the oldest does; without a reason they start in one of the next cycles. Of an item: get-item.",
	}}, s.getWaits)
	register(s, h, route{grant: operatorReads, timeout: auditTimeout, Operation: huma.Operation{
		OperationID: "audit", Method: http.MethodGet, Path: "/api/v1/audit", Tags: tags, Summary: "Count violations of what Sluice promises",
		Description: "From Postgres and Temporal, of what is open or has happened in the last so long. It changes nothing, and takes some 10 s longer where something looks wrong. One runs at a time.",
	}}, s.audit)
}

func (s *API) getStatus(ctx context.Context, _ access.Caller, _ *struct{}) (*body[overview.Status], error) {
	status, _, err := s.overview.Status(ctx) // who does not answer is part of it
	return answer(status, err)
}

// waitingWorkspace is a workspace that has something waiting.
type waitingWorkspace struct {
	WorkspaceID uuid.UUID `json:"workspaceId"`
	Name        string    `json:"name"`
	Pending     int       `json:"pending"`
	Reason      *string   `json:"reason,omitempty" doc:"Why its ready items wait."`
	LongestMS   int64     `json:"longestWaitMs" doc:"The age of the oldest ready item."`
}

// waitReason is how much waits for one reason.
type waitReason struct {
	Reason     string `json:"reason" doc:"Empty: nothing keeps it, it starts in one of the next cycles."`
	Workspaces int    `json:"workspaces"`
	Pending    int    `json:"pending"`
	LongestMS  int64  `json:"longestWaitMs"`
}

// waitList is what waits.
type waitList struct {
	Reasons    []waitReason       `json:"reasons" doc:"The most pending first."`
	Workspaces []waitingWorkspace `json:"workspaces" doc:"The longest wait first."`
}

func (s *API) getWaits(ctx context.Context, who access.Caller, _ *struct{}) (*body[waitList], error) {
	list, err := s.overview.Waiting(ctx, only(who)...)
	if err != nil {
		return nil, err
	}
	all, reasons := waitList{Workspaces: []waitingWorkspace{}, Reasons: []waitReason{}}, map[string]*waitReason{}
	for _, w := range list {
		reason := ""
		if w.Reason != nil {
			reason = *w.Reason
		}
		r := reasons[reason]
		if r == nil {
			r = &waitReason{Reason: reason}
			reasons[reason] = r
		}
		r.Workspaces, r.Pending, r.LongestMS = r.Workspaces+1, r.Pending+w.Pending, max(r.LongestMS, w.LongestMS)
		all.Workspaces = append(all.Workspaces, waitingWorkspace{w.ID, w.Name, w.Pending, w.Reason, w.LongestMS})
	}
	for _, r := range reasons {
		all.Reasons = append(all.Reasons, *r)
	}
	slices.SortFunc(all.Reasons, func(a, b waitReason) int {
		return cmp.Or(cmp.Compare(b.Pending, a.Pending), cmp.Compare(a.Reason, b.Reason))
	})
	slices.SortStableFunc(all.Workspaces, func(a, b waitingWorkspace) int { return cmp.Compare(b.LongestMS, a.LongestMS) })
	return answer(all, nil)
}

// auditTimeout ends an audit that hangs on a server.
const auditTimeout = 2 * time.Minute

type auditInput struct {
	Since Period `query:"since" default:"15m" doc:"Look at what is open or has happened in the last so long."`
}

// auditAnswer is what was found, in the words of starter audit.
type auditAnswer struct {
	At         time.Time        `json:"at" doc:"By the database's clock."`
	Invariants []*audit.Finding `json:"invariants"`
	Violations int64            `json:"violations"`
	Complete   bool             `json:"complete" doc:"Everything could be checked."`
}

func (s *API) audit(ctx context.Context, who access.Caller, in *auditInput) (*body[auditAnswer], error) {
	window, err := since(who, in.Since)
	if err != nil {
		return nil, err
	}
	select {
	case s.audits <- struct{}{}:
		defer func() { <-s.audits }()
	default:
		return nil, newProblem(http.StatusTooManyRequests, "too-many", "an audit is under way already").later()
	}
	report, err := operate.Audit(ctx, s.Pool, func(context.Context) (client.Client, error) { return s.Temporal, nil }, operate.AuditOptions{Since: window})
	if err != nil {
		return nil, err
	}
	return answer(auditAnswer{report.At, report.Findings, report.Violations(), report.Complete()}, nil)
}

package api

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"sluice/internal/bounds"
	"sluice/internal/operate"
	"sluice/internal/overview"
	"sluice/internal/store"
	"sluice/internal/store/estimates"
	"sluice/internal/web/access"
	"sluice/queue"
)

func (s *API) items(h huma.API) {
	register(s, h, route{grant: reads, Operation: huma.Operation{
		OperationID: "list-items", Method: http.MethodGet, Path: "/api/v1/items", Tags: []string{"items"}, Summary: "List items, newest first",
		Description: "A page of items and their executions, without inputs and results; of those that wait, the reason and the time in which each is expected to start. To go on, give next as before.",
	}}, s.listItems)
	register(s, h, route{grant: reads, timeout: longestWait + requestTimeout, itself: true, Operation: huma.Operation{
		OperationID: "get-item", Method: http.MethodGet, Path: "/api/v1/items/{id}", Tags: []string{"items"}, Summary: "Get an item, or wait for its end",
		Description: "One item, its execution and what has happened to it; of one that waits, the reason, its place and the time in which it is expected to start. With wait the answer comes when the item has ended, " +
			"however it did, or when the time is over: done tells which.",
	}}, s.getItem)
	register(s, h, route{grant: writes, Operation: huma.Operation{
		OperationID: "cancel-item", Method: http.MethodPost, Path: "/api/v1/items/{id}/cancel", Tags: []string{"items"}, Summary: "Cancel an item, or the execution it has become",
		Description: "An item that waits is CANCELLED at once. The workflow of one that runs is asked to cancel. That of a definition is terminated if it has not ended 45 s later, " +
			"any other only when no worker has carried it on for 45 s; with force it is terminated at once.",
	}}, s.cancelItem)
}

type listItemsInput struct {
	Workspace  string    `query:"workspace" maxLength:"200" doc:"Only those of the workspace with this id or key."`
	Definition uuid.UUID `query:"definition" doc:"Only those of this definition."`
	Type       string    `query:"type" maxLength:"1000" doc:"Only workflows of this type."`
	WorkflowID string    `query:"workflowId" maxLength:"1000" doc:"Only those whose workflow has this id in Temporal."`
	Status     string    `query:"status" enum:"PENDING,CLAIMED,DISPATCHED,FAILED,CANCELLED,EXPIRED,RUNNING,COMPLETED,TERMINATED,TIMED_OUT" doc:"Only those in this status, of the item or of its execution."`
	Reason     string    `query:"reason" maxLength:"200" doc:"Only those that ended without an execution for this reason."`
	Before     uuid.UUID `query:"before" doc:"Only those that are older than this item: next of the page before."`
	Limit      int       `query:"limit" minimum:"1" maximum:"200" default:"50" doc:"At most so many."`
}

// listedItem is an item of a page.
type listedItem struct {
	queue.State
	EstimatedStart *estimates.Start `json:"estimatedStart,omitempty" doc:"When an item that waits is expected to start."`
}

// itemPage is a page of items.
type itemPage struct {
	Items []listedItem `json:"items"`
	Next  *uuid.UUID   `json:"next,omitempty" doc:"What to give as before for the page after this one, which may be empty; none: this is the last."`
}

func (s *API) listItems(ctx context.Context, who access.Caller, in *listItemsInput) (*body[itemPage], error) {
	f := queue.Filter{DefinitionID: in.Definition, WorkflowType: in.Type, WorkflowID: in.WorkflowID, Status: in.Status, Reason: in.Reason, Before: in.Before, Limit: in.Limit, WithoutPayloads: true}
	switch {
	case in.Type != "" && in.Definition != uuid.Nil:
		return nil, store.Invalid("type is of workflows, and definition excludes them: give one of the two")
	case in.Reason != "" && in.Status != "" && !strings.Contains("FAILED CANCELLED EXPIRED", in.Status):
		return nil, store.Invalid("reason is why an item ended without an execution: of those status is FAILED, CANCELLED or EXPIRED")
	}
	for name, text := range map[string]string{"type": in.Type, "reason": in.Reason, "workflowId": in.WorkflowID} {
		if err := bounds.Text(text, bounds.MaxReason); err != nil {
			return nil, store.Invalid("%s %v", name, err)
		}
	}
	var err error
	if f.WorkspaceID, err = s.ownOrNamed(ctx, who, in.Workspace); err != nil {
		return nil, err
	}
	items, err := s.queue.List(ctx, f)
	if err != nil {
		return nil, err
	}
	page := itemPage{Items: make([]listedItem, len(items))}
	// One whose status has changed while the page was read is left out, so a page of a status may be short and not the last.
	if n := len(items); n == in.Limit || n > 0 && in.Status != "" {
		page.Next = &items[n-1].ID
	}
	if _, err = s.overview.ExplainWaits(ctx, 0, items); err != nil {
		return nil, err
	}
	starts, err := s.overview.Starts(ctx, items)
	for i := range items {
		page.Items[i] = listedItem{items[i], starts[items[i].ID]}
	}
	return answer(page, err)
}

func withoutPayloads(i *queue.State) { i.Input, i.Output = nil, nil }

type getItemInput struct {
	ID   uuid.UUID `path:"id" doc:"The item's id, which is its execution's too."`
	Wait Period    `query:"wait" doc:"How long to wait for its end, 5m at most."`
}

// itemAnswer is an item with all there is to say of it.
type itemAnswer struct {
	overview.Item
	Done bool `json:"done" doc:"It has ended, however it did."`
}

func (s *API) getItem(ctx context.Context, who access.Caller, in *getItemInput) (*body[itemAnswer], error) {
	state, err := s.item(ctx, who, in.ID)
	if err != nil {
		return nil, err
	}
	if in.Wait != "" && !state.Done() {
		if state, err = s.awaitEnd(ctx, in.Wait, state); err != nil {
			return nil, err
		}
	}
	leave, err := s.reading.take(ctx, placesOf(who)) // not before: those who wait have none
	if err != nil {
		return nil, err
	}
	defer leave()
	described, err := s.overview.Describe(ctx, state)
	if !who.Payloads {
		withoutPayloads(&described.State)
	}
	return answer(itemAnswer{described, state.Done()}, err)
}

// awaitEnd returns the state of an item when it has ended, when the time is over, or when the server is to stop.
func (s *API) awaitEnd(ctx context.Context, wait Period, state queue.State) (queue.State, error) {
	d, err := wait.duration("wait")
	switch {
	case err != nil:
		return state, err
	case d > longestWait:
		return state, store.Invalid("wait must be at most %s, not %s: ask again", longestWait, d)
	}
	waiting, stop := context.WithTimeout(ctx, d)
	defer stop()
	defer context.AfterFunc(s.stop.begun, stop)()
	last, err := s.queue.Wait(waiting, state.ID)
	switch {
	case err == nil:
		return last, nil
	case waiting.Err() == nil || ctx.Err() != nil:
		return state, err
	case last.ID == uuid.Nil: // it was over before the first look
		return state, nil
	}
	return last, nil
}

// item returns an item that the caller may see. What is another's is unknown.
func (s *API) item(ctx context.Context, who access.Caller, id uuid.UUID) (queue.State, error) {
	state, err := s.queue.Get(ctx, id)
	if err == nil && who.Sees(state.WorkspaceID) {
		return state, nil
	}
	if err == nil || errors.Is(err, queue.ErrUnknownItem) {
		err = &store.RequestError{Kind: queue.ErrUnknownItem, Message: "no item " + id.String()}
	}
	return queue.State{}, err
}

type cancelInput struct {
	ID   uuid.UUID `path:"id" doc:"The item's id."`
	Body *cancellation
}

// cancellation is how an item is to be cancelled.
type cancellation struct {
	Reason string `json:"reason,omitempty" maxLength:"1000" doc:"Why, for the activity log."`
	Force  bool   `json:"force,omitempty" doc:"Terminate the workflow and its children at once, without giving them a chance to clean up."`
}

func (s *API) cancelItem(ctx context.Context, who access.Caller, in *cancelInput) (*body[operate.Cancelled], error) {
	if _, err := s.item(ctx, who, in.ID); err != nil {
		return nil, err
	}
	var by cancellation
	if in.Body != nil {
		by = *in.Body
	}
	if err := bounds.Reason(by.Reason, bounds.MaxReason); err != nil {
		return nil, store.Invalid("reason %v", err)
	}
	cancelled, err := operate.CancelItem(ctx, s.Pool, s.overview.Dial, in.ID, operate.Cancellation{
		Actor: who.Actor, Reason: by.Reason, Force: by.Force,
		Note: func(message string) { s.Log.Warn("cancel item: "+message, "item", in.ID) },
	})
	return answer(cancelled, err)
}

const (
	// mostSince is as far back as anything is counted or played.
	mostSince = 366 * 24 * time.Hour
	// mostSinceOfWorkspace is the same for tokens of workspaces: what it costs, all workspaces pay for.
	mostSinceOfWorkspace = 7 * 24 * time.Hour
)

// since is how far back a caller asks to look.
func since(who access.Caller, p Period) (time.Duration, error) {
	d, err := p.duration("since")
	switch {
	case err != nil:
	case !who.Operator && d > mostSinceOfWorkspace:
		err = store.Invalid("since must be at most 7d for a token of a workspace")
	case d <= 0 || d > mostSince:
		err = store.Invalid("since must be more than 0 and at most %s", mostSince)
	}
	return d, err
}

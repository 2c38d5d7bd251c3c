package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"sluice/admin"
	"sluice/internal/operate"
	"sluice/internal/store"
	"sluice/internal/web/access"
)

const (
	// bulkTime is how long a request works on many items before it answers how far it has come.
	bulkTime = time.Minute
	// mostBulk is how many requests of operators do so at once, and how many of tokens of workspaces; mostBulkOfOne is how many of them show
	// the same operator's token, or one of the same workspace. Each may be about millions of items, and takes a connection most of the time.
	mostBulk, mostBulkOfOne = 3, 1
)

// does is what is done to a selection. It fills in the answer, also when it is broken off.
type does func(ctx context.Context, selected admin.Selection, by doer, all *bulkAnswer) error

// doer is who does it, and why.
type doer struct{ actor, reason string }

func (s *API) bulk(h huma.API) {
	const how = " Of the items that all that is given applies to, of those there are when it begins. With dryRun it only counts them. It works in batches " +
		"that hold up no claim, for a minute at most: while complete is false, send the same again to go on, with the asOf of the first answer, so that it is still " +
		"about the same items. A token of a workspace reaches its own items."
	act := func(action admin.Action, summary, description string, do does) {
		register(s, h, route{grant: writes, timeout: bulkTime + requestTimeout, Operation: bulkOperation(action, summary, description+how)},
			func(ctx context.Context, who access.Caller, in *bulkInput) (*body[bulkAnswer], error) {
				return s.selectAnd(ctx, who, action, &in.Body, in.Body.Reason, do)
			})
	}
	act(admin.Cancel, "Cancel many items, or the executions they have become",
		"What waits is CANCELLED at once, what runs is asked to cancel. The execution of a definition is terminated if it has not ended 45 s later, "+
			"any other only when no worker has carried it on for 45 s.", s.endSelected)
	act(admin.Terminate, "Terminate many executions that run",
		"They and their children get no chance to clean up. What waits is left alone.", s.endSelected)
	act(admin.Retry, "Put many FAILED items back into the queue",
		"Those that FAILED before they started, ready at once and with no attempts counted. What has expired is left alone.", s.retrySelected)
	act(admin.Replay, "Enqueue many executions anew",
		"Those that FAILED, TIMED_OUT or were TERMINATED, each once: a new item with the same request, which names the first one as replayOf.", s.replaySelected)
	register(s, h, route{grant: writes, timeout: bulkTime + requestTimeout, Operation: bulkOperation(admin.Reprioritize, "Change the priority or the time of many items that wait",
		"From the next claim on. An item that would expire before its new time is left as it is."+how)}, s.reprioritize)
}

func bulkOperation(action admin.Action, summary, description string) huma.Operation {
	return huma.Operation{OperationID: string(action) + "-items", Method: http.MethodPost, Path: "/api/v1/items/" + string(action), Tags: []string{"items"}, Summary: summary, Description: description}
}

// Selection says which items are meant.
type Selection struct {
	IDs        []uuid.UUID `json:"ids,omitempty" minItems:"1" maxItems:"1000" doc:"These."`
	Workspace  string      `json:"workspace,omitempty" minLength:"1" maxLength:"200" doc:"Those of the workspace with this id or key. A token of a workspace needs none."`
	Type       string      `json:"type,omitempty" minLength:"1" maxLength:"1000" doc:"Those that are workflows of this type."`
	Definition *uuid.UUID  `json:"definition,omitempty" doc:"Those of this definition."`
	Status     string      `json:"status,omitempty" enum:"PENDING,CLAIMED,RUNNING,FAILED,TIMED_OUT,TERMINATED" doc:"Those in this status, of the statuses that this can be done to."`
	FailedFor  string      `json:"failedFor,omitempty" minLength:"1" maxLength:"200" doc:"Those that failed to start for this reason, such as start-failed. Not for replay."`
	Error      string      `json:"error,omitempty" minLength:"1" maxLength:"1000" doc:"Those whose error has this text in it, in letters of either case."`
	OlderThan  Period      `json:"olderThan,omitempty" doc:"Those that were enqueued at least so long ago."`
	All        bool        `json:"all,omitempty" doc:"All that this can be done to: of all workspaces, or of the token's. Needed where nothing else is given."`
	Limit      int         `json:"limit,omitempty" minimum:"1" maximum:"1000000" doc:"At most so many, oldest first. Not for cancel and terminate."`
	AsOf       *time.Time  `json:"asOf,omitempty" doc:"As they were then, to go on: the asOf of an answer that is not complete. What was enqueued, started or ended since is not meant."`
	DryRun     bool        `json:"dryRun,omitempty" doc:"Count them, and change nothing."`
	Reason     string      `json:"reason,omitempty" maxLength:"1000" doc:"Why, for the activity log."`
}

type bulkInput struct {
	Body Selection
}

type reprioritizeInput struct {
	Body struct {
		Selection
		Priority *int       `json:"priority,omitempty" nullable:"false" minimum:"1" maximum:"5" doc:"1 (first) to 5 (last)."`
		Delay    Period     `json:"delay,omitempty" doc:"Available so long from now, or from asOf, by the clock of the database; 0: at once."`
		At       *time.Time `json:"availableAt,omitempty" doc:"Available at this time."`
	}
}

// bulkAnswer is what has become of a selection.
type bulkAnswer struct {
	Action   admin.Action     `json:"action"`
	AsOf     time.Time        `json:"asOf" doc:"The moment of the selection, by the clock of the database."`
	Selected int64            `json:"selected" doc:"How many items were meant when it began."`
	Counts   map[string]int64 `json:"counts" doc:"The same by status, without the limit."`
	Done     int64            `json:"done" doc:"How many were changed, or asked to end."`
	Complete bool             `json:"complete" doc:"All that was meant is done; with dryRun it is false."`

	Cancelled int64 `json:"cancelled,omitempty" doc:"Of those done: they waited, and are CANCELLED."`
	Asked     int64 `json:"asked,omitempty" doc:"Of those done: they run, and were asked to cancel."`
	Unsettled int64 `json:"unsettled,omitempty" doc:"Their claim, their start, or the record of their end is on its way: send the same again, with asOf."`
	Expired   int64 `json:"expired,omitempty" doc:"Of retry: left alone, they would only expire."`
}

// filter is what a selection means to a caller: those of one workspace mean its items only.
func (s *API) filter(ctx context.Context, who access.Caller, n *Selection) (f admin.Filter, err error) {
	if n.All == (n.IDs != nil || n.Workspace != "" || n.Type != "" || n.Definition != nil || n.Status != "" || n.FailedFor != "" || n.Error != "" || n.OlderThan != "") {
		return f, store.Invalid("say which items: by ids, workspace, type, definition, status, failedFor, error or olderThan, or all of them with all and none of these")
	}
	f = admin.Filter{IDs: n.IDs, WorkflowType: n.Type, Status: n.Status, Reason: n.FailedFor, Error: n.Error, Limit: n.Limit}
	if n.Definition != nil {
		if f.DefinitionID = *n.Definition; f.DefinitionID == uuid.Nil { // which does not narrow
			return f, store.Invalid("definition must be the id of one")
		}
	}
	if n.AsOf != nil {
		f.AsOf = *n.AsOf
	}
	if n.OlderThan != "" {
		if f.OlderThan, err = n.OlderThan.duration("olderThan"); err != nil {
			return f, err
		}
	}
	f.WorkspaceID, err = s.ownOrNamed(ctx, who, n.Workspace)
	return f, err
}

// selectAnd selects items, and does something to them unless they are only to be counted.
func (s *API) selectAnd(ctx context.Context, who access.Caller, action admin.Action, n *Selection, reason string, do does) (*body[bulkAnswer], error) {
	leave, ok := s.bulks.enter(who)
	if !ok {
		return nil, newProblem(http.StatusTooManyRequests, "too-many", "many items are being changed already; try again when that is done").later()
	}
	defer leave()
	f, err := s.filter(ctx, who, n)
	if err != nil {
		return nil, err
	}
	selected, err := s.office.Select(ctx, action, f)
	if err != nil {
		return nil, err
	}
	all := bulkAnswer{Action: action, AsOf: selected.Moment, Selected: selected.Total, Counts: selected.Counts}
	if n.DryRun {
		return answer(all, nil)
	}
	working, stop := context.WithTimeout(ctx, bulkTime)
	defer stop()
	defer context.AfterFunc(s.stop.begun, stop)()
	err = do(working, selected, doer{who.Actor, reason}, &all)
	if all.Complete = err == nil && all.Unsettled == 0; err != nil && working.Err() != nil && ctx.Err() == nil {
		err = nil // the time is over, or the worker is stopping
	}
	return answer(all, err)
}

func (s *API) endSelected(ctx context.Context, selected admin.Selection, by doer, all *bulkAnswer) error {
	ended, err := operate.EndSelected(ctx, s.Pool, s.overview.Dial, selected, by.actor, by.reason, nil)
	all.Cancelled, all.Asked, all.Unsettled = ended.Cancelled, ended.Asked, ended.Unsettled
	all.Done = ended.Cancelled + ended.Asked + ended.Terminated
	return err
}

func (s *API) retrySelected(ctx context.Context, selected admin.Selection, by doer, all *bulkAnswer) (err error) {
	if all.Done, err = s.office.RetrySelected(ctx, selected, by.actor, by.reason, nil); err != nil {
		return err
	}
	all.Expired, err = s.office.CountExpiredOf(ctx, selected)
	return err
}

func (s *API) replaySelected(ctx context.Context, selected admin.Selection, by doer, all *bulkAnswer) (err error) {
	all.Done, err = s.office.ReplaySelected(ctx, selected, by.actor, by.reason, nil)
	return err
}

func (s *API) reprioritize(ctx context.Context, who access.Caller, in *reprioritizeInput) (*body[bulkAnswer], error) {
	place := admin.Place{Priority: in.Body.Priority, At: in.Body.At}
	if in.Body.Delay != "" {
		d, err := in.Body.Delay.duration("delay")
		if err != nil {
			return nil, err
		}
		place.In = &d
	}
	return s.selectAnd(ctx, who, admin.Reprioritize, &in.Body.Selection, in.Body.Reason, func(ctx context.Context, selected admin.Selection, by doer, all *bulkAnswer) (err error) {
		all.Done, err = s.office.ReprioritizeSelected(ctx, selected, place, by.actor, by.reason, nil)
		return err
	})
}

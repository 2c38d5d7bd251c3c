package overview

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"go.temporal.io/sdk/client"

	"sluice/admin"
	"sluice/internal/admission"
	"sluice/internal/operate"
	"sluice/internal/store/catalog"
	"sluice/internal/store/facts"
	"sluice/workflows"
)

// Source is where what is told comes from.
type Source struct {
	Pool *pgxpool.Pool
	// Dial connects to Temporal; AtOnce too, but does not wait for it.
	Dial, AtOnce func(context.Context) (client.Client, error)
	// Link leads to a workflow in Temporal's Web UI; empty where that is not known. An empty run is the last one.
	Link func(workflowID, runID string) string
	// Estimate has it worked out anew when items start, where that is old; nil: what is on record has to do.
	Estimate func(context.Context)
}

// Status is how it all is: the dispatcher, with several shards also those of the others, and the workspaces.
type Status struct {
	ShardStatus
	Others     []ShardStatus          `json:"others,omitempty"`
	Recovery   *facts.Failing         `json:"recoveryFailing,omitempty"` // nil: it does its work
	Pauses     []admin.Pause          `json:"pauses,omitempty"`          // beside the dispatchers' own
	Workspaces []facts.WorkspaceUsage `json:"workspaces"`
	// Unserved are the executions that no worker carries on, the longest first, mostUnserved at most.
	Unserved []facts.UnservedExecution `json:"unserved,omitempty"`
	// MissingTypes are workflow types that running executions need and no worker that hosts workspaces has.
	MissingTypes []facts.MissingType `json:"missingTypes,omitempty"`
}

const mostUnserved = 10

// ShardStatus is one dispatcher. Dispatcher is nil when it could not be asked; DispatcherError then says why.
type ShardStatus struct {
	Shard           int               `json:"shard,omitempty"`
	Dispatcher      *workflows.Status `json:"dispatcher"`
	DispatcherError string            `json:"dispatcherError,omitempty"`
	Surplus         bool              `json:"surplus,omitempty"` // its shard is none any more
	WebURL          string            `json:"webUrl,omitempty"`  // of the dispatcher, where Temporal's Web UI is known
}

// EndedWindow is how far back an overview counts what has ended: it stays as fast however much is retained.
const EndedWindow = time.Hour

// Status returns the status. Unasked is the error of the first dispatcher that there should be and that does not answer; the rest is
// told all the same.
func (o Source) Status(ctx context.Context) (s Status, unasked, err error) {
	if s.Recovery, err = facts.RecoveryFailing(ctx, o.Pool); err != nil {
		return s, nil, err
	}
	if s.Unserved, err = facts.Unserved(ctx, o.Pool, mostUnserved); err != nil {
		return s, nil, err
	}
	shards, err := catalog.Shards(ctx, o.Pool)
	if err != nil {
		return s, nil, err
	}
	if s.MissingTypes, err = facts.MissingTypes(ctx, o.Pool); err != nil {
		return s, nil, err
	}
	if s.Pauses, err = admin.New(o.Pool).Pauses(ctx); err != nil {
		return s, nil, err
	}
	var listed sync.WaitGroup
	listed.Go(func() { s.Workspaces, err = Workspaces(ctx, o.Pool, EndedWindow) }) // while the dispatchers answer
	all, unasked := o.askAll(ctx, shards)
	if listed.Wait(); err != nil {
		return s, nil, err
	}
	s.ShardStatus, s.Others = all[0], all[1:]
	explainPause(s.Workspaces, all)
	return s, unasked, nil
}

// Workspaces lists workspaces with their usage, by name, all of them when no ids are given. It counts what has ended in the last so
// long; 0 stands for ever.
func Workspaces(ctx context.Context, pool *pgxpool.Pool, window time.Duration, ids ...uuid.UUID) ([]facts.WorkspaceUsage, error) {
	var from time.Time
	if window != 0 {
		now, err := facts.Now(ctx, pool)
		if err != nil {
			return nil, err
		}
		from = now.Add(-window)
	}
	list, err := facts.WorkspacesSince(ctx, pool, from, ids...)
	return append([]facts.WorkspaceUsage{}, list...), err
}

// askAll asks the dispatchers of so many shards, and those that are open beyond them. It always returns those of the
// shards there are; the error is that of the first that there should be and that does not answer.
func (o Source) askAll(ctx context.Context, shards int) ([]ShardStatus, error) {
	all := make([]ShardStatus, shards)
	for shard := range all {
		all[shard].Shard = shard
	}
	c, err := o.Dial(ctx)
	if err != nil {
		for i := range all {
			all[i].DispatcherError = err.Error()
		}
		return all, err
	}
	open, err := operate.OpenShards(ctx, c, o.Pool)
	for _, shard := range open {
		if shard >= shards {
			all = append(all, ShardStatus{Shard: shard, Surplus: true})
		}
	}
	errs := make([]error, len(all))
	var group sync.WaitGroup
	for i := range all {
		group.Go(func() {
			status, err := operate.StatusOf(ctx, c, all[i].Shard)
			if err != nil {
				all[i].DispatcherError, errs[i] = strings.TrimPrefix(err.Error(), "ask for the status: "), err
				return
			}
			all[i].Dispatcher, all[i].WebURL = &status, o.Link(workflows.ShardID(all[i].Shard), "")
		})
	}
	group.Wait()
	for i := range shards {
		if err == nil {
			err = errs[i]
		}
	}
	return slices.DeleteFunc(all, func(s ShardStatus) bool { return s.Surplus && s.Dispatcher == nil }), err
}

// explainPause says paused of the workspaces whose items nothing else keeps waiting, also where their executions are not carried on.
func explainPause(workspaces []facts.WorkspaceUsage, all []ShardStatus) {
	paused := string(admission.Paused)
	for i, w := range workspaces {
		s := all[min(w.Shard, len(all)-1)].Dispatcher // the number of shards may have changed meanwhile
		if s != nil && s.Pause != nil && w.Pending > 0 && (w.Reason == nil || *w.Reason == workflows.ReasonUnserved || *w.Reason == "start-unanswered") {
			workspaces[i].Reason = &paused
		}
	}
}

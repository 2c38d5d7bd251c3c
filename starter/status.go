package main

import (
	"context"
	"io"
	"slices"
	"strings"
	"sync"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/spf13/cobra"

	"sluice/internal/admission"
	"sluice/internal/operate"
	"sluice/internal/store/catalog"
	"sluice/internal/store/facts"
	"sluice/workflows"
)

// statusResult is what status prints: the dispatcher, with several shards also those of the others, and the workspaces.
type statusResult struct {
	shardStatus
	Others     []shardStatus          `json:"others,omitempty"`
	Recovery   *facts.Failing         `json:"recoveryFailing,omitempty"` // nil: it does its work
	Workspaces []facts.WorkspaceUsage `json:"workspaces"`
	// Unserved are the executions that no worker carries on, the longest first, mostUnserved at most.
	Unserved []facts.UnservedExecution `json:"unserved,omitempty"`
	// MissingTypes are workflow types that running executions need and no worker that hosts workspaces has.
	MissingTypes []facts.MissingType `json:"missingTypes,omitempty"`
}

const mostUnserved = 10

// shardStatus is one dispatcher. Dispatcher is nil when it could not be asked; DispatcherError then says why.
type shardStatus struct {
	Shard           int               `json:"shard,omitempty"`
	Dispatcher      *workflows.Status `json:"dispatcher"`
	DispatcherError string            `json:"dispatcherError,omitempty"`
	Surplus         bool              `json:"surplus,omitempty"` // its shard is none any more

	link string
}

func (a *app) statusCommand() *cobra.Command {
	return a.does(&cobra.Command{
		Use: "status", Short: "Show what the dispatcher does and what each workspace waits for", Args: exactly(),
		Long: "Show the dispatcher, with several shards each of them, and all workspaces, with what has ended in the last\n" +
			"hour. When a dispatcher is not running or no worker answers for it, the rest is shown all the same and the exit code is 3; it is 4 when Temporal can't be reached.",
	}, func(ctx context.Context, _ []string) error {
		pool, err := a.database(ctx)
		if err != nil {
			return err
		}
		failing, err := facts.RecoveryFailing(ctx, pool)
		if err != nil {
			return err
		}
		unserved, err := facts.Unserved(ctx, pool, mostUnserved)
		if err != nil {
			return err
		}
		shards, err := catalog.Shards(ctx, pool)
		if err != nil {
			return err
		}
		missing, err := facts.MissingTypes(ctx, pool)
		if err != nil {
			return err
		}
		var workspaces []facts.WorkspaceUsage
		var listErr error
		var listed sync.WaitGroup
		listed.Go(func() { workspaces, listErr = workspacesSince(ctx, pool, endedWindow) }) // while the dispatchers answer
		all, askErr := a.askAll(ctx, pool, shards)
		if listed.Wait(); listErr != nil {
			return listErr
		}
		result := statusResult{shardStatus: all[0], Others: all[1:], Recovery: failing, Workspaces: append([]facts.WorkspaceUsage{}, workspaces...), Unserved: unserved, MissingTypes: missing}
		explainPause(result.Workspaces, all)
		if err := a.result(result, func(w io.Writer) { renderStatus(w, result, a.now()) }); err != nil {
			return err
		}
		if askErr != nil {
			return codeError(exitCode(askErr))
		}
		return nil
	})
}

// askAll asks the dispatchers of so many shards, and those that are open beyond them. It always returns those of the
// shards there are; the error is that of the first that there should be and that does not answer.
func (a *app) askAll(ctx context.Context, pool *pgxpool.Pool, shards int) ([]shardStatus, error) {
	all := make([]shardStatus, shards)
	for shard := range all {
		all[shard].Shard = shard
	}
	c, err := a.client(ctx)
	if err != nil {
		for i := range all {
			all[i].DispatcherError = err.Error()
		}
		return all, err
	}
	open, err := operate.OpenShards(ctx, c, pool)
	for _, shard := range open {
		if shard >= shards {
			all = append(all, shardStatus{Shard: shard, Surplus: true})
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
			all[i].Dispatcher, all[i].link = &status, a.workflowLink(workflows.ShardID(all[i].Shard), "")
		})
	}
	group.Wait()
	for i := range shards {
		if err == nil {
			err = errs[i]
		}
	}
	return slices.DeleteFunc(all, func(s shardStatus) bool { return s.Surplus && s.Dispatcher == nil }), err
}

// explainPause says paused of the workspaces that nothing else keeps waiting.
func explainPause(workspaces []facts.WorkspaceUsage, all []shardStatus) {
	paused := string(admission.Paused)
	for i, w := range workspaces {
		s := all[min(w.Shard, len(all)-1)].Dispatcher // the number of shards may have changed meanwhile
		if s != nil && s.Pause != nil && w.Pending > 0 && w.Reason == nil {
			workspaces[i].Reason = &paused
		}
	}
}

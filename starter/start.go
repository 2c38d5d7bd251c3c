package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"sluice/internal/operate"
	"sluice/queue"
	"sluice/workflows"
)

func (a *app) startCommand() *cobra.Command {
	var tunables tunableFlags
	command := &cobra.Command{
		Use: "start", Short: "Start the dispatcher and the recovery schedule", Args: exactly(),
		Long: "Start the dispatcher, a workflow of which there is one, and the schedule that repairs what crashes leave\n" +
			"behind. It registers the search attributes of executions if need be. When the dispatcher runs already,\n" +
			"nothing changes and the exit code is 0. No worker has to run yet.",
	}
	tunables.add(command)
	return a.does(command, func(ctx context.Context, _ []string) error {
		state := workflows.State{Tunables: tunables.initial(command)}
		if err := state.Tunables.WithDefaults().Validate(); err != nil {
			return usage("%v", err)
		}
		c, err := a.client(ctx)
		if err != nil {
			return err
		}
		started, err := operate.Start(ctx, c, a.config.Temporal.Namespace, state)
		if err != nil {
			return err
		}
		switch {
		case !started.AlreadyRunning:
			a.logStart(ctx)
		case state.Tunables != workflows.Tunables{}:
			a.note("its tunables have not been changed; do that with: starter configure")
		}
		return a.result(started, func(w io.Writer) {
			verb := "started"
			if started.AlreadyRunning {
				verb = "already running"
			}
			_, _ = fmt.Fprintf(w, "dispatcher %s (workflow %s, run %s)\n", verb, started.WorkflowID, started.RunID)
			if link := a.workflowLink(started.WorkflowID, started.RunID); link != "" {
				_, _ = fmt.Fprintln(w, link)
			}
		})
	})
}

// logStart writes the start into the activity log, if the database is at hand: Temporal is all that a start needs.
func (a *app) logStart(ctx context.Context) {
	if a.config.DatabaseURL == "" {
		return
	}
	q, err := a.queue(ctx)
	if err == nil {
		err = q.Log(ctx, queue.Activity{Actor: a.config.Actor, Action: "dispatcher-start"})
	}
	if err != nil {
		a.note("note: the dispatcher has been started, but this is not in the activity log: " + err.Error())
	}
}

// workflowLink is the workflow's page in the Web UI, or "" when its address is unknown.
func (a *app) workflowLink(workflowID, runID string) string {
	if a.config.UIURL == "" {
		return ""
	}
	link := a.config.UIURL + "/namespaces/" + a.config.Temporal.Namespace + "/workflows/" + workflowID
	if runID != "" {
		link += "/" + runID
	}
	return link
}

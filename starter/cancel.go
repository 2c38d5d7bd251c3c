package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"sluice/admin"
	"sluice/internal/operate"
	"sluice/queue"
	"sluice/starter/bulk"
	"sluice/workflows"
)

func (a *app) cancelCommand() *cobra.Command {
	var reason string
	var force bool
	var f bulk.Flags
	command := &cobra.Command{
		Use: "cancel [ID...]", Short: "Cancel items, or the executions they have become", Args: cobra.ArbitraryArgs, Annotations: forMany(),
		Long: "Cancel an item, several, or those of a filter. One that waits is CANCELLED at once, and only Postgres is needed; one that runs is asked to\n" +
			"cancel through Temporal and ends CANCELLED when its workflow has dealt with it. The child workflows of a definition have " + seconds(workflows.CancelPatience) + "\n" +
			"for that; then they are terminated. The execution of a definition that is still open " + seconds(workflows.CancelDeadline) + " after the first request,\n" +
			"because no worker carries it on, is terminated too, and ends TERMINATED. Your own workflow may take as long as it\n" +
			"needs: it is terminated only when no worker has carried it on for " + seconds(workflows.CancelDeadline) + ". --force terminates at once. One that is\n" +
			"over stays as it is, and the exit code is 1 where it is the only one that was named.",
		Example: "  starter cancel ID --reason mistake\n  starter cancel --workspace acme --type Report --older-than 1d --dry-run\n  starter cancel --workspace acme --status PENDING --yes",
	}
	f.Add(command, admin.Cancel)
	f.FilterReasons(command, "failed-for")
	command.Flags().StringVar(&reason, "reason", "", "why, for the activity log")
	command.Flags().BoolVar(&force, "force", false, "terminate the workflow and its children at once, without giving them a chance to clean up")
	return a.does(command, func(ctx context.Context, args []string) error {
		if !f.OneByID(command, args) || f.DryRun() {
			if force {
				return usage("--force is for a single item: to terminate several, use starter terminate")
			}
			return a.endMany(ctx, command, &f, admin.Cancel, reason, args)
		}
		id, err := itemID(args[0])
		if err != nil {
			return err
		}
		pool, err := a.database(ctx)
		if err != nil {
			return err
		}
		result, err := operate.CancelItem(ctx, pool, a.client, id, operate.Cancellation{
			Actor: a.config.Actor, Reason: reason, Force: force, Note: func(message string) { a.note("note: " + message) },
		})
		if err != nil {
			return err
		}
		return a.result(result, func(w io.Writer) { _, _ = fmt.Fprintf(w, "%s: %s\n", id, result.Message) })
	})
}

func (a *app) terminateCommand() *cobra.Command {
	var reason string
	var f bulk.Flags
	command := &cobra.Command{
		Use: "terminate [ID...]", Short: "Terminate executions that run, without giving them a chance to clean up", Args: cobra.ArbitraryArgs, Annotations: forMany(),
		Long: "Terminate the workflows of executions that run, and their children: those named, or those of a filter. They end\n" +
			"TERMINATED, and Recovery frees their slots within seconds. What waits is left alone, also if it starts meanwhile in\n" +
			"a slot that has become free: starter cancel is for that, and lets what runs clean up.",
		Example: "  starter terminate ID --reason stuck\n  starter terminate --type Report --older-than 1d --dry-run",
	}
	f.Add(command, admin.Terminate)
	command.Flags().StringVar(&reason, "reason", "", "why, for the activity log and for Temporal")
	return a.does(command, func(ctx context.Context, args []string) error {
		return a.endMany(ctx, command, &f, admin.Terminate, reason, args)
	})
}

// endMany cancels or terminates several items.
func (a *app) endMany(ctx context.Context, command *cobra.Command, f *bulk.Flags, action admin.Action, reason string, args []string) error {
	_, s, goAhead, err := a.choose(ctx, command, f, action, args)
	if err != nil || !goAhead {
		return err
	}
	ended, err := operate.EndSelected(ctx, a.pool, a.client, s, a.config.Actor, reason, a.progress(s))
	if err != nil {
		return a.brokenOff(ended.Cancelled+ended.Asked+ended.Terminated, s, err)
	}
	return a.result(struct {
		operate.EndedMany
		Selected admin.Selection `json:"selected"`
	}{ended, s}, func(w io.Writer) {
		if action == admin.Terminate {
			_, _ = fmt.Fprintln(w, plural(int(ended.Terminated), "execution", "executions")+" terminated; Recovery frees their slots within seconds")
		} else {
			_, _ = fmt.Fprintf(w, "%s cancelled before they started, %s asked to cancel\n", plural(int(ended.Cancelled), "item", "items"), plural(int(ended.Asked), "execution", "executions"))
		}
		if ended.Unsettled > 0 {
			_, _ = fmt.Fprintf(w, "%s left: the start or the outcome is on its way still; run it again with --as-of %s\n", plural(int(ended.Unsettled), "execution", "executions"), asOf(s))
		}
	})
}

func seconds(d time.Duration) string { return fmt.Sprintf("%g s", d.Seconds()) }

// finalStatus is the execution's status once there is one, else the item's.
func finalStatus(item queue.State) string {
	if item.ExecutionStatus != nil {
		return *item.ExecutionStatus
	}
	return item.Status
}

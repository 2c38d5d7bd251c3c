package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"sluice/internal/operate"
	"sluice/workflows"
)

func (a *app) stopCommand() *cobra.Command {
	var reason string
	var all bool
	command := &cobra.Command{
		Use: "stop", Short: "Stop the dispatcher", Args: exactly(),
		Long: "Stop the dispatcher, with several shards all of them, once its cycle in hand is done. What runs goes on, what\n" +
			"waits stays in the queue, and the recovery schedule stays, because what runs still needs its outcome recorded.",
	}
	command.Flags().StringVar(&reason, "reason", "", "why, for the activity log")
	command.Flags().BoolVar(&all, "all", false, "delete the recovery schedule too")
	return a.does(command, func(ctx context.Context, _ []string) error {
		c, err := a.client(ctx)
		if err != nil {
			return err
		}
		request := workflows.StopRequest{Actor: a.config.Actor, Reason: reason}
		if err := operate.Stop(ctx, c, a.queueIfKnown(ctx), request, operate.StopOptions{DeleteRecovery: all}); err != nil {
			return err
		}
		result := struct {
			Stopped         bool `json:"stopped"`
			RecoveryDeleted bool `json:"recoveryDeleted"`
		}{true, all}
		return a.result(result, func(w io.Writer) {
			_, _ = fmt.Fprintln(w, "dispatcher stopped")
			if all {
				_, _ = fmt.Fprintln(w, "recovery schedule deleted; starter start creates it again")
			}
		})
	})
}

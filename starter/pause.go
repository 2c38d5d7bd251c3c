package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"sluice/internal/operate"
	"sluice/workflows"
)

func (a *app) pauseCommand() *cobra.Command {
	var reason string
	command := &cobra.Command{
		Use: "pause", Short: "Start nothing new until resume; what runs goes on", Args: exactly(),
	}
	command.Flags().StringVar(&reason, "reason", "", "why, for the status and the activity log")
	return a.does(command, func(ctx context.Context, _ []string) error {
		c, err := a.client(ctx)
		if err != nil {
			return err
		}
		all, err := operate.Pause(ctx, c, a.databaseIfKnown(ctx), workflows.PauseRequest{Actor: a.config.Actor, Reason: reason})
		if err != nil {
			return err
		}
		return a.result(told(all), func(w io.Writer) { _, _ = fmt.Fprintln(w, "dispatcher paused") })
	})
}

func (a *app) resumeCommand() *cobra.Command {
	return a.does(&cobra.Command{
		Use: "resume", Short: "End a pause", Args: exactly(),
	}, func(ctx context.Context, _ []string) error {
		c, err := a.client(ctx)
		if err != nil {
			return err
		}
		all, err := operate.Resume(ctx, c, a.databaseIfKnown(ctx), workflows.ResumeRequest{Actor: a.config.Actor})
		if err != nil {
			return err
		}
		return a.result(told(all), func(w io.Writer) { _, _ = fmt.Fprintln(w, "dispatcher resumed") })
	})
}

// toldResult is what a message to the dispatcher prints: its status, and with several shards those of the others.
type toldResult struct {
	workflows.Status
	Others []workflows.Status `json:"others,omitempty"`
}

func told(all []workflows.Status) toldResult { return toldResult{all[0], all[1:]} }

func (a *app) stopCommand() *cobra.Command {
	var reason string
	var all bool
	command := &cobra.Command{
		Use: "stop", Short: "Stop the dispatcher", Args: exactly(),
		Long: "Stop the dispatcher, with several shards all of them, once its current cycle is done. What runs goes on, what\n" +
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
		if err := operate.Stop(ctx, c, a.databaseIfKnown(ctx), request, operate.StopOptions{DeleteRecovery: all}); err != nil {
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

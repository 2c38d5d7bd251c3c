package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"sluice/queue"
)

func (a *app) waitCommand() *cobra.Command {
	return a.does(&cobra.Command{
		Use: "wait ID", Short: "Wait until an item has ended, and print its outcome", Args: exactly("ID"),
		Long: "Wait until an item has ended, however it did, and print its outcome: its status and its result, or why it has\n" +
			"none. The exit code is 0 when its execution has COMPLETED, otherwise 1, as when it has not ended within\n" +
			"--timeout. Only Postgres is needed.",
		Example: "  starter wait 0199… --timeout 10m\n  starter wait 0199… --json | jq .output",
	}, func(ctx context.Context, args []string) error {
		id, err := itemID(args[0])
		if err != nil {
			return err
		}
		pool, err := a.database(ctx)
		if err != nil {
			return err
		}
		item, err := queue.New(pool).Wait(ctx, id)
		if err != nil {
			return err
		}
		if err := a.result(item, func(w io.Writer) { renderOutcome(w, item, a.now()) }); err != nil {
			return err
		}
		if finalStatus(item) != "COMPLETED" {
			return codeError(exitFailed)
		}
		return nil
	})
}

func renderOutcome(w io.Writer, item queue.State, now time.Time) {
	_, _ = fmt.Fprintf(w, "%s %s", finalStatus(item), item.ID)
	if timing := itemTiming(item, now); timing != "" {
		_, _ = fmt.Fprintf(w, ", %s", timing)
	}
	_, _ = fmt.Fprintln(w)
	if text := failure(item); text != "" {
		_, _ = fmt.Fprintln(w, oneLine(text, mostOfField))
	}
	if len(item.Output) > 0 {
		_, _ = fmt.Fprintln(w, string(item.Output))
	}
}

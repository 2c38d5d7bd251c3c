package main

import (
	"context"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"sluice/internal/admission"
	"sluice/internal/operate"
	"sluice/queue"
	"sluice/workflows"
)

// statusResult is what status prints. Dispatcher is nil when it could not be asked; DispatcherError then says why.
type statusResult struct {
	Dispatcher      *workflows.Status      `json:"dispatcher"`
	DispatcherError string                 `json:"dispatcherError,omitempty"`
	Workspaces      []queue.WorkspaceUsage `json:"workspaces"`

	link string
}

func (a *app) statusCommand() *cobra.Command {
	return a.does(&cobra.Command{
		Use: "status", Short: "Show what the dispatcher does and what each workspace waits for", Args: exactly(),
		Long: "Show the dispatcher and all workspaces. When the dispatcher is not running or no worker answers for it, the\n" +
			"workspaces are shown all the same and the exit code is 3; it is 4 when Temporal can't be reached.",
	}, func(ctx context.Context, _ []string) error {
		q, err := a.queue(ctx)
		if err != nil {
			return err
		}
		workspaces, err := q.Workspaces(ctx)
		if err != nil {
			return err
		}
		result := statusResult{Workspaces: append([]queue.WorkspaceUsage{}, workspaces...)}
		status, askErr := a.askStatus(ctx)
		if askErr == nil {
			result.Dispatcher, result.link = &status, a.workflowLink(workflows.DispatcherID, "")
			explainPause(result.Workspaces, status)
		} else {
			result.DispatcherError = strings.TrimPrefix(askErr.Error(), "ask for the status: ")
		}
		if err := a.result(result, func(w io.Writer) { renderStatus(w, result, a.now()) }); err != nil {
			return err
		}
		if askErr != nil {
			return codeError(exitCode(askErr))
		}
		return nil
	})
}

func (a *app) askStatus(ctx context.Context) (workflows.Status, error) {
	c, err := a.client(ctx)
	if err != nil {
		return workflows.Status{}, err
	}
	return operate.Status(ctx, c)
}

// explainPause says paused of the workspaces that nothing else keeps waiting.
func explainPause(workspaces []queue.WorkspaceUsage, s workflows.Status) {
	if s.Pause == nil {
		return
	}
	paused := string(admission.Paused)
	for i, w := range workspaces {
		if w.Pending > 0 && w.Reason == nil {
			workspaces[i].Reason = &paused
		}
	}
}

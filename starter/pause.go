package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"sluice/admin"
	"sluice/internal/operate"
	"sluice/internal/store/facts"
	"sluice/workflows"
)

// scopeFlags say what is paused.
type scopeFlags struct{ workspace, kind, definition string }

func (f *scopeFlags) add(command *cobra.Command) {
	command.Flags().StringVar(&f.workspace, "workspace", "", "only the workspace with this `id` or key")
	command.Flags().StringVar(&f.kind, "type", "", "only workflows of this type, by its `name`; without --workspace in all workspaces")
	command.Flags().StringVar(&f.definition, "definition", "", "only the workflow definition with this `id`")
	command.MarkFlagsMutuallyExclusive("type", "definition")
}

// scope is what the flags name; the zero scope is everything.
func (a *app) scope(ctx context.Context, command *cobra.Command, f scopeFlags) (s admin.Scope, err error) {
	if command.Flags().Changed("type") && f.kind == "" {
		return s, usage("--type must not be empty")
	}
	s.WorkflowType = f.kind
	if command.Flags().Changed("definition") {
		if s.DefinitionID, err = definitionID("--definition", f.definition); err != nil {
			return s, err
		}
	}
	s.WorkspaceID, err = a.optionalWorkspace(ctx, command, f.workspace)
	return s, err
}

// held is what pause and resume print of a scope.
type held struct {
	Changed bool          `json:"changed"` // false: it was so before
	Paused  []admin.Pause `json:"paused"`  // what is paused now
}

func (a *app) pauseCommand() *cobra.Command {
	var reason string
	var of scopeFlags
	var lasts termFlags
	command := &cobra.Command{
		Use: "pause", Short: "Start nothing new until resume; what runs goes on", Args: exactly(),
		Long: "Start nothing new until resume: of all there is, of a workspace, of a workflow type, or of a definition. What runs\n" +
			"goes on, and limits stay what they are. Types and definitions that are paused hold up no others.\n\n" +
			"Without flags the dispatchers themselves are paused, and have to be there to be told. With any other flag than\n" +
			"--reason the pause is in the database and holds from the next claim on, whether they are there or not.",
		Example: "  starter pause --reason deploy\n  starter pause --workspace acme --for 2h --reason 'unpaid'\n" +
			"  starter pause --type SendInvoice --reason 'the mail server is down'\n  starter pause --until 2026-11-29T18:00:00Z",
	}
	command.Flags().StringVar(&reason, "reason", "", "why, for the status and the activity log")
	of.add(command)
	lasts.add(command, "it is paused")
	command.AddCommand(a.pauseListCommand())
	return a.does(command, func(ctx context.Context, _ []string) error {
		given := command.Flags().Changed
		if !given("workspace") && !given("type") && !given("definition") && !lasts.given() {
			c, err := a.client(ctx)
			if err != nil {
				return err
			}
			all, err := operate.Pause(ctx, c, a.databaseIfKnown(ctx), workflows.PauseRequest{Actor: a.config.Actor, Reason: reason})
			if err != nil {
				return err
			}
			return a.result(told(all), func(w io.Writer) { _, _ = fmt.Fprintln(w, "dispatcher paused") })
		}
		term, err := lasts.term()
		if err != nil {
			return err
		}
		office, err := a.office(ctx)
		if err != nil {
			return err
		}
		scope, err := a.scope(ctx, command, of)
		if err != nil {
			return err
		}
		changed, err := office.Pause(ctx, scope, term, a.config.Actor, reason)
		if err != nil {
			return err
		}
		return a.nowPaused(ctx, office, changed, "paused", "it was paused so before")
	})
}

// pausedNow is what pause list prints.
type pausedNow struct {
	Paused     []admin.Pause    `json:"paused"`
	Dispatcher *workflows.Pause `json:"dispatcher,omitempty"`        // that of the dispatchers themselves
	Unknown    string           `json:"dispatcherUnknown,omitempty"` // why it is not known whether they are
}

func (a *app) pauseListCommand() *cobra.Command {
	command := &cobra.Command{
		Use: "list", Short: "List what is paused, by whom, why and until when", Args: exactly(),
		Long: "List what is paused, by whom, why and until when. That the dispatchers themselves are paused is told where Temporal\ncan be reached.",
	}
	return a.does(command, func(ctx context.Context, _ []string) error {
		office, err := a.office(ctx)
		if err != nil {
			return err
		}
		list, err := office.Pauses(ctx)
		if err != nil {
			return err
		}
		now := pausedNow{Paused: append([]admin.Pause{}, list...)}
		if now.Dispatcher, err = a.dispatcherPause(ctx); err != nil {
			now.Unknown = err.Error()
			a.note("note: whether the dispatchers themselves are paused is not known: " + now.Unknown)
		}
		return a.result(now, func(w io.Writer) {
			switch {
			case now.Unknown != "" && len(list) == 0:
				_, _ = fmt.Fprintln(w, "nothing is paused in the database; of the dispatchers themselves it is not known")
				return
			case now.Dispatcher == nil && len(list) == 0:
				_, _ = fmt.Fprintln(w, "nothing is paused")
				return
			}
			renderPauses(w, now.Dispatcher, list, a.now())
		})
	})
}

// dispatcherPause is the pause of the dispatchers themselves: that of one is that of all.
func (a *app) dispatcherPause(ctx context.Context) (*workflows.Pause, error) {
	c, err := a.client(ctx)
	if err != nil {
		return nil, err
	}
	status, err := operate.StatusOf(ctx, c, 0)
	return status.Pause, err
}

func (a *app) resumeCommand() *cobra.Command {
	var reason string
	var of scopeFlags
	command := &cobra.Command{
		Use: "resume", Short: "End a pause", Args: exactly(),
		Long: "End a pause: give the same --workspace, --type or --definition as when it began, or none of them for the pause of\n" +
			"all there is. It ends that pause and no other; what else is paused is shown.",
	}
	command.Flags().StringVar(&reason, "reason", "", "why, for the activity log")
	of.add(command)
	return a.does(command, func(ctx context.Context, _ []string) error {
		given := command.Flags().Changed
		if !given("workspace") && !given("type") && !given("definition") {
			return a.resumeAll(ctx, reason)
		}
		office, err := a.office(ctx)
		if err != nil {
			return err
		}
		scope, err := a.scope(ctx, command, of)
		if err != nil {
			return err
		}
		changed, err := office.Resume(ctx, scope, a.config.Actor, reason)
		if err != nil {
			return err
		}
		return a.nowPaused(ctx, office, changed, "resumed", "it was not paused")
	})
}

// resumeAll ends the pause of everything in the database, and that of the dispatchers.
func (a *app) resumeAll(ctx context.Context, reason string) error {
	pool, lifted := a.databaseIfKnown(ctx), false
	if pool != nil {
		var err error
		if lifted, err = admin.New(pool).Resume(ctx, admin.Scope{}, a.config.Actor, reason); err != nil {
			return err
		}
	}
	c, err := a.client(ctx)
	if err == nil {
		all, tellErr := operate.Resume(ctx, c, pool, workflows.ResumeRequest{Actor: a.config.Actor})
		if tellErr == nil {
			return a.result(told(all), func(w io.Writer) { _, _ = fmt.Fprintln(w, "dispatcher resumed") })
		}
		err = tellErr
	}
	if !lifted {
		return err
	}
	if !errors.Is(err, operate.ErrRefused) { // it is not paused itself
		a.note("note: whether the dispatchers themselves are paused is not known: " + err.Error())
	}
	return a.nowPaused(ctx, admin.New(pool), true, "resumed", "")
}

// nowPaused prints what has been done, and what is paused now.
func (a *app) nowPaused(ctx context.Context, office *admin.Client, changed bool, did, before string) error {
	list, err := office.Pauses(ctx)
	if err != nil {
		return err
	}
	return a.result(held{changed, append([]admin.Pause{}, list...)}, func(w io.Writer) {
		if !changed {
			did = before
		}
		_, _ = fmt.Fprintln(w, did)
		if len(list) > 0 {
			_, _ = fmt.Fprintln(w)
			renderPauses(w, nil, list, a.now())
		}
	})
}

// renderPauses lists what is paused.
func renderPauses(w io.Writer, dispatcher *workflows.Pause, list []admin.Pause, now time.Time) {
	var rows [][]string
	if dispatcher != nil {
		rows = append(rows, []string{"the dispatchers themselves", dispatcher.Actor, relative(&dispatcher.Since, now), untilResumed, dispatcher.Reason})
	}
	for _, p := range list {
		rows = append(rows, []string{pausedText(p), p.Actor, relative(&p.Since, now), orElse(relative(p.Until, now), untilResumed), p.Reason})
	}
	table(w, []string{"PAUSED", "BY", "SINCE", "ENDS", "REASON"}, rows)
}

const untilResumed = "until resumed"

// pausedText says what is paused.
func pausedText(p admin.Pause) string {
	text := "everything"
	switch {
	case p.WorkflowType != nil:
		text = "type " + *p.WorkflowType
	case p.DefinitionID != nil:
		text = "definition " + named(p.DefinitionName, *p.DefinitionID)
	case p.WorkspaceID != nil:
		return "workspace " + named(p.WorkspaceName, *p.WorkspaceID)
	}
	if p.WorkspaceID != nil {
		text += " of workspace " + named(p.WorkspaceName, *p.WorkspaceID)
	}
	return text
}

func named(name *string, id uuid.UUID) string {
	if name == nil {
		return id.String()
	}
	return fmt.Sprintf("%s (%s)", oneLine(*name, 50), id)
}

// byWhom says who has paused an item, and why.
func byWhom(p *facts.Pause, now time.Time) string {
	if p == nil {
		return ""
	}
	text := p.Actor + " " + relative(&p.Since, now)
	if p.Until != nil {
		text += ", ends " + relative(p.Until, now)
	}
	if p.Reason != "" {
		text += " (" + oneLine(p.Reason, 200) + ")"
	}
	return text
}

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"sluice/admin"
	"sluice/internal/store/catalog"
	"sluice/queue"
	"sluice/starter/bulk"
)

const unboundedForMany = "unbounded for many"

// forMany are the annotations of a command that does something to many items unless one is named.
func forMany() map[string]string {
	return map[string]string{unboundedForMany: "it works in batches, and can be broken off and run again"}
}

// choose selects what a command means, and asks whether to go ahead where that was not named by ids. With --dry-run it prints the selection
// and returns false; what would be refused is refused then too.
func (a *app) choose(ctx context.Context, command *cobra.Command, f *bulk.Flags, action admin.Action, args []string) (office *admin.Client, s admin.Selection, goAhead bool, err error) {
	ids, err := itemIDs(args)
	if err != nil {
		return nil, s, false, err
	}
	if office, err = a.office(ctx); err != nil {
		return nil, s, false, err
	}
	filter, err := f.Filter(ctx, command, ids, func(ctx context.Context, value string) (uuid.UUID, error) {
		return a.workspaceOf(ctx, "--workspace", value)
	})
	if err != nil {
		return nil, s, false, err
	}
	if s, err = office.Select(ctx, action, filter); err != nil {
		return nil, s, false, err
	}
	if err := a.leftAlone(ctx, s, ids, f.OneByID(command, args)); err != nil {
		return nil, s, false, err
	}
	if action == admin.Retry && f.DryRun() && ids != nil { // otherwise the retry itself refuses
		if err := catalog.WhyNotRetryable(ctx, a.pool, ids); err != nil {
			return nil, s, false, err
		}
	}
	switch {
	case f.DryRun():
		return office, s, false, a.result(s, func(w io.Writer) { _, _ = fmt.Fprintln(w, bulk.Preview(s)) })
	case f.Yes || ids != nil || s.Total == 0:
		return office, s, true, nil
	case a.flags.json:
		return nil, s, false, usage("%s: say --yes to go ahead, or --dry-run to count only", bulk.Preview(s))
	}
	err = bulk.Ask(a.stdin, a.stderr, s)
	return office, s, err == nil, err
}

// leftAlone tells of items that were named and are not of a selection; where the only one is not, it is an error that says what that is.
// (A retry does so itself.)
func (a *app) leftAlone(ctx context.Context, s admin.Selection, ids []uuid.UUID, only bool) error {
	left := len(ids) - int(s.Total)
	switch {
	case s.Action == admin.Retry || left <= 0:
		return nil
	case !only:
		a.note(fmt.Sprintf("note: %d of %s left alone: not %s, or named twice, or unknown", left, plural(len(ids), "item", "items"), strings.Join(s.Action.Statuses(), " or ")))
		return nil
	}
	item, err := queue.New(a.pool).Get(ctx, ids[0])
	if err != nil {
		return err
	}
	if status := finalStatus(item); !slices.Contains(s.Action.Statuses(), status) {
		return fmt.Errorf("item %s is %s: starter %s is for what is %s", ids[0], status, s.Action, strings.Join(s.Action.Statuses(), " or "))
	}
	if s.Action == admin.Replay {
		return fmt.Errorf("item %s cannot be replayed: it has been already, or it never started, or another item with its workflow id waits or runs", ids[0])
	}
	return nil // it has become so just now
}

// progress tells how far a command has come.
func (a *app) progress(s admin.Selection) admin.Progress { return bulk.Progress(a.note, a.now, s) }

// brokenOff says how far a command has come that was broken off.
func (a *app) brokenOff(done int64, s admin.Selection, err error) error {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		a.note(fmt.Sprintf("note: broken off with %d of %d done; to go on, run it again with --as-of %s", done, s.Total, asOf(s)))
	}
	return err
}

// asOf is the moment of a selection as --as-of takes it.
func asOf(s admin.Selection) string { return s.Moment.UTC().Format(time.RFC3339Nano) }

// changed is what a command prints that has done something to many items.
type changed struct {
	Done     int64           `json:"done"`
	Selected admin.Selection `json:"selected"`
}

// retried is what retry prints.
type retried struct {
	Retried int64 `json:"retried"`
	Expired int64 `json:"expired"` // left alone: they would only expire
}

func (a *app) retryCommand() *cobra.Command {
	var f bulk.Flags
	var why string
	command := &cobra.Command{
		Use: "retry [ID...]", Short: "Put FAILED items back into the queue", Args: cobra.ArbitraryArgs, Annotations: forMany(),
		Long: "Put items that FAILED before they started back to PENDING, ready at once and with no attempts counted: those\n" +
			"named, or those of a filter. Of the items named, all are retried or none. An item whose expiry has passed is\n" +
			"left alone. Why items failed is in: starter list --status FAILED. For executions that have failed: starter replay.",
		Example: "  starter retry --reason definition-gone --dry-run\n  starter retry --error 'connection refused' --older-than 1h\n  starter retry --all --limit 1000 --yes",
	}
	f.Add(command, admin.Retry)
	f.FilterReasons(command, "reason")
	command.Flags().StringVar(&why, "why", "", "why they are retried, for the activity log")
	return a.does(command, func(ctx context.Context, args []string) error {
		if command.Flags().Changed("reason") && command.Flags().Lookup("reason").Value.String() == "" {
			return usage("--reason must not be empty")
		}
		if len(args) > 0 && command.Flags().Changed("as-of") {
			return usage("--as-of is for a filter: of the items that are named, all are retried or none")
		}
		office, s, goAhead, err := a.choose(ctx, command, &f, admin.Retry, args)
		if err != nil || !goAhead {
			return err
		}
		var result retried
		if len(args) > 0 {
			ids, _ := itemIDs(args) // choose has read them
			result.Retried, err = office.Retry(ctx, admin.RetryFilter{IDs: ids, Why: why}, a.config.Actor)
		} else if result.Retried, err = office.RetrySelected(ctx, s, a.config.Actor, why, a.progress(s)); err == nil {
			result.Expired, err = office.CountExpiredOf(ctx, s)
		}
		if err != nil {
			return a.brokenOff(result.Retried, s, err)
		}
		return a.result(result, func(w io.Writer) { renderRetried(w, result) })
	})
}

func renderRetried(w io.Writer, r retried) {
	text := plural(int(r.Retried), "item", "items") + " retried"
	if r.Expired > 0 {
		text += fmt.Sprintf("; %s left FAILED: the expiry has passed", plural(int(r.Expired), "item", "items"))
	}
	_, _ = fmt.Fprintln(w, text)
}

func (a *app) replayCommand() *cobra.Command {
	var f bulk.Flags
	var reason string
	command := &cobra.Command{
		Use: "replay [ID...]", Short: "Enqueue executions anew that failed, timed out or were terminated", Args: cobra.ArbitraryArgs, Annotations: forMany(),
		Long: "Enqueue executions anew that FAILED, TIMED_OUT or were TERMINATED: those named, or those of a filter. For each\n" +
			"there is a new item with the same request, which names the first (replay of, in starter describe). An execution is\n" +
			"replayed once, so this can be broken off and run again; when its replay fails, replay that. The new item has\n" +
			"neither the unique key nor the expiry of the first. Where the first was a client's start, it holds the workflow id as\n" +
			"that did: an execution is left alone while another item with its id waits or runs.",
		Example: "  starter replay --type SendInvoice --error timeout --dry-run\n  starter replay --workspace acme --status TIMED_OUT --yes --reason 'the mail server is back'",
	}
	f.Add(command, admin.Replay)
	command.Flags().StringVar(&reason, "reason", "", "why, for the activity log")
	return a.does(command, func(ctx context.Context, args []string) error {
		office, s, goAhead, err := a.choose(ctx, command, &f, admin.Replay, args)
		if err != nil || !goAhead {
			return err
		}
		n, err := office.ReplaySelected(ctx, s, a.config.Actor, reason, a.progress(s))
		if err != nil {
			return a.brokenOff(n, s, err)
		}
		return a.result(changed{n, s}, func(w io.Writer) { _, _ = fmt.Fprintln(w, plural(int(n), "execution", "executions")+" replayed") })
	})
}

func (a *app) reprioritizeCommand() *cobra.Command {
	var f bulk.Flags
	var reason, at string
	var priority int
	var in daysFlag
	command := &cobra.Command{
		Use: "reprioritize [ID...]", Short: "Change the priority or the time of items that wait", Args: cobra.ArbitraryArgs, Annotations: forMany(),
		Long: "Change the priority or the time of PENDING items: those named, or those of a filter. It holds from the next claim on.\n" +
			"An item that would expire before that time is left as it is.",
		Example: "  starter reprioritize ID --priority 1\n  starter reprioritize --workspace acme --type Report --in 8h --reason 'at night'\n  starter reprioritize --type SendInvoice --in 0s --yes",
	}
	f.Add(command, admin.Reprioritize)
	f.FilterReasons(command, "failed-for")
	flags := command.Flags()
	flags.IntVar(&priority, "priority", 0, "1 (first) to 5 (last)")
	flags.Var(&in, "in", "available in so long, like 2h or 1d; 0s: at once")
	flags.StringVar(&at, "at", "", "available at this `time`, like 2026-11-29T18:00:00Z")
	flags.StringVar(&reason, "reason", "", "why, for the activity log")
	command.MarkFlagsMutuallyExclusive("in", "at")
	command.MarkFlagsOneRequired("priority", "in", "at")
	return a.does(command, func(ctx context.Context, args []string) error {
		place := admin.Place{In: in.duration}
		if flags.Changed("priority") {
			place.Priority = &priority
		}
		if at != "" {
			t, err := time.Parse(time.RFC3339, at)
			if err != nil {
				return usage("--at must be a time like 2026-11-29T18:00:00Z, not %q", at)
			}
			place.At = &t
		}
		office, s, goAhead, err := a.choose(ctx, command, &f, admin.Reprioritize, args)
		if err != nil || !goAhead {
			return err
		}
		n, err := office.ReprioritizeSelected(ctx, s, place, a.config.Actor, reason, a.progress(s))
		if err != nil {
			return a.brokenOff(n, s, err)
		}
		return a.result(changed{n, s}, func(w io.Writer) {
			text := plural(int(n), "item", "items") + " changed"
			if left := s.Total - n; left > 0 {
				text += fmt.Sprintf("; %d left as before: it is so already, has started, or would expire", left)
			}
			_, _ = fmt.Fprintln(w, text)
		})
	})
}

// itemIDs is nil for no arguments.
func itemIDs(args []string) ([]uuid.UUID, error) {
	var ids []uuid.UUID
	for _, arg := range args {
		id, err := itemID(arg)
		if err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, nil
}

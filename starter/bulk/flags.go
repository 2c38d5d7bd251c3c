package bulk

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"sluice/admin"
	"sluice/internal/bounds"
)

// Flags say which items a command means, and whether it goes ahead.
type Flags struct {
	action                                     admin.Action
	workspace, kind, definition, status, error string
	why                                        string // a filter of reasons
	older, asOf                                string
	limit                                      int
	all, dryRun, Yes                           bool
}

// filters are the flags that narrow a selection.
var filters = []string{"workspace", "type", "definition", "status", "error", "older-than"}

// Add adds the flags for an action.
func (f *Flags) Add(command *cobra.Command, action admin.Action) {
	f.action = action
	flags := command.Flags()
	flags.StringVar(&f.workspace, "workspace", "", "those of the workspace with this `id` or key")
	flags.StringVar(&f.kind, "type", "", "those that are workflows of this type, by its `name`")
	flags.StringVar(&f.definition, "definition", "", "those of the workflow definition with this `id`")
	if statuses := action.Statuses(); len(statuses) > 1 {
		flags.StringVar(&f.status, "status", "", "those in this status: "+strings.Join(statuses, ", "))
	}
	flags.StringVar(&f.error, "error", "", "those whose error has this `text` in it, in letters of either case")
	flags.StringVar(&f.older, "older-than", "", "those that were enqueued at least so long ago, like 2h or 3d")
	if action != admin.Cancel && action != admin.Terminate {
		flags.IntVar(&f.limit, "limit", 0, "at most so many, oldest first; 0 for no limit")
	}
	flags.StringVar(&f.asOf, "as-of", "", "as they were at this `time`, to go on with a command that was broken off and named it")
	flags.BoolVar(&f.all, "all", false, "all of them")
	flags.BoolVar(&f.dryRun, "dry-run", false, "print how many there are, and do nothing")
	flags.BoolVar(&f.Yes, "yes", false, "go ahead without asking")
	command.MarkFlagsMutuallyExclusive("type", "definition")
	for _, name := range filters {
		if flags.Lookup(name) != nil {
			command.MarkFlagsMutuallyExclusive("all", name)
		}
	}
}

// FilterReasons adds a flag that narrows by why items failed to start.
func (f *Flags) FilterReasons(command *cobra.Command, name string) {
	command.Flags().StringVar(&f.why, name, "", "those that failed to start for this reason, in one `word` such as start-failed")
	command.MarkFlagsMutuallyExclusive("all", name)
}

// Given tells whether items are named by a filter, or all are meant, and not only by ids.
func (f *Flags) Given(command *cobra.Command) bool {
	given := f.all
	for _, name := range filters {
		given = given || command.Flags().Changed(name)
	}
	return given || f.why != ""
}

// OneByID tells whether exactly one item is named, by its id and by nothing else.
func (f *Flags) OneByID(command *cobra.Command, args []string) bool {
	return len(args) == 1 && !f.Given(command) && !command.Flags().Changed("as-of")
}

// DryRun tells whether nothing is to be done.
func (f *Flags) DryRun() bool { return f.dryRun }

// UsageError is a command line that says not well enough which items are meant.
type UsageError struct{ Message string }

func (e *UsageError) Error() string { return e.Message }

func usage(format string, args ...any) error { return &UsageError{fmt.Sprintf(format, args...)} }

// Filter is what the flags and ids mean. Workspace finds the one that its flag names.
func (f *Flags) Filter(ctx context.Context, command *cobra.Command, ids []uuid.UUID, workspace func(ctx context.Context, value string) (uuid.UUID, error)) (filter admin.Filter, err error) {
	given := command.Flags().Changed
	switch {
	case len(ids) > 0 && f.Given(command):
		return filter, usage("give ids or a filter, not both")
	case len(ids) > 0 && given("limit"):
		return filter, usage("give ids or a filter, not both")
	case f.limit < 0:
		return filter, usage("--limit must not be negative, got %d", f.limit)
	case len(ids) == 0 && !f.Given(command):
		return filter, usage("say what to %s: ids, a filter such as --workspace, or --all", f.action)
	}
	for _, flag := range []struct{ name, value string }{{"type", f.kind}, {"status", f.status}, {"error", f.error}} {
		if given(flag.name) && flag.value == "" {
			return filter, usage("--%s must not be empty", flag.name)
		}
	}
	filter = admin.Filter{WorkflowType: f.kind, Status: strings.ToUpper(f.status), Reason: f.why, Error: f.error, Limit: f.limit}
	if len(ids) > 0 {
		filter.IDs = ids
	}
	if f.status != "" && !slices.Contains(f.action.Statuses(), filter.Status) {
		return filter, usage("unknown --status %q: it is one of %s", f.status, strings.Join(f.action.Statuses(), ", "))
	}
	if given("definition") {
		if filter.DefinitionID, err = uuid.Parse(f.definition); err != nil || filter.DefinitionID == uuid.Nil { // which does not narrow
			return filter, usage("--definition %q is not a definition id (a UUID); list them with: starter definition list", f.definition)
		}
	}
	if given("older-than") {
		if filter.OlderThan, err = bounds.Duration(f.older); err != nil {
			return filter, usage("--older-than %v", err)
		}
	}
	if given("as-of") {
		if filter.AsOf, err = time.Parse(time.RFC3339Nano, f.asOf); err != nil {
			return filter, usage("--as-of must be a time like 2026-11-29T18:00:00Z, not %q", f.asOf)
		}
	}
	if given("workspace") {
		filter.WorkspaceID, err = workspace(ctx, f.workspace)
	}
	return filter, err
}

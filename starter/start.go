package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/spf13/cobra"

	"sluice/admin"
	"sluice/internal/operate"
	"sluice/internal/store/catalog"
	"sluice/schema"
	"sluice/workflows"
)

func (a *app) startCommand() *cobra.Command {
	var tunables tunableFlags
	var shards int
	var move, abandon bool
	command := &cobra.Command{
		Use: "start", Short: "Start the dispatcher and the recovery schedule", Args: exactly(),
		Long: "Start the dispatcher, a workflow of which there is one, and the schedule that repairs what crashes leave\n" +
			"behind. It registers the search attributes of executions if need be. When the dispatcher runs already,\n" +
			"nothing changes and the exit code is 0. No worker has to run yet.\n\n" +
			"--shards divides the workspaces among so many dispatchers. The number is stored in Postgres and holds until\n" +
			"it is changed, at any time: dispatchers that are missing are started, with the pause and the tunables of those\n" +
			"that run, and those that are too many end by themselves.\n\n" +
			"A database and a Temporal namespace belong together from the first start on: a worker refuses to run with another\n" +
			"pair. --move gives the database to this namespace, and the namespace to this database, whatever they belonged to.\n" +
			"Stop the dispatcher in the former namespace, and the workers, and let what runs there end first; --abandon moves\n" +
			"all the same: what runs goes on there, and ends TERMINATED here.",
		Example: "  starter start\n  starter start --shards 4",
	}
	tunables.add(command)
	command.Flags().IntVar(&shards, "shards", 0, "how many dispatchers share the workspaces (default: as many as are stored, at first 1)")
	command.Flags().BoolVar(&move, "move", false, "give the database and this namespace to one another")
	command.Flags().BoolVar(&abandon, "abandon", false, "with --move: although executions still run in the former namespace")
	return a.does(command, func(ctx context.Context, _ []string) error {
		options := operate.StartOptions{Tunables: tunables.request(command), Move: move, Abandon: abandon, Actor: a.config.Actor}
		if err := tunables.initial(command).WithDefaults().Validate(); err != nil {
			return usage("%v", err)
		}
		if command.Flags().Changed("shards") {
			if shards < 1 || shards > catalog.MaxShards {
				return usage("--shards must be 1 to %d, not %d", catalog.MaxShards, shards)
			}
			options.Shards = shards
		}
		if abandon && !move {
			return usage("--abandon goes with --move")
		}
		pool, err := a.database(ctx)
		if err != nil {
			return err
		}
		c, err := a.dial(ctx, a.wait())
		if err != nil {
			return err
		}
		all, err := operate.StartAll(ctx, c, a.config.Temporal.Namespace, pool, options)
		if errors.Is(err, catalog.ErrRunning) {
			return fmt.Errorf("%w; let them end there, or move all the same with --abandon", err)
		}
		if err != nil {
			return err
		}
		ran := func(s operate.Started) bool { return s.AlreadyRunning }
		if found := slices.ContainsFunc(all.Dispatchers, ran); found && options.Tunables != (workflows.ConfigureRequest{}) {
			a.note("its tunables have not been changed; do that with: starter configure")
		}
		if slices.ContainsFunc(all.Dispatchers, func(s operate.Started) bool { return !ran(s) }) {
			a.logStart(ctx, pool)
		}
		return a.result(newStartResult(all), func(w io.Writer) { a.renderStart(w, all) })
	})
}

// startResult is the dispatcher, and with several shards those of the others.
type startResult struct {
	operate.Started
	Others []operate.Started `json:"others,omitempty"`
	Ending []int             `json:"ending,omitempty"` // shards that there are no more
}

func newStartResult(all operate.StartedAll) startResult {
	return startResult{all.Dispatchers[0], all.Dispatchers[1:], all.Surplus}
}

func (a *app) renderStart(w io.Writer, all operate.StartedAll) {
	for _, started := range all.Dispatchers {
		verb := "started"
		if started.AlreadyRunning {
			verb = "already running"
		}
		_, _ = fmt.Fprintf(w, "dispatcher %s (workflow %s, run %s)\n", verb, started.WorkflowID, started.RunID)
		if link := a.workflowLink(started.WorkflowID, started.RunID); link != "" {
			_, _ = fmt.Fprintln(w, link)
		}
	}
	for _, shard := range all.Surplus {
		_, _ = fmt.Fprintf(w, "dispatcher ends by itself (workflow %s)\n", workflows.ShardID(shard))
	}
}

// logStart writes the start into the activity log.
func (a *app) logStart(ctx context.Context, pool *pgxpool.Pool) {
	if err := admin.New(pool).Log(ctx, admin.Activity{Actor: a.config.Actor, Action: "dispatcher-start"}); err != nil {
		a.note("note: the dispatcher has been started, but this is not in the activity log: " + err.Error())
	}
}

// workflowLink is the workflow's page in the Web UI, or "" when its address is unknown.
func (a *app) workflowLink(workflowID, runID string) string {
	if a.config.UIURL == "" {
		return ""
	}
	link := a.config.UIURL + "/namespaces/" + a.config.Temporal.Namespace + "/workflows/" + url.PathEscape(workflowID)
	if runID != "" {
		link += "/" + runID
	}
	return link
}

func (a *app) migrateCommand() *cobra.Command {
	return a.does(&cobra.Command{
		Use: "migrate", Short: "Bring the database schema to this version", Args: exactly(),
		Long: "Create the schema sluice in the database, or bring it to this version. It may run several times, at once\n" +
			"and while workers run. It is only bounded by --timeout when that is given.",
		Annotations: map[string]string{unbounded: "yes"},
	}, func(ctx context.Context, _ []string) error {
		if _, err := a.anyDatabase(ctx); err != nil { // waits for the server, which Migrate does not
			return err
		}
		applied, err := schema.MigrateNotifying(ctx, a.config.DatabaseURL, a.note)
		if err != nil {
			return err
		}
		result := struct {
			Applied []int64 `json:"applied"`
			Version int64   `json:"version"`
		}{append([]int64{}, applied...), schema.Version()}
		return a.result(result, func(w io.Writer) {
			if len(applied) == 0 {
				_, _ = fmt.Fprintf(w, "schema sluice is up to date at version %d\n", result.Version)
				return
			}
			_, _ = fmt.Fprintf(w, "schema sluice is now at version %d (%s applied)\n", result.Version, plural(len(applied), "migration", "migrations"))
		})
	})
}

func (a *app) grantCommand() *cobra.Command {
	return a.group("grant", "Give a role of the database the rights that it needs", a.grantEnqueue())
}

// granted is what grant prints.
type granted struct {
	Role       string   `json:"role"`
	Statements []string `json:"statements"`
}

func (a *app) grantEnqueue() *cobra.Command {
	return a.does(&cobra.Command{
		Use: "enqueue ROLE", Short: "Allow a role to enqueue, and nothing else", Args: exactly("ROLE"),
		Long: "Allow a role of the database to enqueue, with SQL as with package queue, for any number of shards. It can read\n" +
			"no item and no input, and write nothing but the items that it enqueues. Only the owner of schema sluice can\n" +
			"grant it. The statements are printed. What the role could do before, it still can.",
		Example: "  starter grant enqueue shop",
	}, func(ctx context.Context, args []string) error {
		office, err := a.office(ctx)
		if err != nil {
			return err
		}
		statements, err := office.GrantEnqueue(ctx, args[0], a.config.Actor)
		if err != nil {
			return err
		}
		return a.result(granted{args[0], statements}, func(w io.Writer) { _, _ = fmt.Fprintln(w, strings.Join(statements, ";\n")+";") })
	})
}

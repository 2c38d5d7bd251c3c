package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"sluice/admin"
)

const rootHelp = `starter runs Sluice: it migrates the database, starts and steers the dispatcher, and
enqueues, lists, cancels and retries work.

Where things are (a flag wins over the environment, the environment over a dev stack):
  Postgres   --database-url, DATABASE_URL, or the dev stack
  Temporal   --address and --namespace, TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE and the
             other TEMPORAL_ variables (profiles, TLS, API key), the dev stack, or
             localhost:7233
  dev stack  what a worker started with --dev has left in --dev-dir, SLUICE_DEV_DIR
             or .sluice

Exit codes:
  0  done
  1  failed: a server refused or broke off, the item is over already, or the audit has
     found a violation
  2  bad usage, or a request that was refused (unknown workspace, invalid JSON)
  3  the dispatcher is not running, no worker answers for it, or no such item
  4  Postgres or Temporal cannot be reached or used

Results go to stdout, everything else to stderr. With --json, an error is
{"error": "..."} on stderr.`

const (
	groupSystem = "system"
	groupWork   = "work"
)

func newRoot(a *app) *cobra.Command {
	root := &cobra.Command{
		Use: "starter", Short: "Run Sluice and the work in it", Long: rootHelp,
		SilenceUsage: true, SilenceErrors: true, RunE: a.helpOnly, Args: cobra.ArbitraryArgs,
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: true},
	}
	f := root.PersistentFlags()
	f.BoolVar(&a.flags.json, "json", false, "print the result as JSON")
	f.StringVar(&a.flags.databaseURL, "database-url", "", "Postgres `URL` (environment: DATABASE_URL)")
	f.StringVar(&a.flags.address, "address", "", "Temporal's `host:port` (environment: TEMPORAL_ADDRESS)")
	f.StringVar(&a.flags.namespace, "namespace", "", "Temporal `namespace` (environment: TEMPORAL_NAMESPACE)")
	f.StringVar(&a.flags.devDir, "dev-dir", "", "`directory` of a dev stack (environment: SLUICE_DEV_DIR; default .sluice)")
	f.StringVar(&a.flags.actor, "actor", "", "`who` is asking, for the activity log (default starter:<your user name>)")
	f.DurationVar(&a.flags.timeout, "timeout", defaultTimeout, "how long the command may take; 0 for ever")

	root.AddGroup(&cobra.Group{ID: groupSystem, Title: "The system:"}, &cobra.Group{ID: groupWork, Title: "The work:"})
	add := func(group string, commands ...*cobra.Command) {
		for _, c := range commands {
			c.GroupID = group
			root.AddCommand(c)
		}
	}
	add(groupSystem, a.migrateCommand(), a.startCommand(), a.stopCommand(), a.statusCommand(), a.topCommand(), a.auditCommand(), a.pauseCommand(),
		a.resumeCommand(), a.configureCommand(), a.workspaceCommand(), a.tierCommand(), a.limitsCommand(), a.grantCommand(), a.tokenCommand(), a.simulateCommand())
	add(groupWork, a.definitionCommand(), a.enqueueCommand(), a.waitCommand(), a.listCommand(), a.describeCommand(), a.cancelCommand(), a.terminateCommand(), a.retryCommand(),
		a.replayCommand(), a.reprioritizeCommand(), a.releaseKeyCommand())
	return root
}

// group is a command that only holds others.
func (a *app) group(use, short string, commands ...*cobra.Command) *cobra.Command {
	g := &cobra.Command{Use: use, Short: short, RunE: a.helpOnly, Args: cobra.ArbitraryArgs}
	g.AddCommand(commands...)
	return g
}

// helpOnly is the body of what is no command by itself. cobra would print help and succeed whatever follows.
func (a *app) helpOnly(command *cobra.Command, args []string) error {
	if len(args) == 0 {
		return command.Help()
	}
	message := fmt.Sprintf("unknown command %q for %q", args[0], command.CommandPath())
	command.SuggestionsMinimumDistance = 2
	if suggestions := command.SuggestionsFor(args[0]); len(suggestions) > 0 {
		message += fmt.Sprintf("; did you mean %q?", suggestions[0])
	}
	return fmt.Errorf("%s", message)
}

// exactly demands the named arguments, no more and no fewer.
func exactly(names ...string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		switch {
		case len(args) < len(names):
			return fmt.Errorf("%s is missing", names[len(args)])
		case len(args) > len(names):
			return fmt.Errorf("unexpected argument %q", args[len(names)])
		}
		return nil
	}
}

func parseID(what, value, noun, list string) (uuid.UUID, error) {
	id, err := uuid.Parse(strings.TrimSpace(value))
	if err != nil || id == uuid.Nil {
		return uuid.Nil, &usageError{message: fmt.Sprintf("%s %q is not a %s id (a UUID)", what, value, noun), hint: "list them with: " + list}
	}
	return id, nil
}

// workspaceUsage is that of a flag which names a workspace.
const workspaceUsage = "the workspace's `id`, or the platform's key of it"

// workspaceOf is the workspace that a value names: by the platform's key, or by its id. Of an id there need be no workspace: it may have
// been deleted.
func (a *app) workspaceOf(ctx context.Context, what, value string) (uuid.UUID, error) {
	value = strings.TrimSpace(value)
	if value == "" {
		return uuid.Nil, &usageError{message: what + " is empty: give a workspace's id or key", hint: "list them with: starter workspace list"}
	}
	office, err := a.office(ctx)
	if err != nil {
		return uuid.Nil, err
	}
	found, err := office.Workspace(ctx, value)
	if errors.Is(err, admin.ErrUnknownWorkspace) {
		if id, parseErr := uuid.Parse(value); parseErr == nil && id != uuid.Nil {
			return id, nil
		}
	}
	return found.ID, err
}

// optionalWorkspace is the nil id when the flag was not given.
func (a *app) optionalWorkspace(ctx context.Context, command *cobra.Command, value string) (uuid.UUID, error) {
	if !command.Flags().Changed("workspace") {
		return uuid.Nil, nil
	}
	return a.workspaceOf(ctx, "--workspace", value)
}

func definitionID(what, value string) (uuid.UUID, error) {
	return parseID(what, value, "definition", "starter definition list")
}

func itemID(value string) (uuid.UUID, error) {
	return parseID("argument", strings.TrimPrefix(value, "execution-"), "queue item", "starter list")
}

// readFile reads a file, or stdin for "-". More than the limit is refused before it fills the memory.
func (a *app) readFile(path string, limit int64) ([]byte, error) {
	in := a.stdin
	if path != "-" {
		file, err := os.Open(path)
		if err != nil {
			return nil, usage("%v", err)
		}
		defer func() { _ = file.Close() }()
		in = file
	}
	raw, err := io.ReadAll(io.LimitReader(in, limit+1))
	if err != nil {
		return nil, usage("read %s: %v", path, err)
	}
	if int64(len(raw)) > limit {
		return nil, usage("%s has more than %d bytes", path, limit)
	}
	return raw, nil
}

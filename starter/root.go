package main

import (
	"fmt"

	"github.com/spf13/cobra"
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
  3  the dispatcher is not running, nobody answers for it, or no such item
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
	add(groupSystem, a.migrateCommand(), a.startCommand(), a.stopCommand(), a.statusCommand(), a.auditCommand(), a.pauseCommand(),
		a.resumeCommand(), a.configureCommand(), a.workspaceCommand(), a.tierCommand(), a.limitsCommand(), a.simulateCommand())
	add(groupWork, a.definitionCommand(), a.enqueueCommand(), a.listCommand(), a.describeCommand(), a.cancelCommand(), a.retryCommand())
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

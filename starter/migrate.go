package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"sluice/schema"
)

func (a *app) migrateCommand() *cobra.Command {
	return a.does(&cobra.Command{
		Use: "migrate", Short: "Bring the database schema to this version", Args: exactly(),
		Long: "Create the schema sluice in the database, or bring it to this version. It may run several times, at once\n" +
			"and while workers run. It is only bounded by --timeout when that is given.",
		Annotations: map[string]string{unbounded: "yes"},
	}, func(ctx context.Context, _ []string) error {
		if _, err := a.database(ctx); err != nil { // waits for the server, which Migrate does not
			return err
		}
		applied, err := schema.Migrate(ctx, a.config.DatabaseURL)
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

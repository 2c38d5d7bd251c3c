package schema

import (
	"context"
	"io/fs"
	"time"
)

// Migrations are those of this build, under "migrations".
var Migrations fs.FS = migrations

// MigrateWith is Migrate with other migrations, as another build has them, and another patience.
func MigrateWith(ctx context.Context, databaseURL string, files fs.FS, patience time.Duration) ([]int64, error) {
	return migrate(ctx, databaseURL, files, patience, nil)
}

// MigrateNotifyingWith is MigrateNotifying with other migrations.
func MigrateNotifyingWith(ctx context.Context, databaseURL string, files fs.FS, notify func(string)) ([]int64, error) {
	return migrate(ctx, databaseURL, files, lockPatience, notify)
}

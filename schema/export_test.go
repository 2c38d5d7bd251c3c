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
	return migrate(ctx, databaseURL, files, patience)
}

// MigrateTo stops at a version, as an older build did.
func MigrateTo(ctx context.Context, databaseURL string, version int64) error {
	db, err := open(databaseURL)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	if err := createSchema(ctx, db); err != nil {
		return err
	}
	provider, err := newProvider(db, migrations)
	if err != nil {
		return err
	}
	_, err = provider.UpTo(ctx, version)
	return err
}

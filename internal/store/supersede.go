package store

import (
	"context"
	"encoding/json"
)

var supersedeSQL = load("supersede", "id", "run", "status", "output", "error")

// Supersede replaces the outcome of an earlier run by that of a later one, after a reset. It returns false when the
// execution holds a slot, or its outcome is this run's already.
func Supersede(ctx context.Context, db DB, o Outcome) (bool, error) {
	o = o.storable()
	superseded, err := supersede(ctx, db, o)
	if bare, ok := withoutData(o, err); ok {
		superseded, err = supersede(ctx, db, bare)
	}
	return superseded, Wrap(err, "supersede an outcome")
}

func supersede(ctx context.Context, db DB, o Outcome) (bool, error) {
	tag, err := db.Exec(ctx, supersedeSQL, o.ExecutionID, o.RunID, o.Status, orNull(o.Output), orNull(o.Error))
	return tag.RowsAffected() > 0, err
}

func orNull(raw json.RawMessage) any {
	if len(raw) == 0 {
		return nil
	}
	return raw
}

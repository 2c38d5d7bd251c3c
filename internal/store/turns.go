package store

import (
	"context"
)

var (
	takeOverSQL = load("take_over", "shard", "run", "takeover")
	takeTurnSQL = load("take_turn", "shard", "turn", "kind")
	allotSQL    = load("allot", "shard", "more")
)

// TakeOver makes a run of the dispatcher the owner of its shard and returns the turn with which it took it over. Any claim
// that was planned before, by whichever run, comes to nothing unless it has committed. A run can take the shard over again,
// under a higher number: its own steps that are under way are then overtaken too. A repeated call returns the same turn.
func TakeOver(ctx context.Context, db DB, shard int, runID string, takeover int) (turn int64, err error) {
	for {
		err = db.QueryRow(ctx, takeOverSQL, shard, runID, takeover).Scan(&turn)
		if !isNone(err) {
			return turn, Wrap(err, "take over a shard")
		}
	}
}

// TakeTurn takes the next turn of a shard for a reason, and returns false if it is taken.
func TakeTurn(ctx context.Context, db DB, shard int, turn int64, kind string) (bool, error) {
	tag, err := db.Exec(ctx, takeTurnSQL, shard, turn, kind)
	return tag.RowsAffected() > 0, Wrap(err, "take a turn")
}

// Allot asks for more slots of the global limit for a shard. It returns false when there are none. Otherwise every shard has a
// turn in its journal, and reads its allotment again.
func Allot(ctx context.Context, db DB, shard, more int) (changed bool, err error) {
	err = db.QueryRow(ctx, allotSQL, shard, more).Scan(&changed)
	return changed, Wrap(err, "ask for slots of the global limit")
}

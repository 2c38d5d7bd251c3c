package facts

import (
	"context"
	"time"

	"github.com/google/uuid"

	"sluice/internal/store"
)

// Checked is what a check that Postgres can decide alone has found.
type Checked struct {
	Checked int64 // how many were looked at
	Broken  int64 // how many of them break the rule
	First   []Broken
}

// Broken is something that breaks a rule: an item, and what is wrong with it.
type Broken struct {
	ID   uuid.UUID
	What string
}

var (
	checkPlacesSQL = load("check_places", "since", "most")
	checkSlotsSQL  = load("check_slots", "most")
	checkOwnersSQL = load("check_owners", "since", "most")
	checkPausesSQL = load("check_pauses", "since", "most")
)

// CheckPlaces looks for items that are in two places or in none, that were started without a trace of their run, and
// whose input is lost. It names at most so many. With a time it looks at what runs and what has ended since, and not for
// items that are in none; zero stands for all there is.
func CheckPlaces(ctx context.Context, db store.DB, from time.Time, most int) (Checked, error) {
	return check(ctx, db, "check places", checkPlacesSQL, since(from), most)
}

// CheckSlots looks for slots that are held by what is pending or has ended, or by a run that is not known. It names at most
// so many.
func CheckSlots(ctx context.Context, db store.DB, most int) (Checked, error) {
	return check(ctx, db, "check slots", checkSlotsSQL, most)
}

// CheckOwners looks for executions that run a version of a definition that is not theirs. Where the version has been
// deleted there is nothing left to look at. It names at most so many. With a time it looks at what is open or has ended
// since; zero stands for all there is.
func CheckOwners(ctx context.Context, db store.DB, from time.Time, most int) (Checked, error) {
	return check(ctx, db, "check owners", checkOwnersSQL, since(from), most)
}

// CheckPauses looks for claims of what was paused when they were made. It names at most so many. With a time it looks at what is open
// or has ended since; zero stands for all there is.
func CheckPauses(ctx context.Context, db store.DB, from time.Time, most int) (Checked, error) {
	return check(ctx, db, "check pauses", checkPausesSQL, since(from), most)
}

func check(ctx context.Context, db store.DB, doing, sql string, args ...any) (c Checked, err error) {
	var ids []uuid.UUID
	var whats []string
	err = db.QueryRow(ctx, sql, append([]any{fresh}, args...)...).Scan(&c.Checked, &c.Broken, &ids, &whats)
	for i, id := range ids {
		c.First = append(c.First, Broken{id, whats[i]})
	}
	return c, store.Wrap(err, doing)
}

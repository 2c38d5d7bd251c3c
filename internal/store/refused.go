package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgconn"
)

// IsRefusal tells that the database has refused a statement because of the rows or values it is about, and has done nothing: a
// key that is taken, a value that cannot be stored or computed with, a check, a row that cannot be read. One of many may be
// to blame for all. What the server as a whole is to blame for, a lock, a lost connection or a full disk, is none, nor is what ends a session
// or lets none begin: poolers that have no connection left say that with the code of a damaged row.
func IsRefusal(err error) bool {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) || len(pg.Code) != 5 || cmp.Or(pg.SeverityUnlocalized, pg.Severity) != "ERROR" || errors.As(err, new(*pgconn.ConnectError)) {
		return false
	}
	switch pg.Code[:2] {
	case "21", "22", "23", // cardinality, data, integrity
		"54", // program limit exceeded: a row or a key that is too large
		"P0", // raised by somebody's trigger
		"XX": // a damaged row
		return true
	}
	return false
}

// apart does something to all at once. Where the database refuses that, it finds by halves whom it refuses, and does it to the
// others. The error tells of one that was refused, or of what kept it from going on.
func apart[T any](all []T, do func([]T) error) error {
	err := do(all)
	if len(all) < 2 || !IsRefusal(err) {
		return err
	}
	half := len(all) / 2
	first := apart(all[:half], do)
	if first != nil && !IsRefusal(first) {
		return first
	}
	if second := apart(all[half:], do); second != nil {
		return second
	}
	return first
}

// mostText is how much of a message is kept, in bytes.
const mostText = 2000

// text is a message as it can be stored, whatever a server or a workspace has put into it.
func text(message string) string {
	message = strings.ReplaceAll(strings.ToValidUTF8(message, "\uFFFD"), "\x00", "")
	if len(message) <= mostText {
		return message
	}
	cut := mostText
	for !utf8.RuneStart(message[cut]) {
		cut--
	}
	return message[:cut] + "…"
}

var (
	dropTwiceSQL = load("drop_twice", "ids")
	putOffSQL    = load("put_off", "id", "error", "attempts")
)

// DropTwice takes pending rows away whose ids are those of items that are claimed, run or have ended: an item starts once. It
// notes that in the activity of these items, and returns which they are.
func DropTwice(ctx context.Context, db DB, ids []uuid.UUID) ([]uuid.UUID, error) {
	dropped, err := Values[uuid.UUID](ctx, db, dropTwiceSQL, ids)
	return dropped, Wrap(err, "drop pending rows of items that are no longer pending")
}

// reasonUnclaimable is why an item ends that the database does not let be claimed.
const reasonUnclaimable = "claim-refused"

// unclaimableAttempts is how often that is tried.
const unclaimableAttempts = 3

// PutOff has a pending item that the database refuses to let be claimed wait for some seconds, and longer each time. The refusal
// is shown as the item's error, and counts as a failed start. After the third the item ends FAILED, and at once where its row
// cannot be changed. It returns whether it has.
func PutOff(ctx context.Context, db DB, id uuid.UUID, refusal error) (failed bool, err error) {
	why := text(refusal.Error())
	tag, err := db.Exec(ctx, putOffSQL, id, reasonUnclaimable+": "+why, unclaimableAttempts)
	if err != nil && !IsRefusal(err) || tag.RowsAffected() > 0 {
		return false, Wrap(err, fmt.Sprintf("put item %s off", id))
	}
	ended, err := EndPending(ctx, db, []uuid.UUID{id}, Refusal{Status: "FAILED", Reason: reasonUnclaimable, Actor: "dispatcher", Message: why})
	return len(ended) > 0, err
}

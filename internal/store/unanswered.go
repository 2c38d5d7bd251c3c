package store

import (
	"context"
	"time"

	"github.com/google/uuid"
)

// Unanswered is a start that has not told whether the workflow exists.
type Unanswered struct {
	ExecutionID uuid.UUID
	Error       string
	Aside       bool // others do get answers: it is to stand aside for a while
}

var (
	putAsideSQL  = load("put_aside", "ids", "errors", "aside")
	againSQL     = load("again", "shard")
	dropClaimSQL = load("drop_claim", "id", "run", "closed")
)

// PutAside notes on claims that their starts have got no answer, and has them wait before they are tried again. It returns those
// of which that was not known. A claim that was settled or has ended is left as it is.
func PutAside(ctx context.Context, db DB, unanswered []Unanswered) (news []uuid.UUID, err error) {
	if len(unanswered) == 0 {
		return nil, nil
	}
	err = apart(inOrder(unanswered, func(u Unanswered) uuid.UUID { return u.ExecutionID }), func(part []Unanswered) error {
		ids, errs, aside := make([]uuid.UUID, len(part)), make([]string, len(part)), make([]bool, len(part))
		for i, u := range part {
			ids[i], errs[i], aside[i] = u.ExecutionID, text(u.Error), u.Aside
		}
		some, err := Values[*uuid.UUID](ctx, db, putAsideSQL, ids, errs, aside)
		for _, id := range some {
			if id != nil {
				news = append(news, *id)
			}
		}
		return err
	})
	return news, Wrap(err, "note starts without an answer")
}

// Again is how long it is until the next claim of a shard whose start has got no answer is due to be started again; zero: there
// is none.
func Again(ctx context.Context, db DB, shard int) (time.Duration, error) {
	var in *time.Duration
	err := db.QueryRow(ctx, againSQL, shard).Scan(&in)
	if in == nil {
		return 0, Wrap(err, "look when claims are started again")
	}
	return max(*in, time.Millisecond), Wrap(err, "look when claims are started again")
}

// DropClaim takes the claim of an item away that has ended already: by this run of its workflow or, where that is closed, in any
// way. It returns false for any other claim.
func DropClaim(ctx context.Context, db DB, run Run, closed bool) (bool, error) {
	tag, err := db.Exec(ctx, dropClaimSQL, run.ExecutionID, run.RunID, closed)
	return tag.RowsAffected() > 0, Wrap(err, "drop the claim of an item that has ended")
}

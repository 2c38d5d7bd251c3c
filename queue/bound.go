package queue

import (
	"slices"

	"github.com/google/uuid"
)

// bounds are numbers below which a workspace holds no slot. A count that begins there does not walk over the slots that
// were freed, which an open transaction keeps in the index. Zero is the beginning.
//
// Caps rest on these counts, so a bound must never lie above a slot that counts. It cannot, for three reasons:
//
//   - Only claims number slots, from one sequence and while they hold their dispatcher's row. Claims of one workspace wait
//     for one another there, also while it changes its owner, and each takes its snapshot after the one before has
//     committed. So when a claim takes its number, all lower numbers of the workspace are of claims that have
//     committed, and it sees which of these slots are still held.
//   - A bound is taken from an accepted claim: the lowest number that it saw held, or its own if there was none. What is
//     claimed later has a higher number, whoever claims it and however late that commits; a slot that is freed does not
//     come back under its old number.
//   - Whoever else inserts a slot, as Reopen, a build that knows no numbers, or a hand at psql, leaves it the highest number
//     there is, which lies above every bound.
//
// An epoch, a change of the number of shards, or a new run in the same process therefore takes nothing from a bound. All the
// same, everything is forgotten when somebody else has claimed, and a claim heeds bounds only if none has come between:
// a standby that took over and lacks the last commits may give out numbers for a second time.
//
// An execution that stays open holds the bound of its workspace where it is.
type bounds struct {
	of     map[uuid.UUID]int64
	recent []uuid.UUID // of those that were raised last, the latest at the end
}

// boundsTold is how many bounds go with a statement that does not name its workspaces.
const boundsTold = 128

func (b *bounds) raise(id uuid.UUID, to int64) {
	if to <= b.of[id] {
		return
	}
	if b.of == nil {
		b.of = make(map[uuid.UUID]int64)
	}
	b.of[id] = to
	if i := slices.Index(b.recent, id); i >= 0 {
		b.recent = slices.Delete(b.recent, i, i+1)
	} else if len(b.recent) == boundsTold {
		b.recent = slices.Delete(b.recent, 0, 1)
	}
	b.recent = append(b.recent, id)
}

// all are those of some workspaces, in their order.
func (b *bounds) all(ids []uuid.UUID) []int64 {
	from := make([]int64, len(ids))
	for i, id := range ids {
		from[i] = b.of[id]
	}
	return from
}

// told are the workspaces that were raised last, and their bounds.
func (b *bounds) told() (ids []uuid.UUID, from []int64) { return b.recent, b.all(b.recent) }

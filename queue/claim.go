package queue

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
)

// Grant allows a workspace up to Slots more starts, decided under Limit.
type Grant struct {
	WorkspaceID uuid.UUID
	Slots       int
	Limit       int
}

// Claimed is the result of a claim.
type Claimed struct {
	New     int // claimed by this call
	Carried int // claimed earlier, by whichever shard, and not yet dispatched
	Expired int // met on the way and ended EXPIRED
	// Repeated says that the cycle had been accepted before: the grants were decided on an older capacity, and the
	// caller should go on after Newest, the last cycle accepted.
	Repeated bool
	Newest   int64
}

// Claim moves at most the granted items from PENDING to CLAIMED, in the order of admission.Due, and takes their slots.
// Items that another transaction holds are skipped. A workspace whose limit is no longer the one it was granted under
// gets nothing this time: after a cut has committed, no claim can exceed it. Nor can grants that were decided on an
// outdated usage: nobody gets more than is free at this moment, of its own limits, its cohort, all workspaces together
// and its rate. A workspace that belongs to another shard by now gets nothing. Virtual times are not charged: see Memory.
//
// A cycle is accepted once: repeated, and in an epoch that is not the newest, it claims nothing; Carried tells what
// the first call left. ErrFenced says that another run owns the shard.
func (q *Queue) Claim(ctx context.Context, fence Fence, grants []Grant) (Claimed, error) {
	c, _, err := q.claim(ctx, fence, grants, beginning{cursors: make([]cursors, len(grants))}, true)
	return c, err
}

// taken are the items that a claim has taken, those included that had expired.
type taken struct {
	counters
	items []takenItem
}

type takenItem struct {
	Claim
	availableAt time.Time
	expired     bool
	bound       int64 // from which on its workspace may hold slots, now that this is claimed
	row         pgtype.TID
}

// claimed are those to be dispatched, of which the workflows are still to be filled in.
func (t taken) claimed() []Claim {
	claims := make([]Claim, 0, len(t.items))
	for _, i := range t.items {
		if !i.expired {
			claims = append(claims, i.Claim)
		}
	}
	return claims
}

// beginning is where a claim begins to look: for the items of each grant, and for the slots that are held.
type beginning struct {
	cursors []cursors
	bounds  bounds
	counted counters // the bounds hold after this claim, unless another has followed it
	alone   bool     // the workspaces are believed to share no limit and to have no rate
	ageing  time.Duration
}

// claim looks for items and slots from there on. Carried is counted only if asked for: it reads all slots.
func (q *Queue) claim(ctx context.Context, fence Fence, grants []Grant, from beginning, carried bool) (c Claimed, t taken, err error) {
	ids, slots, limits := make([]uuid.UUID, len(grants)), make([]int, len(grants)), make([]int, len(grants))
	once := make(map[uuid.UUID]bool, len(grants))
	for i, g := range grants {
		if once[g.WorkspaceID] {
			return c, t, fmt.Errorf("claim executions: workspace %s is granted twice", g.WorkspaceID) // its free slots would count twice
		}
		once[g.WorkspaceID] = true
		ids[i], slots[i], limits[i] = g.WorkspaceID, g.Slots, g.Limit
	}
	places := placesOf(from.cursors, slots, from.ageing)
	members, held := from.bounds.told()
	from.alone = from.alone && from.counted.row.Valid
	for found := false; !found; from.alone = false { // if the row is not where it was, or not as it was, it is looked for
		t, found = taken{}, true
		batch := &pgx.Batch{} // one round trip and one transaction
		switch {
		case len(grants) == 0:
			batch.Queue(countersSQL, fence.Shard).Query(t.counters.of(fence.Shard))
		case from.alone:
			batch.Queue(lockAloneSQL, fence.Shard, from.counted.row).Query(func(rows pgx.Rows) error {
				_, err := pgx.ForEachRow(rows, []any{&t.row, &t.epoch, &t.cycle, &t.claims, &t.dispatch}, func() error { return nil })
				found = t.row == from.counted.row && t.claims == from.counted.claims && t.dispatch == from.counted.dispatch
				return err
			})
		default:
			batch.Queue(lockClaimsSQL, fence.Shard).Query(t.counters.of(fence.Shard))
		}
		if carried {
			batch.Queue(carriedSQL, fence.Shard).QueryRow(func(row pgx.Row) error { return row.Scan(&c.Carried) })
		}
		if len(grants) > 0 {
			sql, args := claimAloneSQL, []any{fence.Shard, fence.Epoch, fence.Cycle, ids, slots, limits,
				places.at, places.ids, places.priorities, places.first, places.last, from.counted.claims, from.counted.dispatch, from.bounds.all(ids),
				places.lead, places.until, from.counted.row}
			if !from.alone {
				args[len(args)-1] = pgtype.TID{}
				sql, args = claimSQL, append(args, members, held)
			}
			batch.Queue(sql, args...).Query(func(rows pgx.Rows) (err error) {
				t.items, err = pgx.CollectRows(rows, scanTaken)
				return err
			})
		}
		if err = q.pool.SendBatch(ctx, batch).Close(); err != nil {
			return c, t, wrap(err, "claim executions")
		}
	}
	if t.epoch != fence.Epoch {
		return c, t, wrap(ErrFenced, "claim executions")
	}
	if len(grants) > 0 {
		c.Repeated = t.cycle >= fence.Cycle
		if !c.Repeated {
			t.cycle, t.claims, t.dispatch, t.row = fence.Cycle, t.claims+1, t.dispatch+1, pgtype.TID{}
			if len(t.items) > 0 {
				t.row = t.items[0].row
			}
		}
	}
	c.Newest = t.cycle
	for _, i := range t.items {
		if i.expired {
			c.Expired++
		} else {
			c.New++
		}
	}
	return c, t, nil
}

// counters are those of a dispatcher's row: its newest epoch and accepted cycle, and how many claims and dispatches there
// have ever been; and where the row is, if that is known.
type counters struct {
	epoch, cycle, claims, dispatch int64
	row                            pgtype.TID
}

// of reads those of a shard; zero if it has never had a dispatcher.
func (c *counters) of(shard int) func(pgx.Rows) error {
	return func(rows pgx.Rows) error {
		var of int
		var read counters
		_, err := pgx.ForEachRow(rows, []any{&of, &read.epoch, &read.cycle, &read.claims, &read.dispatch}, func() error {
			if of == shard {
				*c = read
			}
			return nil
		})
		return err
	}
}

const countersSQL = `SELECT shard, epoch, cycle, claims, dispatch FROM sluice.dispatchers WHERE shard = $1`

func scanTaken(row pgx.CollectableRow) (i takenItem, err error) {
	err = row.Scan(&i.ExecutionID, &i.WorkspaceID, &i.WorkspaceName, &i.Plan, &i.Weight, &i.DefinitionID, &i.DefinitionName, &i.VersionID,
		&i.VersionNumber, (*[]byte)(&i.Input), &i.Priority, &i.Attempt, &i.ClaimedAt, &i.availableAt, &i.expired, &i.bound, &i.row)
	return i, err
}

package store

import (
	"context"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
)

// News is what a shard's dispatcher has not heard before.
type News struct {
	Mark    string // the snapshot that heard it, in Postgres' own notation: the next call goes on from there
	Now     time.Time
	Younger bool // this cluster has not come as far as the mark that was given, which is another's: the events are not to be trusted
	Turns   []Turn
	Events  []Event
}

// Turn is an entry of a shard's journal.
type Turn struct {
	Number      int64
	Kind        string
	WorkspaceID uuid.UUID // nil: it is about all of the shard
}

// Kinds of turns, see sluice.turns.
const (
	TurnRun         = "run"         // a run of the dispatcher has taken the shard over
	TurnClaim       = "claim"       // a claim has taken items
	TurnRequeue     = "requeue"     // claims were undone because their starts had failed
	TurnHandover    = "handover"    // a process has taken up claims that it did not make
	TurnLimits      = "limits"      // limits or the plan of a workspace, or a tier, have changed
	TurnDefinitions = "definitions" // a definition has another version
	TurnRegained    = "regained"    // recovery has given a workspace a slot, or taken one away
	TurnSettings    = "settings"    // the global limit or the ageing step has changed
	TurnAllotment   = "allotment"   // what each shard may hold of the global limit has changed
	TurnOwners      = "owners"      // workspaces belong to other shards
	TurnPauses      = "pauses"      // something was paused or resumed
)

// Event says that one item has arrived, or several, or that executions have freed their slots.
type Event struct {
	WorkspaceID  uuid.UUID // of one item; nil: it is not about one
	ItemID       uuid.UUID
	DefinitionID uuid.UUID
	Priority     int
	AvailableAt  time.Time   // of the one item, or of the first of several
	Workspaces   []uuid.UUID // whose items they are
	Freed        []uuid.UUID // executions
}

var heardSQL = load("heard", "shard", "turn", "mark")

// QueueHear adds to a batch what reads the news of a shard after a turn and a mark, all in one snapshot.
func QueueHear(b *pgx.Batch, shard int, turn int64, mark string, n *News) {
	b.Queue(heardSQL, shard, turn, mark).Query(n.scan)
}

// Hear reads the news of a shard.
func Hear(ctx context.Context, db DB, shard int, turn int64, mark string) (n News, err error) {
	err = Send(ctx, db, func(b *pgx.Batch) { QueueHear(b, shard, turn, mark, &n) })
	return n, Wrap(err, "hear what is new")
}

func (n *News) scan(rows pgx.Rows) error {
	for rows.Next() {
		var (
			mark, kind                  *string
			at                          *time.Time
			availableAt                 time.Time
			turn                        *int64
			workspace, item, definition *uuid.UUID
			priority                    *int
			e                           Event
		)
		err := rows.Scan(&mark, &at, &turn, &kind, &workspace, &item, &definition, &priority, finite{&availableAt}, &e.Workspaces, &e.Freed)
		switch {
		case err != nil:
			return err
		case mark != nil:
			n.Mark, n.Now, n.Younger = *mark, *at, *kind != ""
		case turn != nil:
			n.Turns = append(n.Turns, Turn{Number: *turn, Kind: *kind, WorkspaceID: orZero(workspace)})
		default:
			e.WorkspaceID, e.ItemID, e.DefinitionID = orZero(workspace), orZero(item), orZero(definition)
			e.Priority, e.AvailableAt = orZero(priority), availableAt
			n.Events = append(n.Events, e)
		}
	}
	return rows.Err()
}

func orZero[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}

// Any tells whether there is anything new.
func (n *News) Any() bool { return n.Younger || len(n.Turns)+len(n.Events) > 0 }

// Line names the items of a workspace at a priority, from a place on that was read before.
type Line struct {
	Number      int32 // how the answer refers to it
	WorkspaceID uuid.UUID
	Priority    int
	At          time.Time // items at (At, ID) and before are known; Earliest is before everything
	ID          uuid.UUID
	Most        int  // so many items at most
	Paused      bool // items of types and definitions that are paused are passed over
}

// Item is a pending item, as far as a plan needs to know it.
type Item struct {
	ID           uuid.UUID
	DefinitionID uuid.UUID
	AvailableAt  time.Time
}

var (
	scanSQL         = load("scan", "lines", "workspaces", "priorities", "times", "ids", "most")
	scanUnpausedSQL = load("scan_unpaused", "lines", "workspaces", "priorities", "times", "ids", "most")
)

// QueueScan adds to a batch what reads lines further. found is called for each item, in the order of its line.
func QueueScan(b *pgx.Batch, lines []Line, found func(line int32, item Item)) {
	if !slices.ContainsFunc(lines, func(l Line) bool { return l.Paused }) {
		queueScan(b, scanSQL, lines, found)
		return
	}
	var whole, parts []Line
	for _, l := range lines {
		if l.Paused {
			parts = append(parts, l)
		} else {
			whole = append(whole, l)
		}
	}
	queueScan(b, scanSQL, whole, found)
	queueScan(b, scanUnpausedSQL, parts, found)
}

func queueScan(b *pgx.Batch, sql string, lines []Line, found func(line int32, item Item)) {
	n := len(lines)
	if n == 0 {
		return
	}
	numbers, priorities, most := make([]int32, n), make([]int, n), make([]int, n)
	workspaces, ids, times := make([]uuid.UUID, n), make([]uuid.UUID, n), make([]pgtype.Timestamptz, n)
	for i, l := range lines {
		numbers[i], priorities[i], most[i], workspaces[i], ids[i], times[i] = l.Number, l.Priority, l.Most, l.WorkspaceID, l.ID, infinite(l.At)
	}
	b.Queue(sql, numbers, workspaces, priorities, times, ids, most).Query(func(rows pgx.Rows) error {
		var line int32
		var item Item
		_, err := pgx.ForEachRow(rows, []any{&line, &item.ID, &item.DefinitionID, finite{&item.AvailableAt}}, func() error {
			found(line, item)
			return nil
		})
		return err
	})
}

// FirstItem is the first item of a line.
type FirstItem struct {
	WorkspaceID  uuid.UUID
	Priority     int
	WorkflowType string // empty: it is a definition
	Item
}

var backlogSQL = load("backlog", "workspace", "priority", "most")

// QueueBacklog adds to a batch what reads the first items of the lines that come after one, at most so many, in the order of
// workspaces and priorities.
func QueueBacklog(b *pgx.Batch, workspace uuid.UUID, priority, most int, to *[]FirstItem) {
	b.Queue(backlogSQL, workspace, priority, most).Query(func(rows pgx.Rows) error {
		var f FirstItem
		var kind *string
		_, err := pgx.ForEachRow(rows, []any{&f.WorkspaceID, &f.Priority, finite{&f.AvailableAt}, &f.ID, &f.DefinitionID, &kind}, func() error {
			f.WorkflowType = orZero(kind)
			*to = append(*to, f)
			return nil
		})
		return err
	})
}

// Send sends a batch whose statements were added by the functions of this package: tuned, see there, and in one transaction.
func Send(ctx context.Context, db DB, queue func(*pgx.Batch)) error {
	b := tuned()
	queue(b)
	return db.SendBatch(ctx, b).Close()
}

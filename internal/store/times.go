package store

import (
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Times are the virtual times of a shard: its clocks, those of its cohorts, and the tags of some workspaces.
type Times struct {
	Cohorts    []Clock
	Workspaces []WorkspaceTimes // in the order of their ids
}

// WorkspaceTimes are the tags of a workspace, see admission.Tags.
type WorkspaceTimes struct {
	WorkspaceID uuid.UUID
	Own         int64
	Borrowed    int64
	SlotTime    float64 // see Quota
	SlotTimes   map[string]float64
}

// Clock is where a cohort stands and how far time has come within it; with an empty name, of the shard as a whole.
type Clock struct {
	Cohort        string
	OwnClock      int64
	BorrowedClock int64
	Own           int64
	Borrowed      int64
	SlotTime      float64 // of the shard as a whole, and the longest of late, in seconds
	Longest       float64
}

var keepTimesSQL = load("keep_times", "shard", "turn", "cohorts", "own_clocks", "borrowed_clocks", "cohorts_own", "cohorts_borrowed", "cohorts_slot_time", "longest", "workspaces", "own", "borrowed", "slot_time", "slot_times")

// QueueTimes adds to a batch what puts virtual times on record, if the turn is still the newest.
func QueueTimes(b *pgx.Batch, shard int, turn int64, t Times) {
	names, of := make([]string, len(t.Cohorts)), [4][]int64{}
	shardTime, longest, slotTime := make([]float64, len(t.Cohorts)), make([]float64, len(t.Cohorts)), make([]float64, len(t.Workspaces))
	for i, c := range t.Cohorts {
		names[i], shardTime[i], longest[i] = c.Cohort, c.SlotTime, c.Longest
		for k, v := range []int64{c.OwnClock, c.BorrowedClock, c.Own, c.Borrowed} {
			of[k] = append(of[k], v)
		}
	}
	slotTimes := make([]map[string]float64, len(t.Workspaces))
	ids, own, borrowed := make([]uuid.UUID, len(t.Workspaces)), make([]int64, len(t.Workspaces)), make([]int64, len(t.Workspaces))
	for i, w := range t.Workspaces {
		ids[i], own[i], borrowed[i], slotTime[i], slotTimes[i] = w.WorkspaceID, w.Own, w.Borrowed, w.SlotTime, w.SlotTimes
	}
	b.Queue(unhurriedSQL) // what is lost with Postgres is no more than what is lost with this process
	b.Queue(keepTimesSQL, shard, turn, names, of[0], of[1], of[2], of[3], shardTime, longest, ids, own, borrowed, slotTime, slotTimes)
}

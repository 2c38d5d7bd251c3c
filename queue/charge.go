package queue

import (
	"bytes"
	"maps"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"sluice/internal/admission"
)

// charges are virtual times that claims have moved on and that Postgres does not know yet. It learns them with the next
// look at capacity, in the same transaction and before anything is read. The policy has reckoned them by then; in the claim
// itself the statement had to do it once more, and to read and write each workspace's, for a seventh of its time.
//
// A process that dies in between takes with it what its last claim was charged: those workspaces may be served once more
// before the others.
type charges struct {
	workspaces map[uuid.UUID]admission.Tags
	lines      map[string]CohortCapacity // by name; that of the root has only clocks
}

// charge books in virtual time what a claim has taken, by the lines of its decision.
func (m *Memory) charge(t taken, lines []Line) {
	if len(lines) == 0 {
		return
	}
	in := m.shared.input(0)
	places := make(map[uuid.UUID]int, len(t.items))
	var whose []*remembered
	var claimed []admission.Grant
	for _, c := range t.claimed() {
		w := m.workspaces[c.WorkspaceID]
		if w == nil {
			continue
		}
		place, known := places[c.WorkspaceID]
		if !known {
			place = len(whose)
			places[c.WorkspaceID], whose = place, append(whose, w)
			in.Workspaces, claimed = append(in.Workspaces, w.policyView(m.desk.cohorts)), append(claimed, admission.Grant{Workspace: place})
		}
		claimed[place].Slots++
	}
	in.Charge(m.shared.contended(lines), claimed)
	m.charges.note(&m.shared, in, lines)
	for place, w := range whose {
		tags := in.Workspaces[place].Tags
		w.Own, w.Borrowed = int64(tags[admission.Own]), int64(tags[admission.Borrowed])
		m.charges.workspaces[w.WorkspaceID] = tags
	}
}

// note takes the lines as they are after a charge, also into what all share.
func (c *charges) note(shared *Capacity, in admission.Input, lines []Line) {
	if c.workspaces == nil {
		c.workspaces, c.lines = make(map[uuid.UUID]admission.Tags), make(map[string]CohortCapacity)
	}
	shared.OwnClock, shared.BorrowedClock = int64(in.Clocks[admission.Own]), int64(in.Clocks[admission.Borrowed])
	c.lines[""] = CohortCapacity{OwnClock: shared.OwnClock, BorrowedClock: shared.BorrowedClock}
	cohorts := shared.cohorts()
	for _, l := range lines {
		place, known := cohorts[l.Cohort]
		if !known {
			continue
		}
		k, from := &shared.Cohorts[place], &in.Cohorts[place]
		k.Own, k.Borrowed = int64(from.Tags[admission.Own]), int64(from.Tags[admission.Borrowed])
		k.OwnClock, k.BorrowedClock = int64(from.Clocks[admission.Own]), int64(from.Clocks[admission.Borrowed])
		c.lines[k.Cohort] = *k
	}
}

// queue adds to the batch what puts the charges on record, unless somebody else has claimed since, and forgets them.
func (c *charges) queue(batch *pgx.Batch, shard int, counted counters) {
	if len(c.lines) == 0 {
		return
	}
	ids := slices.SortedFunc(maps.Keys(c.workspaces), func(a, b uuid.UUID) int { return bytes.Compare(a[:], b[:]) })
	own, borrowed := make([]int64, len(ids)), make([]int64, len(ids))
	for i, id := range ids {
		own[i], borrowed[i] = int64(c.workspaces[id][admission.Own]), int64(c.workspaces[id][admission.Borrowed])
	}
	var names []string
	var of [4][]int64
	for _, name := range slices.Sorted(maps.Keys(c.lines)) {
		l := c.lines[name]
		names = append(names, name)
		for i, v := range []int64{l.OwnClock, l.BorrowedClock, l.Own, l.Borrowed} {
			of[i] = append(of[i], v)
		}
	}
	batch.Queue(unhurriedSQL) // what is lost with Postgres is no more than what is lost with this process
	batch.Queue(chargeSQL, shard, counted.claims, counted.dispatch, ids, own, borrowed, names, of[0], of[1], of[2], of[3])
	*c = charges{}
}

// Everybody who writes the shares of many workspaces does so in the order of their ids, and lines in that of their names, or
// two could deadlock.
const chargeSQL = `
WITH mine AS MATERIALIZED (
	SELECT FROM sluice.dispatchers WHERE shard = $1 AND claims = $2 AND dispatch = $3
), lines AS (
	INSERT INTO sluice.lines (shard, cohort, own_clock, borrowed_clock, own, borrowed)
	SELECT $1, l.* FROM mine CROSS JOIN unnest($7::text[], $8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[]) AS l
	ON CONFLICT (shard, cohort) DO UPDATE SET own_clock = excluded.own_clock, borrowed_clock = excluded.borrowed_clock,
		own = excluded.own, borrowed = excluded.borrowed
)
INSERT INTO sluice.shares (workspace_id, own, borrowed)
SELECT s.* FROM mine CROSS JOIN unnest($4::uuid[], $5::bigint[], $6::bigint[]) AS s
ON CONFLICT (workspace_id) DO UPDATE SET own = excluded.own, borrowed = excluded.borrowed`

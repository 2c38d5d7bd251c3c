package queue

import (
	"context"
	"math"

	"github.com/google/uuid"

	"sluice/internal/admission"
)

// MostPlaces is how far into a workspace's line anybody looks: so many of its items at most count as starting now.
const MostPlaces = 1000

// Wait is why a pending item does not start yet, and where it stands.
type Wait struct {
	// Reason is a word of package admission; empty when nothing keeps the item: it starts in one of the next cycles.
	Reason admission.Reason
	// Place is its place among the ready items of its workspace, in the order in which they start, from 1 on; zero when
	// it was not asked for, and for an item that is scheduled.
	Place int
	More  bool // it stands somewhere behind Place
}

// Waits tells of those of the items that are pending why they wait: they are scheduled, or other items of their workspace
// go first (admission.BehindPriority), or else whatever keeps their workspace. That the dispatcher is paused is not known
// here. It is what the policy would decide now, if a batch had room for everybody. Places are counted up to places, at
// most MostPlaces; zero spares that. It reads per workspace with a backlog what Capacity reads, and at most MostPlaces
// items of each workspace asked about, of each priority: never the backlog.
func (q *Queue) Waits(ctx context.Context, places int, items ...ItemView) (map[uuid.UUID]Wait, error) {
	var ids []uuid.UUID
	of, asked := map[uuid.UUID]uuid.UUID{}, map[uuid.UUID]bool{}
	for _, item := range items {
		if item.Status == "PENDING" {
			ids = append(ids, item.ID)
			of[item.ID], asked[item.WorkspaceID] = item.WorkspaceID, true
		}
	}
	waits := make(map[uuid.UUID]Wait, len(ids))
	if len(ids) == 0 {
		return waits, nil
	}
	workspaces, slots, why, err := q.startsNow(ctx, asked)
	if err != nil {
		return nil, wrap(err, "read why items wait")
	}
	places = max(0, min(places, MostPlaces))
	standings, err := collect[standingInLine](ctx, q.pool, waitsSQL, ids, workspaces, slots, places)
	for _, s := range standings {
		w := Wait{Reason: why[of[s.ID]]}
		switch {
		case s.Scheduled:
			waits[s.ID] = Wait{Reason: admission.Scheduled}
			continue
		case s.Behind:
			w.Reason = admission.BehindPriority
		}
		if places > 0 {
			w.Place, w.More = min(s.Ahead+1, places), s.Ahead >= places
		}
		waits[s.ID] = w
	}
	return waits, wrap(err, "read why items wait")
}

// startsNow is how many items of each of these workspaces the policy would start now, and why it would start none of the
// others. Only where workspaces share a limit does it matter how much the others have: only then is that counted, and no
// further than anybody could be started.
func (q *Queue) startsNow(ctx context.Context, asked map[uuid.UUID]bool) (workspaces []uuid.UUID, slots []int, why map[uuid.UUID]admission.Reason, err error) {
	why = map[uuid.UUID]admission.Reason{}
	err = q.eachShard(ctx, func(q *Queue) error {
		in, err := q.inputFor(ctx, asked)
		if err != nil {
			return err
		}
		decision := admission.Decide(in)
		for _, g := range decision.Grants {
			if asked[g.ID] {
				workspaces, slots = append(workspaces, g.ID), append(slots, g.Slots)
			}
		}
		for i, reason := range in.Why(decision) {
			why[in.Workspaces[i].ID] = reason
		}
		return nil
	})
	return workspaces, slots, why, err
}

// inputFor is what a shard would decide on.
func (q *Queue) inputFor(ctx context.Context, asked map[uuid.UUID]bool) (admission.Input, error) {
	capacity, err := q.Capacity(ctx, 1)
	if err != nil {
		return admission.Input{}, err
	}
	in := capacity.Input(math.MaxInt32)
	most, could := 0, false
	for i := range in.Workspaces {
		w := &in.Workspaces[i]
		w.Ready *= MostPlaces
		room := w.Room(in.Now)
		most, could = max(most, room), could || asked[w.ID] && room > 0
	}
	if could && (capacity.Limit != nil || len(capacity.Cohorts) > 0) {
		if capacity, err = q.Capacity(ctx, min(most, max(1, in.Global.Limit-in.Global.Used))); err != nil {
			return admission.Input{}, err
		}
		in = capacity.Input(math.MaxInt32)
	}
	return in, nil
}

// standingInLine is an item that is pending when it is looked at.
type standingInLine struct {
	ID        uuid.UUID
	Scheduled bool
	Behind    bool // the last one that its workspace may start now
	Ahead     int  // so many go first, counted up to a bound
}

// waitsSQL looks at the items $1. Of the workspaces $2 the first $3 items may start now, in the order of admission.Due: it
// finds the last of them as a claim would. What goes before an item is, in each priority, a range of the claim index.
const waitsSQL = `
WITH granted AS MATERIALIZED (
	SELECT g.workspace_id, last.*
	FROM unnest($2::uuid[], $3::int[]) AS g (workspace_id, slots)
	CROSS JOIN sluice.settings s
	CROSS JOIN LATERAL (
		SELECT head.available_at + (p.priority - 1) * s.ageing_step AS due, p.priority, head.id
		FROM generate_series(1, 5) AS p (priority) CROSS JOIN LATERAL (
			SELECT q.available_at, q.id FROM sluice.execution_queue q
			WHERE q.workspace_id = g.workspace_id AND q.priority = p.priority AND q.available_at <= now()
			ORDER BY q.available_at, q.id LIMIT g.slots) AS head
		ORDER BY due, p.priority, head.id OFFSET g.slots - 1 LIMIT 1) AS last
)
SELECT item.id, item.available_at > now() AS scheduled, ahead.n::int AS ahead,
       ((item.available_at + (item.priority - 1) * s.ageing_step, item.priority::int, item.id) > (g.due, g.priority, g.id)) IS TRUE AS behind
FROM unnest($1::uuid[]) AS asked (id)
JOIN sluice.execution_queue item ON item.id = asked.id
CROSS JOIN sluice.settings s
LEFT JOIN granted g ON g.workspace_id = item.workspace_id
CROSS JOIN LATERAL (
	SELECT count(*) AS n FROM (
		SELECT FROM generate_series(1, 5) AS p (priority) CROSS JOIN LATERAL (
			SELECT FROM sluice.execution_queue q
			WHERE q.workspace_id = item.workspace_id AND q.priority = p.priority AND q.available_at <= now()
			  AND (q.available_at, q.id) < (item.available_at + (item.priority - p.priority) * s.ageing_step, CASE
			      WHEN p.priority = item.priority THEN item.id
			      WHEN p.priority < item.priority THEN uuid 'ffffffff-ffff-ffff-ffff-ffffffffffff'
			      ELSE uuid '00000000-0000-0000-0000-000000000000' END)
			ORDER BY q.available_at, q.id LIMIT $4) AS first
		LIMIT $4) AS counted
) AS ahead`

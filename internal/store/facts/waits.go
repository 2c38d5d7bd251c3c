package facts

import (
	"context"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/google/uuid"

	"sluice/internal/admission"
	"sluice/internal/store"
)

// MostPlaces is how far into a workspace's line is looked: so many of its items at most count as starting now.
const MostPlaces = 1000

// Wait is why a pending item does not start yet, and where it stands.
type Wait struct {
	// Reason is a word of package admission; empty when nothing keeps the item: it starts in one of the next cycles.
	Reason admission.Reason
	// Place is its place among the ready items of its workspace, in the order in which they start, from 1 on; zero when
	// it was not asked for, and for an item that is scheduled.
	Place int
	More  bool // it stands somewhere behind Place
	// Pause is what keeps it where the reason is admission.Paused.
	Pause *Pause
}

// Pause says who has paused an item, and why.
type Pause struct {
	Actor  string     `json:"actor"`
	Reason string     `json:"reason,omitempty"`
	Since  time.Time  `json:"since"`
	Until  *time.Time `json:"until,omitempty"` // nil: until it is resumed
}

var (
	pendingOfSQL = load("pending_of", "ids")
	waitsSQL     = load("waits", "ids", "workspaces", "slots", "places")
)

// Waits tells of those of the items that are pending why they wait: they are scheduled, or other items of their workspace
// go first (admission.BehindPriority), or else whatever keeps their workspace; or somebody has paused them. That the dispatcher
// itself is paused is not known here. It is what the policy would decide now, if a batch had room for everything. Places are counted up to places, at
// most MostPlaces; zero spares that. It reads at most MostPlaces items of each priority of the workspaces asked about;
// where they share a limit with others, also what Capacities reads of those.
func Waits(ctx context.Context, db store.DB, places int, items ...uuid.UUID) (map[uuid.UUID]Wait, error) {
	waits := map[uuid.UUID]Wait{}
	of, err := pendingOf(ctx, db, items)
	if err != nil || len(of) == 0 {
		return waits, store.Wrap(err, "read why items wait")
	}
	asked := map[uuid.UUID]bool{}
	for _, workspace := range of {
		asked[workspace] = true
	}
	workspaces, slots, why, err := startsNow(ctx, db, asked)
	if err != nil {
		return nil, err
	}
	places = max(0, min(places, MostPlaces))
	standings, err := store.Collect[inLine](ctx, db, waitsSQL, slices.Collect(maps.Keys(of)), workspaces, slots, places)
	for _, s := range standings {
		w := Wait{Reason: why[of[s.ID]]}
		switch {
		case s.Scheduled:
			waits[s.ID] = Wait{Reason: admission.Scheduled}
			continue
		case s.PausedSince != nil:
			w.Reason, w.Pause = admission.Paused, &Pause{valueOr(s.PausedBy, ""), valueOr(s.PausedWhy, ""), *s.PausedSince, s.PausedUntil}
		case s.Behind:
			w.Reason = admission.BehindPriority
		}
		if places > 0 {
			w.Place, w.More = min(s.Ahead+1, places), s.Ahead >= places
		}
		waits[s.ID] = w
	}
	return waits, store.Wrap(err, "read why items wait")
}

// pendingOf are the workspaces of those items that are pending.
func pendingOf(ctx context.Context, db store.DB, items []uuid.UUID) (map[uuid.UUID]uuid.UUID, error) {
	if len(items) == 0 {
		return nil, nil
	}
	pending, err := store.Collect[struct{ ID, WorkspaceID uuid.UUID }](ctx, db, pendingOfSQL, items)
	of := make(map[uuid.UUID]uuid.UUID, len(pending))
	for _, p := range pending {
		of[p.ID] = p.WorkspaceID
	}
	return of, err
}

// inLine is an item that is pending when it is looked at.
type inLine struct {
	ID        uuid.UUID
	Scheduled bool
	Behind    bool // the last one that its workspace may start now
	Ahead     int  // so many go first, counted up to the places asked for

	PausedBy    *string
	PausedWhy   *string
	PausedSince *time.Time // nil: it is not paused
	PausedUntil *time.Time
}

// startsNow is how many items of each of these workspaces the policy would start now, and why it would start none of the
// others.
func startsNow(ctx context.Context, db store.DB, asked map[uuid.UUID]bool) (workspaces []uuid.UUID, slots []int, why map[uuid.UUID]admission.Reason, err error) {
	inputs, err := inputsFor(ctx, db, asked)
	if err != nil {
		return nil, nil, nil, err
	}
	why = map[uuid.UUID]admission.Reason{}
	for _, in := range inputs {
		decision := admission.Decide(in)
		for _, g := range decision.Grants {
			if asked[g.ID] {
				workspaces, slots = append(workspaces, g.ID), append(slots, g.Slots)
			}
		}
		for i, reason := range in.Why(decision) {
			why[in.Workspaces[i].ID] = reason
		}
	}
	return workspaces, slots, why, nil
}

// inputsFor is what each shard would decide on. Only where workspaces share a limit that is not used up does it matter how
// much the others have: only then is that counted, and no further than could be started. Otherwise all are taken to have many.
func inputsFor(ctx context.Context, db store.DB, asked map[uuid.UUID]bool) ([]admission.Input, error) {
	capacities, of, err := deciding(ctx, db, 1, slices.Collect(maps.Keys(asked))...)
	if err != nil {
		return nil, err
	}
	inputs, most := make([]admission.Input, len(capacities)), 0
	contested := make([]bool, len(capacities))
	for shard := range capacities {
		in := capacities[shard].Input(math.MaxInt32)
		largest, could := 0, false
		for i := range in.Workspaces {
			w := &in.Workspaces[i]
			w.Ready *= MostPlaces
			room := w.Room(in.Now)
			largest, could = max(largest, room), could || asked[w.ID] && room > 0
		}
		if free := in.Global.Limit - in.Global.Used; could && free > 0 && (capacities[shard].Limit != nil || len(in.Cohorts) > 0) {
			contested[shard], most = true, max(most, min(largest, free))
		}
		inputs[shard] = in
	}
	if most == 0 {
		return inputs, nil
	}
	capacities, err = Capacities(ctx, db, most, of...)
	for shard := range min(len(inputs), len(capacities)) {
		if contested[shard] {
			inputs[shard] = capacities[shard].Input(math.MaxInt32)
		}
	}
	return inputs, err
}

package facts

import (
	"context"
	"math"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"sluice/internal/admission"
	"sluice/internal/store"
)

// WorkspaceUsage is a workspace with what it waits for and what it uses.
type WorkspaceUsage struct {
	ID   uuid.UUID `json:"id"`
	Name string    `json:"name"`
	Plan string    `json:"plan"`
	// ExternalKey is what the platform calls it, if that is set.
	ExternalKey *string `json:"externalKey,omitempty"`
	Pending     int     `json:"pending"`
	Running     int     `json:"running"` // slots held
	Limit       int     `json:"limit"`
	Done        int     `json:"done"`                 // executions ended, whatever their outcome
	LongestMS   int64   `json:"longestWaitMs" db:"-"` // age of the oldest ready item
	Reason      *string `json:"reason,omitempty"`     // why its ready items wait, or its executions: paused comes first, then unserved
	Unserved    int     `json:"unserved,omitempty"`   // executions that no worker carries on
	Refused     int     `json:"refused,omitempty"`    // items that ended without an execution
	NotSuccess  int     `json:"failed,omitempty"`     // executions that did not complete
	Shard       int     `json:"shard,omitempty"`      // whose dispatcher decides for it
}

var (
	workspacesSQL   = load("workspaces", "workspaces", "since")
	missingTypesSQL = load("missing_types", "workspaces")
	missingOfSQL    = load("missing_types_of", "id")
)

// Workspaces lists workspaces with their usage, by name; all of them when no ids are given. It counts everything that is
// retained of them.
func Workspaces(ctx context.Context, db store.DB, ids ...uuid.UUID) ([]WorkspaceUsage, error) {
	return WorkspacesSince(ctx, db, time.Time{}, ids...)
}

// WorkspacesSince is Workspaces which counts, of what has ended, only what has done so since a moment; zero stands for ever.
func WorkspacesSince(ctx context.Context, db store.DB, from time.Time, ids ...uuid.UUID) ([]WorkspaceUsage, error) {
	list, err := store.Collect[WorkspaceUsage](ctx, db, workspacesSQL, fresh, orAll(ids), since(from))
	if err != nil {
		return nil, store.Wrap(err, "list workspaces")
	}
	waiting, err := waitsOf(ctx, db, ids...)
	for i := range list {
		w := &list[i]
		of := waiting[w.ID]
		w.LongestMS = of.longest.Milliseconds()
		if reason := string(of.reason); reason != "" && (w.Reason == nil || of.reason == admission.Paused) {
			w.Reason = &reason
		}
	}
	return list, store.Wrap(err, "list workspaces")
}

// wait is why the items of a workspace wait, and for how long the oldest ready one does.
type wait struct {
	reason  admission.Reason
	longest time.Duration
}

// waitsOf tells how the items of workspaces wait: the reason is what the policy would decide now, if a batch had room for everything.
func waitsOf(ctx context.Context, db store.DB, ids ...uuid.UUID) (map[uuid.UUID]wait, error) {
	capacities, _, err := deciding(ctx, db, 1, ids...)
	return waitsIn(capacities), err
}

func waitsIn(capacities []Capacity) map[uuid.UUID]wait {
	waits := map[uuid.UUID]wait{}
	for _, c := range capacities {
		in := c.Input(math.MaxInt32)
		for i, reason := range in.Why(admission.Decide(in)) {
			w := c.Workspaces[i]
			waits[w.WorkspaceID] = wait{reason, c.Now.Sub(valueOr(w.Since, c.Now))}
		}
	}
	return waits
}

// WorkspaceWait is how the items of a workspace wait.
type WorkspaceWait struct {
	Reason  admission.Reason // empty: nothing keeps them, or nothing waits
	Longest time.Duration    // for which the oldest ready item has waited
}

// QueueWorkspaceWaits adds to a batch what tells how the items of each workspace with a backlog wait: what the policy would decide now, if a batch had
// room for everything. What it returns works that out when the batch has been sent. It costs as Capacities does, and not by the item.
func QueueWorkspaceWaits(b *pgx.Batch) func() map[uuid.UUID]WorkspaceWait {
	capacities := queueCapacities(b, 1)
	return func() map[uuid.UUID]WorkspaceWait {
		waits := map[uuid.UUID]WorkspaceWait{}
		for id, w := range waitsIn(capacities()) {
			waits[id] = WorkspaceWait{w.reason, w.longest}
		}
		return waits
	}
}

// MissingType is a workflow type that executions of a workspace need on its task queue, and that no live worker has.
type MissingType struct {
	WorkspaceID  uuid.UUID `json:"workspaceId"`
	WorkflowType string    `json:"workflowType"`
	Executions   int       `json:"executions"` // that are running and whose definition names it
}

// MissingTypes are those of workspaces, or of all when no ids are given.
func MissingTypes(ctx context.Context, db store.DB, ids ...uuid.UUID) ([]MissingType, error) {
	list, err := store.Collect[MissingType](ctx, db, missingTypesSQL, orAll(ids))
	return list, store.Wrap(err, "list workflow types that no worker has")
}

// QueueMissingTypes adds to a batch those of all workspaces.
func QueueMissingTypes(b *pgx.Batch, to *[]MissingType) {
	store.QueueCollect(b, to, missingTypesSQL, orAll(nil))
}

// UnservedExecution is an execution that no worker carries on.
type UnservedExecution struct {
	ID          uuid.UUID `json:"id"`
	WorkspaceID uuid.UUID `json:"workspaceId"`
	Since       time.Time `json:"since"`
	What        string    `json:"what"` // whose workflow task nobody takes or completes, and the error
}

var unservedSQL = load("unserved", "most")

// Unserved lists so many executions that no worker carries on, the longest first.
func Unserved(ctx context.Context, db store.DB, most int) ([]UnservedExecution, error) {
	list, err := store.Collect[UnservedExecution](ctx, db, unservedSQL, most)
	return list, store.Wrap(err, "list unserved executions")
}

// QueueUnserved adds Unserved to a batch.
func QueueUnserved(b *pgx.Batch, to *[]UnservedExecution, most int) {
	store.QueueCollect(b, to, unservedSQL, most)
}

// MissingTypesOf are those of one item, none unless it runs.
func MissingTypesOf(ctx context.Context, db store.DB, id uuid.UUID) ([]string, error) {
	list, err := store.Values[string](ctx, db, missingOfSQL, id)
	return list, store.Wrap(err, "list workflow types that no worker has")
}

package dispatch

import (
	"context"
	"encoding/json"
	"sync"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"sluice/internal/store"
)

// learnVersions looks up the current versions of the definitions that a plan needs and does not know. A definition that gets
// another version takes a turn, so a claim never uses one that was replaced before it.
func (e *Engine) learnVersions(ctx context.Context) error {
	var unknown []uuid.UUID
	asked := map[uuid.UUID]bool{}
	for i := range e.plan.taken {
		p := &e.plan.taken[i]
		if p.definition == uuid.Nil { // a workflow
			continue
		}
		if _, known := p.of.versions[p.definition]; !known && !asked[p.definition] {
			asked[p.definition] = true
			unknown = append(unknown, p.definition)
		}
	}
	if len(unknown) == 0 {
		return nil
	}
	err := store.Send(ctx, e.pool, func(b *pgx.Batch) { store.QueueDefinitions(b, unknown, e.cache.setDefinition) })
	return store.Wrap(err, "read definitions")
}

// setDefinition notes the current version of a definition. It counts for the workspace that owns it and for no other.
func (c *cache) setDefinition(d store.Definition) {
	w := c.byID[d.WorkspaceID]
	if w == nil {
		return
	}
	if w.versions == nil {
		w.versions = map[uuid.UUID]store.Definition{}
	}
	w.versions[d.ID] = d
}

// workflows remembers what definition versions run: they never change, and a workspace starts the same one again and again.
type workflows struct {
	mu    sync.Mutex
	known map[uuid.UUID]json.RawMessage
	bytes int // of the known
}

// maxWorkflowBytes is how much of them is remembered.
const maxWorkflowBytes = 32 << 20

// fill gives executions their workflows, and reads those it does not know. Where a version has been deleted there is none.
func (w *workflows) fill(ctx context.Context, db store.DB, executions []Execution) error {
	unknown := w.lookUp(executions)
	if len(unknown) == 0 {
		return nil
	}
	found := make(map[uuid.UUID]json.RawMessage, len(unknown))
	err := store.Send(ctx, db, func(b *pgx.Batch) {
		store.QueueWorkflows(b, unknown, func(version uuid.UUID, workflow []byte) { found[version] = workflow })
	})
	if err != nil {
		return store.Wrap(err, "read workflows of definitions")
	}
	for i := range executions {
		if x := &executions[i]; x.VersionID != nil && x.Graph == nil {
			if x.Graph = found[*x.VersionID]; x.Graph == nil {
				x.VersionNumber = nil
			}
		}
	}
	w.remember(found)
	return nil
}

func (w *workflows) lookUp(executions []Execution) (unknown []uuid.UUID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	asked := map[uuid.UUID]bool{}
	for i := range executions {
		x := &executions[i]
		if x.VersionID == nil {
			continue
		}
		if x.Graph = w.known[*x.VersionID]; x.Graph == nil && !asked[*x.VersionID] {
			asked[*x.VersionID] = true
			unknown = append(unknown, *x.VersionID)
		}
	}
	return unknown
}

// remember begins anew when it is full: what is used will be back soon.
func (w *workflows) remember(found map[uuid.UUID]json.RawMessage) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for id, workflow := range found {
		if w.known[id] != nil {
			continue
		}
		if w.bytes += len(workflow); w.known == nil || w.bytes > maxWorkflowBytes {
			w.known, w.bytes = map[uuid.UUID]json.RawMessage{}, len(workflow)
		}
		w.known[id] = workflow
	}
}

package queue

import (
	"context"
	"encoding/json"
	"sync"

	"github.com/google/uuid"
)

// maxVersionBytes is how much of versions is remembered.
const maxVersionBytes = 32 << 20

// versions remembers the workflows of definition versions: they never change, and a workspace starts the same one again
// and again. Whether a version still exists is not its to say.
type versions struct {
	mu    sync.Mutex
	known map[uuid.UUID]json.RawMessage
	bytes int // of the known
}

// fill gives the claims their workflows, and reads those it does not know. A claim whose version has been deleted
// meanwhile is left as if it had been before.
func (v *versions) fill(ctx context.Context, db executor, claims []Claim) error {
	unknown := v.lookUp(claims)
	if len(unknown) == 0 {
		return nil
	}
	type version struct {
		ID       uuid.UUID
		Workflow json.RawMessage
	}
	read, err := collect[version](ctx, db, `SELECT id, workflow FROM sluice.workflow_definition_versions WHERE id = ANY ($1)`, unknown)
	if err != nil {
		return err
	}
	found := make(map[uuid.UUID]json.RawMessage, len(read))
	for _, r := range read {
		found[r.ID] = r.Workflow
	}
	for i := range claims {
		if c := &claims[i]; c.VersionNumber != nil && c.Workflow == nil {
			if c.Workflow = found[*c.VersionID]; c.Workflow == nil {
				c.VersionNumber = nil
			}
		}
	}
	v.remember(found)
	return nil
}

func (v *versions) lookUp(claims []Claim) (unknown []uuid.UUID) {
	v.mu.Lock()
	defer v.mu.Unlock()
	asked := map[uuid.UUID]bool{}
	for i := range claims {
		c := &claims[i]
		if c.VersionNumber == nil {
			continue
		}
		if c.Workflow = v.known[*c.VersionID]; c.Workflow == nil && !asked[*c.VersionID] {
			asked[*c.VersionID] = true
			unknown = append(unknown, *c.VersionID)
		}
	}
	return unknown
}

// remember begins anew when it is full: what is used will be back soon.
func (v *versions) remember(found map[uuid.UUID]json.RawMessage) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for id, workflow := range found {
		if v.known[id] != nil {
			continue
		}
		if v.bytes += len(workflow); v.known == nil || v.bytes > maxVersionBytes {
			v.known, v.bytes = map[uuid.UUID]json.RawMessage{}, len(workflow)
		}
		v.known[id] = workflow
	}
}

package queue

import (
	"context"
	"sync"

	"github.com/google/uuid"
)

// patrol goes over all executions, from the newest to the oldest and then anew, so many at each call, and looks for open
// ones without a slot: nothing but their own row tells of them. It remembers those it has found, for as long as they are
// so. It begins anew with the process.
type patrol struct {
	part int // how many at a call; 0: patrolled

	mu       sync.Mutex
	before   uuid.UUID // where it goes on; nil: at the newest
	slotless []uuid.UUID
}

// patrolled take some 0.1 s. Each of 10 million executions is looked at within 17 hours, if the audit runs every 5 minutes.
const (
	patrolled     = 50_000
	patrolledMost = 1000 // remembered
)

// next goes on, and returns the open executions without a slot that are known by now.
func (p *patrol) next(ctx context.Context, db executor) ([]uuid.UUID, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	before := p.before
	if before == uuid.Nil {
		before = uuid.Max
	}
	part := p.part
	if part == 0 {
		part = patrolled
	}
	var n int
	var last *uuid.UUID
	var slotless []uuid.UUID
	err := db.QueryRow(ctx, patrolSQL, before, part, p.slotless, patrolledMost).Scan(&n, &last, &slotless)
	if err != nil {
		return nil, err
	}
	p.before, p.slotless = uuid.Nil, slotless
	if n == part {
		p.before = *last
	}
	return slotless, nil
}

const patrolSQL = `
WITH part AS MATERIALIZED (
	SELECT id, completed_at FROM sluice.workflow_executions WHERE id < $1 ORDER BY id DESC LIMIT $2
)
SELECT (SELECT count(*) FROM part), (SELECT id FROM part ORDER BY id LIMIT 1), ARRAY(
	SELECT id FROM (
		SELECT id FROM part WHERE completed_at IS NULL
		UNION
		SELECT id FROM sluice.workflow_executions WHERE id = ANY (coalesce($3, '{}'::uuid[])) AND completed_at IS NULL) AS open
	WHERE NOT EXISTS (SELECT FROM sluice.slots s WHERE s.execution_id = open.id) LIMIT $4)`

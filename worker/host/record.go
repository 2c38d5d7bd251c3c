package host

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"sluice/internal/store/fleet"
)

// recordInterval is how often a worker tells that it lives while nothing changes. Others believe it for 5 s.
const recordInterval = time.Second

// record is this worker's entry among all. Its methods are called by one goroutine at a time.
type record struct {
	self   fleet.Worker
	pool   *pgxpool.Pool
	log    *slog.Logger
	told   time.Time
	hosted []uuid.UUID
	left   map[uuid.UUID]bool // to others, as logged
	lacked map[uuid.UUID]bool // types that nobody has, as logged
}

func (h *Host) newRecord() *record {
	return &record{self: h.self, pool: h.cfg.Pool, log: h.log, left: map[uuid.UUID]bool{}, lacked: map[uuid.UUID]bool{}}
}

// ask tells what this worker hosts, where that is due, and asks which workspaces need one.
func (r *record) ask(ctx context.Context, q question) ([]fleet.Workspace, error) {
	if time.Since(r.told) >= recordInterval || !slices.Equal(r.hosted, q.hosted) {
		if err := r.self.Seen(ctx, r.pool, q.hosted); err != nil {
			return nil, err
		}
		r.told, r.hosted = time.Now(), q.hosted
	}
	found, err := r.self.Look(ctx, r.pool, q.named, q.crowded)
	if err == nil {
		r.explain(found)
	}
	return found, err
}

// leaveRecord gives this worker's workspaces to others, as far as the record goes.
func (h *Host) leaveRecord() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if err := h.self.Left(ctx, h.cfg.Pool); err != nil {
		h.log.Debug("cannot tell that this worker hosts nothing any more", "error", err)
	}
}

// explain logs, once each, which workspaces are left to others, and which are hosted though types are missing.
func (r *record) explain(found []fleet.Workspace) {
	for _, f := range found {
		if f.Leaves && !r.left[f.ID] {
			r.log.Info("left to workers that have its workflow types", "workspace", f.ID)
		}
		if lacks := f.Lacks && !f.Leaves; lacks && !r.lacked[f.ID] {
			r.log.Warn("definitions need workflow types that neither this worker has nor any other that has all of its types; see sluice.workers and the column workflow_types of their versions", "workspace", f.ID)
		}
	}
	clear(r.left)
	clear(r.lacked)
	for _, f := range found {
		r.left[f.ID], r.lacked[f.ID] = f.Leaves, f.Lacks && !f.Leaves
	}
}

// identity is what the SDK calls this process by default.
func identity() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return fmt.Sprintf("%d@%s", os.Getpid(), host)
}

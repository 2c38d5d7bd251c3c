package operate

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"go.temporal.io/sdk/client"
	"golang.org/x/sync/errgroup"

	"sluice/admin"
	"sluice/internal/store"
	"sluice/internal/store/catalog"
)

const (
	// deletePause is between two looks at what still runs of a workspace that is deleted.
	deletePause = 200 * time.Millisecond
	// startUnderWay is longer than a dispatcher takes to start what it has claimed.
	startUnderWay = 5 * time.Second
	deletedReason = "its workspace was deleted"
)

// Deleted is what became of a workspace that was deleted.
type Deleted struct {
	WorkspaceID uuid.UUID `json:"workspaceId"`
	Pending     int64     `json:"pending"`    // items that waited
	Ended       int64     `json:"ended"`      // items that had ended
	Running     int       `json:"running"`    // executions that were cancelled or terminated
	Terminated  int       `json:"terminated"` // of these: they did not end within the grace
}

// DeleteWorkspace deletes a workspace and all that belongs to it, see admin.Client.DeleteWorkspace. What runs is cancelled, and
// after a grace terminated. Broken off, it is begun again by another call. Dial connects to Temporal, and is called only if
// something runs.
func DeleteWorkspace(ctx context.Context, pool *pgxpool.Pool, dial func(context.Context) (client.Client, error), workspace uuid.UUID, actor string, grace time.Duration) (Deleted, error) {
	d := &deletion{pool: pool, office: admin.New(pool), workspace: workspace, actor: actor, grace: grace, began: time.Now(),
		seen: map[uuid.UUID]bool{}, asked: map[uuid.UUID]time.Time{}, terminated: map[uuid.UUID]bool{}}
	d.total.WorkspaceID = workspace
	running, err := d.erase(ctx)
	if err != nil || running == 0 {
		return d.total, err
	}
	if d.client, err = dial(ctx); err != nil {
		return d.total, d.unfinished(fmt.Errorf("%d executions still run, and only Temporal can end them: %w", running, err))
	}
	for running > 0 {
		if err := d.endRunning(ctx); err != nil {
			return d.total, d.unfinished(err)
		}
		if err := pause(ctx, deletePause); err != nil {
			return d.total, d.unfinished(fmt.Errorf("executions still run: %w", err))
		}
		if running, err = d.erase(ctx); err != nil {
			return d.total, d.unfinished(err)
		}
	}
	return d.total, d.endLate(ctx)
}

// unfinished tells how to go on. The row is gone first, and the key with it: only the id still names the workspace.
func (d *deletion) unfinished(err error) error {
	return fmt.Errorf("not all of workspace %[1]s is deleted; run this again with its id, %[1]s, because its key is gone: %[2]w", d.workspace, err)
}

// Drain pauses a workspace and returns when nothing of it runs any more, so that it can be deleted without ending anything. What waits or
// is enqueued meanwhile is not claimed. Broken off, it leaves the workspace paused, and another call goes on. Left is told how much
// runs still.
func Drain(ctx context.Context, pool *pgxpool.Pool, workspace uuid.UUID, actor string, left func(running int)) error {
	if _, err := admin.New(pool).Pause(ctx, admin.Scope{WorkspaceID: workspace}, admin.Term{}, actor, drainReason); err != nil {
		return fmt.Errorf("drain workspace %s: %w", workspace, err)
	}
	for last := -1; ; {
		slots, err := catalog.RunningOf(ctx, pool, workspace)
		if err != nil || len(slots) == 0 {
			return err
		}
		if len(slots) != last {
			last = len(slots)
			left(last)
		}
		if err := pause(ctx, deletePause); err != nil {
			return fmt.Errorf("%d executions of workspace %s still run, and it stays paused; run this again, or resume it: %w", last, workspace, err)
		}
	}
}

const drainReason = "it is drained, to be deleted"

// deletion is one of a workspace; its mutex guards what the comparisons note.
type deletion struct {
	pool      *pgxpool.Pool
	office    *admin.Client
	client    client.Client
	workspace uuid.UUID
	actor     string
	grace     time.Duration
	began     time.Time
	total     Deleted

	sync.Mutex
	seen       map[uuid.UUID]bool      // they hold a slot
	asked      map[uuid.UUID]time.Time // when they were first asked to cancel
	terminated map[uuid.UUID]bool
	unstarted  []store.Known // their slots were freed, and they may be started all the same
	over       []uuid.UUID   // their workflows are not open
}

// erase deletes what does not run, and returns how much does. A workspace that an enqueue has created again meanwhile is not the one that
// was to be deleted.
func (d *deletion) erase(ctx context.Context) (running int, err error) {
	if d.client != nil {
		if again, err := d.office.Workspace(ctx, d.workspace.String()); err == nil && again.ID == d.workspace {
			return 0, &RefusedError{Message: fmt.Sprintf("an enqueue has created workspace %s again (auto-create-plan), and some of what was deleted still runs: "+
				"see that nothing is enqueued for it, and run this again", d.workspace)}
		}
	}
	step, err := d.office.DeleteWorkspace(ctx, d.workspace, d.actor)
	d.total.Pending, d.total.Ended = d.total.Pending+step.Pending, d.total.Ended+step.Ended
	if errors.Is(err, admin.ErrUnknownWorkspace) && d.client != nil { // nothing is left
		return 0, nil
	}
	return step.Running, err
}

// endRunning cancels or terminates what runs, and frees the slots of what is over.
func (d *deletion) endRunning(ctx context.Context) error {
	slots, err := catalog.RunningOf(ctx, d.pool, d.workspace)
	if err != nil {
		return err
	}
	d.over = nil
	var group errgroup.Group
	group.SetLimit(describeParallel)
	for _, slot := range slots {
		group.Go(func() error { return d.end(ctx, slot) })
	}
	err = group.Wait()
	d.total.Running, d.total.Terminated = len(d.seen), len(d.terminated)
	if len(d.over) > 0 {
		_, eraseErr := catalog.EraseRunning(ctx, d.pool, d.workspace, d.over)
		err = errors.Join(err, eraseErr)
	}
	return err
}

// end takes one execution a step further to its end.
func (d *deletion) end(ctx context.Context, slot catalog.Slot) error {
	k := store.Known{ItemID: slot.ID, WorkflowID: slot.WorkflowID, RunID: slot.RunID, Own: slot.Own}
	f, err := find(ctx, d.client, k)
	if err != nil {
		return err
	}
	d.Lock()
	since, asked := d.asked[slot.ID]
	terminated := d.terminated[slot.ID]
	d.seen[slot.ID] = true
	switch {
	case f.open && !asked:
		d.asked[slot.ID] = time.Now()
	case f.open && time.Since(since) >= d.grace:
		d.terminated[slot.ID] = true
	case !f.open && f.known:
		d.over = append(d.over, slot.ID)
	case !f.open && (slot.Dispatched || time.Since(d.began) >= startUnderWay):
		d.over, d.unstarted = append(d.over, slot.ID), append(d.unstarted, k)
	}
	terminate := d.terminated[slot.ID] && !terminated
	d.Unlock()
	switch {
	case terminate:
		err = Terminate(ctx, d.client, k, deletedReason)
	case f.open && !asked:
		err = Cancel(ctx, d.client, k)
	}
	if errors.Is(err, ErrNotOpen) {
		return nil
	}
	return err
}

// endLate ends what was started although its slot was freed, because its start was on its way.
func (d *deletion) endLate(ctx context.Context) error {
	if len(d.unstarted) == 0 {
		return nil
	}
	if err := pause(ctx, startUnderWay); err != nil {
		return err
	}
	for _, k := range d.unstarted {
		if err := Terminate(ctx, d.client, k, deletedReason); err != nil && !errors.Is(err, ErrNotOpen) {
			return err
		}
	}
	return nil
}

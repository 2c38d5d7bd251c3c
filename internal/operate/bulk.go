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
)

const (
	// endPage is how many executions are asked to end before it is noted that they were.
	endPage = 100
	// settlePatience is how long something may be between a claim and its start, or between its end and the record of that.
	settlePatience = 8 * time.Second
	settlePause    = 200 * time.Millisecond
)

// EndedMany is what has become of a selection of items that were to be cancelled or terminated.
type EndedMany struct {
	Cancelled  int64 `json:"cancelled"`  // they waited, and are CANCELLED
	Asked      int64 `json:"asked"`      // they run, and their workflows were asked to cancel
	Terminated int64 `json:"terminated"` // they ran, and their workflows were terminated
	Unsettled  int64 `json:"unsettled"`  // their claim, their start, or the record of their end is on its way still
}

func (e EndedMany) total() int64 { return e.Cancelled + e.Asked + e.Terminated }

// EndSelected cancels or terminates the items of a selection: what waits at once, what runs through Temporal, page by page. Broken off, it
// returns how far it has come; to do the same again goes on. Dial connects to Temporal, and is called only if something runs.
func EndSelected(ctx context.Context, pool *pgxpool.Pool, dial func(context.Context) (client.Client, error), s admin.Selection, actor, reason string, progress admin.Progress) (EndedMany, error) {
	e := &ending{office: admin.New(pool), dial: dial, selection: s, actor: actor, reason: reason, progress: progress, logged: map[uuid.UUID]bool{}, asked: map[uuid.UUID]bool{}}
	// What waits may be claimed meanwhile, and what is claimed may come back: once more after each.
	for until := time.Now().Add(settlePatience); ; {
		before := e.done.total()
		if err := e.pass(ctx); err != nil {
			return e.done, err
		}
		if e.done.total() == before && (e.done.Unsettled == 0 || time.Now().After(until)) {
			return e.done, nil
		}
		if err := pause(ctx, settlePause); err != nil {
			return e.done, err
		}
	}
}

// ending is one of many items; its mutex guards what the requests of a page note.
type ending struct {
	office    *admin.Client
	dial      func(context.Context) (client.Client, error)
	client    client.Client
	selection admin.Selection
	actor     string
	reason    string
	progress  admin.Progress
	done      EndedMany

	sync.Mutex
	logged map[uuid.UUID]bool // that they are to be asked
	asked  map[uuid.UUID]bool // these need not be asked again
}

// pass ends what there is to end, and counts what is on its way: what a claim held when what waits was cancelled, and what came back to
// wait while what runs was asked to end.
func (e *ending) pass(ctx context.Context) error {
	if err := e.pending(ctx); err != nil {
		return err
	}
	held, err := e.office.Waiting(ctx, e.selection)
	if err != nil {
		return err
	}
	unsettled, err := e.running(ctx)
	if err != nil {
		return err
	}
	if held == 0 {
		held, err = e.office.Waiting(ctx, e.selection)
	}
	e.done.Unsettled = held + unsettled
	return err
}

func (e *ending) pending(ctx context.Context) error {
	if e.selection.Action != admin.Cancel {
		return nil
	}
	before := e.done.total()
	n, err := e.office.CancelSelected(ctx, e.selection, e.actor, e.reason, func(n int64) { e.tell(before + n) })
	e.done.Cancelled += n
	return err
}

func (e *ending) tell(n int64) {
	if e.progress != nil {
		e.progress(n)
	}
}

// running asks what runs to end, and returns how many have no open workflow and hold a slot.
func (e *ending) running(ctx context.Context) (unsettled int64, err error) {
	for after := uuid.Nil; ; {
		page, err := e.office.Running(ctx, e.selection, after, endPage)
		if err != nil || len(page) == 0 {
			return unsettled, err
		}
		n, err := e.page(ctx, page)
		if unsettled += n; err != nil {
			return unsettled, err
		}
		if len(page) < endPage {
			return unsettled, nil
		}
		after = page[len(page)-1].ItemID
	}
}

func (e *ending) page(ctx context.Context, page []admin.RunningItem) (unsettled int64, err error) {
	var fresh []uuid.UUID
	var items []store.Known
	for _, r := range page {
		if !e.asked[r.ItemID] {
			if !e.logged[r.ItemID] {
				e.logged[r.ItemID] = true
				fresh = append(fresh, r.ItemID)
			}
			items = append(items, store.Known{ItemID: r.ItemID, WorkflowID: r.WorkflowID, RunID: r.RunID, Own: r.Own})
		}
	}
	if len(items) == 0 {
		return 0, nil
	}
	if e.client == nil {
		if e.client, err = e.dial(ctx); err != nil {
			return 0, fmt.Errorf("items of the selection run, and only Temporal can end them: %w", err)
		}
	}
	if len(fresh) > 0 {
		if err := e.office.Requested(ctx, e.selection.Action, fresh, e.actor, e.reason); err != nil {
			return 0, err
		}
	}
	var group errgroup.Group
	group.SetLimit(describeParallel)
	var ended []uuid.UUID
	for _, k := range items {
		group.Go(func() error {
			err := e.end(ctx, k)
			e.Lock()
			defer e.Unlock()
			switch {
			case errors.Is(err, ErrNotOpen):
				unsettled++
				return nil
			case err == nil:
				ended = append(ended, k.ItemID)
				e.asked[k.ItemID] = true
			}
			return err
		})
	}
	err = group.Wait()
	if len(ended) == 0 {
		return unsettled, err
	}
	if e.selection.Action == admin.Terminate {
		e.done.Terminated += int64(len(ended))
	} else {
		e.done.Asked += int64(len(ended))
		err = errors.Join(err, e.office.Asked(context.WithoutCancel(ctx), ended))
	}
	e.tell(e.done.total())
	return unsettled, err
}

func (e *ending) end(ctx context.Context, k store.Known) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if e.selection.Action == admin.Terminate {
		return Terminate(ctx, e.client, k, termination(e.actor, e.reason))
	}
	return Cancel(ctx, e.client, k)
}

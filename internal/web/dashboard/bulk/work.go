package bulk

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5/pgxpool"
	"go.temporal.io/sdk/client"

	"sluice/admin"
	"sluice/internal/operate"
)

// Outcome is what has become of an operation. What is beside Done says how, or what was left alone.
type Outcome struct {
	Done                         int64
	Cancelled, Asked, Terminated int64
	Unsettled                    int64 // their claim, their start, or the record of their end is on its way
	Expired                      int64 // not retried: they would only expire
}

type worker struct {
	pool   *pgxpool.Pool
	office *admin.Client
	dial   func(context.Context) (client.Client, error)
}

// do does it. Broken off, the outcome is how far it has come.
func (w worker) do(ctx context.Context, o Order, progress admin.Progress) (out Outcome, err error) {
	switch o.Selection.Action {
	case admin.Cancel, admin.Terminate:
		ended, err := operate.EndSelected(ctx, w.pool, w.dial, o.Selection, o.Actor, o.Reason, progress)
		return Outcome{ended.Cancelled + ended.Asked + ended.Terminated, ended.Cancelled, ended.Asked, ended.Terminated, ended.Unsettled, 0}, err
	case admin.Retry:
		if out.Done, err = w.office.RetrySelected(ctx, o.Selection, o.Actor, o.Reason, progress); err == nil {
			out.Expired, err = w.office.CountExpiredOf(ctx, o.Selection)
		}
	case admin.Replay:
		out.Done, err = w.office.ReplaySelected(ctx, o.Selection, o.Actor, o.Reason, progress)
	case admin.Reprioritize:
		out.Done, err = w.office.ReprioritizeSelected(ctx, o.Selection, o.Place, o.Actor, o.Reason, progress)
	default:
		err = fmt.Errorf("unknown action %q", o.Selection.Action)
	}
	return out, err
}

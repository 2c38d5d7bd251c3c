package recovery

import (
	"context"
	"fmt"
	"slices"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"

	"sluice/internal/store"
	"sluice/workflows"
)

const (
	// visibilityLag is how late Temporal's lists may show a change; each pass looks back so much further.
	visibilityLag = 20 * time.Second
	// usualLag is how late they show one as a rule. What closed so long before the last pass is counted and not listed.
	usualLag = 3 * time.Second
	// listPage and listPages limit what one pass reads of each list. The next one reads on. A page is small, so that a store that is busy
	// answers within listTimeout: it goes on with a query whose caller has given up, beside the next pass's.
	listPage  = 200
	listPages = 50
	// listTime is how long one pass reads each list.
	listTime = 750 * time.Millisecond
	// listTimeout is for one call. The client tries again for as long as it may while the server refuses, and a pass has
	// more to do.
	listTimeout = 2 * time.Second
)

// closedRuns are the closed runs that Temporal has shown to the passes of one caller. Each is compared in every pass for
// visibilityLag, but closes only once, and each time it is read takes some 50 µs of processor time: what closed since the
// last pass is listed, what closed before is counted, and listed again only when there are others than those that are
// known. Temporal calls its counts approximate, so a caller begins with none.
type closedRuns []closedRun

type closedRun struct {
	run  store.Run
	ours bool // false: the workflow is no item's, or has continued as new and is no end of its chain
}

// runs are those that may be the ends of items.
func (c closedRuns) runs() []store.Run {
	var runs []store.Run
	for _, closed := range c {
		if closed.ours {
			runs = append(runs, closed.run)
		}
	}
	return runs
}

// between are those that closed between two moments.
func (c closedRuns) between(from, to time.Time) closedRuns {
	return slices.DeleteFunc(c, func(closed closedRun) bool {
		return closed.run.ClosedAt.Before(from) || !closed.run.ClosedAt.Before(to)
	})
}

// reading is how far passes have read one of the lists. One that is longer than a pass reads is read on by the next passes, from where
// the last one stopped: to list a shorter time instead would not do, for each pass looks back by visibilityLag, in which alone there
// may be more than it reads.
type reading struct {
	condition string
	token     []byte    // of the next page; empty: it has been read to its end
	since     time.Time // what it looks back from
	began     time.Time // when the pass began that read the first page
	until     time.Time // all that the list has shown of the time up to then is compared
}

// next is what a pass reads that looks back from a moment: the rest of the list, or the list anew when there is none, or somebody has
// looked beyond it.
func (l reading) next(since, began time.Time) (_ reading, rest bool) {
	if since.Before(l.since) { // the database is an older one, or a clock was ahead
		l = reading{}
	}
	if len(l.token) > 0 && since.Before(l.began) {
		return l, true
	}
	return reading{since: since, began: began, until: l.until}, false
}

// readings are those of the two lists. They outlast the passes of one caller, which may be too few to read a list to its end.
type readings struct {
	closed, open reading
	turn         []byte // the page of all that is open that the next pass reads; empty: the first
}

// until is up to when all that has changed is compared.
func (l readings) until() time.Time {
	if l.open.until.Before(l.closed.until) {
		return l.open.until
	}
	return l.closed.until
}

// rest tells whether there is more to read.
func (l readings) rest() bool { return len(l.closed.token)+len(l.open.token) > 0 }

// readSoFar is how far the lists have been read by passes that have compared all that they read.
func (r *Recovery) readSoFar() readings {
	r.listing.Lock()
	defer r.listing.Unlock()
	return r.read
}

func (r *Recovery) setRead(read readings) {
	r.listing.Lock()
	defer r.listing.Unlock()
	r.read = read
}

// look brings what is known up to date, and returns the runs that are open and started lately. It looks back from the
// moment before which everything has been looked at. Of a list that earlier passes have begun to read it returns what is next.
func (r *Recovery) look(ctx context.Context, since, began time.Time, known closedRuns, lists *readings) (closed closedRuns, open []store.Run, err error) {
	since = since.Truncate(time.Millisecond) // no finer than any store of Temporal's compares
	from, recent := since.Add(-visibilityLag), since.Add(-usualLag)
	// Two lists, each a range of one index of a SQL store: joined by OR they are a scan of all that the namespace retains. To such a store
	// what is open closes in the year 9999, so the first needs an end.
	list, rest := lists.closed.next(since, began)
	if !rest {
		unread := from
		if closed = known.between(from, recent); len(closed) > 0 {
			shown, err := r.count(ctx, fmt.Sprintf("CloseTime >= '%s' AND CloseTime < '%s'", inQuery(from), inQuery(recent)))
			if err != nil {
				return nil, nil, err
			}
			if shown == int64(len(closed)) {
				unread = recent
			} else {
				closed = nil
			}
		}
		list.condition = fmt.Sprintf("CloseTime >= '%s' AND CloseTime < '%s'", inQuery(unread), inQuery(since.AddDate(1, 0, 0)))
	}
	lists.closed, err = r.each(ctx, list, func(info *workflowpb.WorkflowExecutionInfo) {
		run, ours := runOf(info)
		run.ClosedAt = info.GetCloseTime().AsTime()
		ours = ours && info.GetStatus() != enumspb.WORKFLOW_EXECUTION_STATUS_CONTINUED_AS_NEW
		closed = append(closed, closedRun{run: run, ours: ours})
	})
	if err != nil {
		return nil, nil, err
	}
	if list, rest = lists.open.next(since, began); !rest {
		list.condition = fmt.Sprintf("ExecutionStatus = 'Running' AND StartTime >= '%s'", inQuery(from))
	}
	lists.open, err = r.each(ctx, list, func(info *workflowpb.WorkflowExecutionInfo) {
		if run, ours := runOf(info); ours {
			open = append(open, run)
		}
	})
	if err != nil {
		return nil, nil, err
	}
	return closed, open, nil
}

// openInTurn is the next page of all runs that are open, whenever they started. A run without a slot that no pass has seen when it was new is
// found that way: Temporal's lists may be minutes behind, and this process' clock ahead of Temporal's.
func (r *Recovery) openInTurn(ctx context.Context, lists *readings) (open []store.Run, err error) {
	page, err := r.list(ctx, ofExecutions("ExecutionStatus = 'Running'"), lists.turn)
	if err != nil {
		return nil, err
	}
	for _, info := range page.GetExecutions() {
		if run, ours := runOf(info); ours {
			open = append(open, run)
		}
	}
	lists.turn = page.GetNextPageToken()
	return open, nil
}

// each calls do with the workflows of executions that a list has next, as many as one pass reads, and returns how far it has been read then.
func (r *Recovery) each(ctx context.Context, l reading, do func(*workflowpb.WorkflowExecutionInfo)) (reading, error) {
	began, read := time.Now(), 0
	for pages := 0; pages < listPages && time.Since(began) < listTime; pages++ {
		page, err := r.list(ctx, ofExecutions(l.condition), l.token)
		if err != nil {
			return l, err
		}
		for _, info := range page.GetExecutions() {
			do(info)
		}
		read += len(page.GetExecutions())
		if l.token = page.GetNextPageToken(); len(l.token) == 0 {
			l.until = l.began
			return l, nil
		}
	}
	r.log.Warn("more executions have changed than one pass reads; the next one reads on", "read", read, "of", l.condition)
	return l, nil
}

// list is one page of the workflows that a query finds.
func (r *Recovery) list(ctx context.Context, query string, token []byte) (*workflowservice.ListWorkflowExecutionsResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, listTimeout)
	defer cancel()
	page, err := r.client.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{PageSize: listPage, Query: query, NextPageToken: token})
	if err != nil {
		return nil, fmt.Errorf("%w (%s): %w", ErrLists, query, err)
	}
	return page, nil
}

// count is how many workflows of executions there are of which a condition holds.
func (r *Recovery) count(ctx context.Context, condition string) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, listTimeout)
	defer cancel()
	answer, err := r.client.CountWorkflow(ctx, &workflowservice.CountWorkflowExecutionsRequest{Query: ofExecutions(condition)})
	if err != nil {
		return 0, fmt.Errorf("%w (count of %s): %w", ErrLists, condition, err)
	}
	return answer.GetCount(), nil
}

// ofExecutions narrows a condition to the workflows that were started for items.
func ofExecutions(condition string) string {
	return fmt.Sprintf("%s IS NOT NULL AND %s", workflows.AttributeQueueItem, condition)
}

// runOf is a run of the execution that its search attribute names, if it does. That is only what it says of itself.
func runOf(info *workflowpb.WorkflowExecutionInfo) (run store.Run, ours bool) {
	id, ours := ItemNamed(info.GetSearchAttributes())
	return store.Run{ExecutionID: id, RunID: info.GetExecution().GetRunId()}, ours
}

func inQuery(at time.Time) string { return at.UTC().Format(time.RFC3339Nano) }

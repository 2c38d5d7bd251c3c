package main

import (
	"context"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/google/uuid"

	"sluice/internal/store/facts"
)

const (
	demoLook  = 250 * time.Millisecond // how often the table is read, and on a terminal redrawn
	demoPrint = 3 * time.Second        // how often it is printed elsewhere
)

// watch shows the table until nothing waits or runs any more, without what was done before. It returns the highest limit
// that each workspace had meanwhile: a tier or a plan may be changed while it runs.
func (d *demo) watch(ctx context.Context, workspaces []demoWorkspace, before map[uuid.UUID]int, since time.Time) (limits map[uuid.UUID]int, err error) {
	ids, limits := idsOf(workspaces), map[uuid.UUID]int{}
	tick := time.NewTicker(demoLook)
	defer tick.Stop()
	defer d.screen.settle()
	for printed := (time.Time{}); ; {
		list, err := facts.Workspaces(ctx, d.pool, ids...)
		if err != nil {
			return nil, err
		}
		left := 0
		for i := range list {
			list[i].Done -= before[list[i].ID]
			left += list[i].Pending + list[i].Running
			limits[list[i].ID] = max(limits[list[i].ID], list[i].Limit)
		}
		if d.screen.live || left == 0 || time.Since(printed) >= demoPrint {
			d.screen.show(progressTable(list, time.Since(since)))
			printed = time.Now()
		}
		if left == 0 {
			return limits, nil
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-tick.C:
		}
	}
}

// progressTable shows how far each workspace is. It fits into 80 columns, so that no line wraps.
func progressTable(list []facts.WorkspaceUsage, elapsed time.Duration) string {
	var b strings.Builder
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(t, "WORKSPACE\tPLAN\tPENDING\tRUNNING/LIMIT\tDONE\tLONGEST WAIT")
	for _, w := range list {
		wait := "-"
		if w.LongestMS > 0 {
			wait = fmt.Sprintf("%.1fs", float64(w.LongestMS)/1000)
		}
		_, _ = fmt.Fprintf(t, "%.22s\t%s\t%d\t%d/%d\t%d\t%s\n", w.Name, w.Plan, w.Pending, w.Running, w.Limit, w.Done, wait)
	}
	_ = t.Flush() // a strings.Builder never fails
	fmt.Fprintf(&b, "after %.1fs\n\n", elapsed.Seconds())
	return b.String()
}

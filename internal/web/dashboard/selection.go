package dashboard

import (
	"context"
	"net/url"
	"slices"

	"github.com/google/uuid"

	"sluice/admin"
	"sluice/internal/bounds"
	"sluice/internal/store"
	"sluice/internal/store/facts"
	"sluice/internal/store/figures"
	"sluice/internal/web/dashboard/page"
	"sluice/internal/web/dashboard/series"
)

// readSelection reads which items are meant from the query of an address or from a form.
func readSelection(q url.Values) (s page.Selection, err error) {
	s = page.Selection{Type: q.Get("type"), Workflow: q.Get("workflow"), Status: q.Get("status"), Reason: q.Get("reason"), Error: q.Get("error"), Group: q.Get("group")}
	if s.Workspace, err = optionalID(q, "workspace"); err != nil {
		return s, err
	}
	if s.Definition, err = optionalID(q, "definition"); err != nil {
		return s, err
	}
	if s.Group != "" {
		_, s.Since = page.WindowOf(q.Get("since"))
	}
	if s.Status != "" && !slices.Contains(page.Statuses, s.Status) && s.Status != "DISPATCHED" {
		return s, store.Invalid("there is no status %q", s.Status)
	}
	for _, text := range []string{s.Type, s.Workflow, s.Reason, s.Error, s.Group} {
		if err := bounds.Text(text, bounds.MaxReason); err != nil {
			return s, store.Invalid("a filter %v", err)
		}
	}
	if s.Reason != "" && !slices.Contains([]string{"", "FAILED", "CANCELLED", "EXPIRED"}, s.Status) {
		s.Reason = "" // of no other status is there a reason
	}
	return s, nil
}

// group is the group of failures that a selection means, as it is now: without items if there is none any more. Of a selection that means
// none it is the zero one.
func (d *dashboard) group(ctx context.Context, s page.Selection) (none figures.Failure, err error) {
	if s.Group == "" {
		return none, nil
	}
	span, _ := page.WindowOf(s.Since)
	now, err := facts.Now(ctx, d.Pool)
	if err != nil {
		return none, err
	}
	groups, err := figures.Failures(ctx, d.Pool, now.Add(-span), s.Workspace)
	if err != nil {
		return none, err
	}
	if i := slices.IndexFunc(groups, func(g figures.Failure) bool { return g.Key == s.Group }); i >= 0 {
		return groups[i], nil
	}
	return figures.Failure{IDs: []uuid.UUID{}}, nil
}

// filter is what a selection means to package admin.
func filter(s page.Selection, g figures.Failure) admin.Filter {
	if s.Group != "" {
		return admin.Filter{IDs: g.IDs}
	}
	return admin.Filter{WorkspaceID: s.Workspace, DefinitionID: s.Definition, WorkflowType: s.Type, Status: s.Status, Reason: s.Reason, Error: s.Error}
}

// chosen are the names of what a selection means.
func (d *dashboard) chosen(ctx context.Context, known *series.Snapshot, s page.Selection, g figures.Failure) (n page.SelectionNames, err error) {
	if s.Workspace != uuid.Nil {
		w, _ := known.Find(s.Workspace)
		if n.Workspace = w.Name; n.Workspace == "" {
			n.Workspace = s.Workspace.String()
		}
	}
	if n.Group = g.Message; n.Group == "" && g.N > 0 {
		n.Group = "no message"
	}
	if s.Definition != uuid.Nil {
		names, err := figures.Names(ctx, d.Pool, []uuid.UUID{s.Definition})
		if err != nil {
			return n, err
		}
		n.Definition = names[s.Definition]
	}
	return n, nil
}

package dashboard

import (
	"context"
	"net/http"
	"time"

	"github.com/a-h/templ"
	"github.com/google/uuid"

	"sluice/internal/bounds"
	"sluice/internal/store"
	"sluice/internal/store/facts"
	"sluice/internal/store/figures"
	"sluice/internal/web/dashboard/page"
)

func (d *dashboard) failures(ctx context.Context, r *http.Request, p page.Page) (templ.Component, error) {
	var v page.FailuresView
	var err error
	if v.Workspace, err = optionalID(r.URL.Query(), "workspace"); err != nil {
		return nil, err
	}
	span, word := page.WindowOf(r.URL.Query().Get("since"))
	v.Window = word
	if p.Now, err = facts.Now(ctx, d.Pool); err != nil {
		return nil, err
	}
	if v.Workspace != uuid.Nil {
		v.Name = v.Workspace.String()
		if limits, err := d.limitsOf(ctx, v.Workspace); err == nil {
			v.Name = limits.Name
		}
	}
	v.Groups, err = figures.Failures(ctx, d.Pool, p.Now.Add(-span), v.Workspace)
	return page.Failures(p, v), err
}

func (d *dashboard) types(ctx context.Context, r *http.Request, p page.Page) (templ.Component, error) {
	span, word := page.WindowOf(r.URL.Query().Get("since"))
	v := page.TypesView{Window: word, Name: r.URL.Query().Get("name")}
	if err := bounds.Text(v.Name, bounds.MaxReason); err != nil {
		return nil, store.Invalid("name %v", err)
	}
	var err error
	if p.Now, err = facts.Now(ctx, d.Pool); err != nil {
		return nil, err
	}
	if v.Kinds, err = figures.Kinds(ctx, d.Pool, p.Now.Add(-span), v.Name); err != nil {
		return nil, err
	}
	if v.Pauses, err = d.admin.Pauses(ctx); err != nil {
		return nil, err
	}
	v.Names, err = d.names(ctx)
	return page.Types(p, v), err
}

const (
	// activityMost is how many entries of the log a page has, activityBack how far back it looks for them.
	activityMost = 100
	activityBack = 7 * 24 * time.Hour
)

func (d *dashboard) activity(ctx context.Context, r *http.Request, p page.Page) (templ.Component, error) {
	v := page.ActivityView{Actor: r.URL.Query().Get("actor"), Most: activityMost}
	var err error
	if v.Workspace, err = optionalID(r.URL.Query(), "workspace"); err != nil {
		return nil, err
	}
	if err := bounds.Text(v.Actor, bounds.MaxReason); err != nil {
		return nil, store.Invalid("actor %v", err)
	}
	if p.Now, err = facts.Now(ctx, d.Pool); err != nil {
		return nil, err
	}
	before := p.Now
	if text := r.URL.Query().Get("before"); text != "" {
		if before, err = time.Parse(time.RFC3339Nano, text); err != nil || before.Year() < 2000 || before.Year() > 9999 {
			return nil, store.Invalid("before must be a time such as 2026-11-29T07:00:00Z, not %q", text)
		}
		v.Before = before
	}
	v.Since = before.Add(-activityBack)
	if v.List, err = figures.Activities(ctx, d.Pool, before, v.Since, v.Workspace, v.Actor, activityMost); err != nil {
		return nil, err
	}
	v.Names, err = d.names(ctx)
	return page.Activity(p, v), err
}

// names are those of all workspaces.
func (d *dashboard) names(ctx context.Context) (map[uuid.UUID]string, error) {
	s, err := d.watch.Glance(ctx)
	if err != nil {
		return nil, err
	}
	names := make(map[uuid.UUID]string, len(s.Workspaces))
	for i := range s.Workspaces {
		names[s.Workspaces[i].ID] = s.Workspaces[i].Name
	}
	return names, nil
}

package dashboard

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/a-h/templ"
	"github.com/google/uuid"

	"sluice/admin"
	"sluice/internal/bounds"
	"sluice/internal/store"
	"sluice/internal/store/figures"
	"sluice/internal/web/dashboard/bulk"
	"sluice/internal/web/dashboard/page"
)

// bulkPage is where something is done to many items; without an action it lists what goes on.
func (d *dashboard) bulkPage(ctx context.Context, r *http.Request, p page.Page) (templ.Component, error) {
	q := r.URL.Query()
	if !q.Has("action") {
		return page.Operations(p, d.bulks.List()), nil
	}
	p.Still = true
	v, err := readBulk(q)
	if err != nil {
		return nil, err
	}
	g, err := d.group(ctx, v.Selection)
	if err != nil {
		return nil, err
	}
	if v.Selected, err = d.selected(ctx, v, g); err != nil {
		return nil, err
	}
	s, err := d.watch.Glance(ctx)
	if err != nil {
		return nil, err
	}
	p.Now = s.Now()
	v.Names, err = d.chosen(ctx, s, v.Selection, g)
	return page.Bulk(p, v), err
}

// readBulk reads what is to be done to which items. It leaves out how many these are.
func readBulk(q url.Values) (v page.BulkView, err error) {
	v = page.BulkView{Selected: admin.Selection{Action: admin.Action(q.Get("action"))}, OlderThan: strings.TrimSpace(q.Get("older")), Limit: strings.TrimSpace(q.Get("limit"))}
	if !slices.Contains(page.Actions, v.Selected.Action) {
		return v, store.Invalid("there is no action %q", v.Selected.Action)
	}
	if text := q.Get("as-of"); text != "" {
		if v.AsOf, err = time.Parse(time.RFC3339Nano, text); err != nil {
			return v, store.Invalid("as of must be a time, not %q", text)
		}
	}
	v.Selection, err = readSelection(q)
	if err == nil && v.Workflow != "" {
		err = store.Invalid("by the id of its workflow an item is found, not chosen: do it on the item's own page")
	}
	return v, err
}

// selected counts the items that are meant.
func (d *dashboard) selected(ctx context.Context, v page.BulkView, g figures.Failure) (none admin.Selection, err error) {
	f := filter(v.Selection, g)
	f.AsOf = v.AsOf
	if v.OlderThan != "" {
		if f.OlderThan, err = bounds.Duration(v.OlderThan); err != nil {
			return none, store.Invalid("enqueued at least so long ago %v", err)
		}
	}
	if v.Limit != "" {
		if f.Limit, err = number(v.Limit); err != nil || f.Limit < 1 {
			return none, store.Invalid("at most so many must be a whole number above 0, not %q", v.Limit)
		}
	}
	return d.admin.Select(ctx, v.Selected.Action, f)
}

// startBulk begins an operation, and leads to its page.
func (d *dashboard) startBulk(ctx context.Context, r *http.Request) (said, to string, err error) {
	v, err := readBulk(r.PostForm)
	if err != nil {
		return "", "", err
	}
	o := bulk.Order{Actor: actor(r), Items: string(v.Items())}
	if o.Reason, err = reason(r, "why"); err != nil {
		return "", "", err
	}
	if v.Everything() && r.PostForm.Get("everything") != "yes" {
		return "", "", store.Invalid("this is all items of all workspaces: say that they are meant")
	}
	if v.Selected.Action == admin.Reprioritize {
		if o.Place, err = readPlace(r.PostForm); err != nil {
			return "", "", err
		}
	}
	g, err := d.group(ctx, v.Selection)
	if err != nil {
		return "", "", err
	}
	if o.Selection, err = d.selected(ctx, v, g); err != nil {
		return "", "", err
	}
	if o.Selection.Total == 0 {
		return "", "", store.Invalid("there is nothing to %s", v.Selected.Action)
	}
	id, err := d.bulks.Start(o)
	return "", page.OperationAt(id), err
}

// readPlace reads the priority and the time that items are to have.
func readPlace(q url.Values) (p admin.Place, err error) {
	if text := q.Get("priority"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil {
			return p, store.Invalid("priority must be 1 (first) to 5 (last), not %q", text)
		}
		p.Priority = &n
	}
	if text := q.Get("delay"); text != "" {
		var in time.Duration
		if in, err = bounds.Duration(text); err != nil {
			return p, store.Invalid("available %v", err)
		}
		p.In = &in
	}
	if p == (admin.Place{}) {
		return p, store.Invalid("nothing to change: choose a priority or a time")
	}
	return p, nil
}

func (d *dashboard) operation(_ context.Context, r *http.Request, p page.Page) (templ.Component, error) {
	id, err := uuid.Parse(r.PathValue("id"))
	if err != nil {
		return nil, errNoPage
	}
	o, known := d.bulks.Find(id)
	if !known {
		return nil, fmt.Errorf("%w: bulk operations are forgotten when the worker ends; what they did is in the activity log", errNoPage)
	}
	return page.Operation(p, o), nil
}

func (d *dashboard) stopBulk(_ context.Context, r *http.Request) (string, error) {
	id, err := uuid.Parse(r.PathValue("id"))
	if err != nil {
		return "", errNoPage
	}
	d.bulks.Stop(id)
	return "It stops after the batch that is under way.", nil
}

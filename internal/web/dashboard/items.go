package dashboard

import (
	"bytes"
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/a-h/templ"
	"github.com/google/uuid"

	"sluice/internal/admission"
	"sluice/internal/operate"
	"sluice/internal/store"
	"sluice/internal/store/estimates"
	"sluice/internal/store/facts"
	"sluice/internal/store/figures"
	"sluice/internal/web/dashboard/page"
	"sluice/internal/web/dashboard/series"
	"sluice/queue"
)

// glance is how long a page waits for what it can do without.
const glance = time.Second

// itemsMost is how many items a page of a list has.
const itemsMost = 50

func (d *dashboard) items(ctx context.Context, r *http.Request, p page.Page) (templ.Component, error) {
	v := page.ItemsView{Most: itemsMost}
	var err error
	if v.Selection, err = readSelection(r.URL.Query()); err != nil {
		return nil, err
	}
	if v.Before, err = optionalID(r.URL.Query(), "before"); err != nil {
		return nil, err
	}
	s, err := d.watch.Glance(ctx)
	if err != nil {
		return nil, err
	}
	p.Now = s.Now()
	g, err := d.group(ctx, v.Selection)
	if err != nil {
		return nil, err
	}
	if v.Items, err = d.list(ctx, v, g); err != nil {
		return nil, err
	}
	v.Names = map[uuid.UUID]string{}
	for i := range s.Workspaces {
		v.Names[s.Workspaces[i].ID] = s.Workspaces[i].Name
	}
	if err := d.explain(ctx, s, v.Items); err != nil {
		return nil, err
	}
	if v.Chosen, err = d.chosen(ctx, s, v.Selection, g); err != nil {
		return nil, err
	}
	v.Kinds, err = d.kinds(ctx, v.Items)
	return page.Items(p, v), err
}

// list is a page of the items of a selection, newest first.
func (d *dashboard) list(ctx context.Context, v page.ItemsView, g figures.Failure) ([]queue.State, error) {
	if v.Group == "" {
		return d.queue.List(ctx, queue.Filter{WorkspaceID: v.Workspace, DefinitionID: v.Definition, WorkflowType: v.Type, WorkflowID: v.Workflow, Status: v.Status, Reason: v.Reason, Error: v.Error, Before: v.Before, Limit: v.Most, WithoutPayloads: true})
	}
	ids := g.IDs
	if v.Before != uuid.Nil {
		ids = slices.DeleteFunc(ids, func(id uuid.UUID) bool { return bytes.Compare(id[:], v.Before[:]) >= 0 })
	}
	return facts.BareItemsOf[queue.State](ctx, d.Pool, ids[:min(len(ids), v.Most)]...)
}

// explain gives those items that are pending the reason why they wait.
func (d *dashboard) explain(ctx context.Context, s *series.Snapshot, items []queue.State) error {
	var ids []uuid.UUID
	for i := range items {
		if items[i].Status == "PENDING" {
			ids = append(ids, items[i].ID)
		}
	}
	waits, err := facts.Waits(ctx, d.Pool, 0, ids...)
	if err != nil {
		return err
	}
	for i := range items {
		if w, waiting := waits[items[i].ID]; waiting {
			of, _ := s.Find(items[i].WorkspaceID)
			if reason := string(explained(w, s, of.Shard)); reason != "" {
				items[i].Reason = &reason
			}
		}
	}
	return nil
}

// kinds are the names of the items' definitions.
func (d *dashboard) kinds(ctx context.Context, items []queue.State) (map[uuid.UUID]string, error) {
	var ids []uuid.UUID
	for i := range items {
		if id := items[i].WorkflowDefinitionID; id != nil && !slices.Contains(ids, *id) {
			ids = append(ids, *id)
		}
	}
	return figures.Names(ctx, d.Pool, ids)
}

func itemID(r *http.Request) (uuid.UUID, error) {
	id, err := uuid.Parse(r.PathValue("id"))
	if err != nil {
		return id, &store.RequestError{Kind: store.ErrUnknownItem, Message: "no queue item " + r.PathValue("id")}
	}
	return id, nil
}

func (d *dashboard) item(ctx context.Context, r *http.Request, p page.Page) (templ.Component, error) {
	id, err := itemID(r)
	if err != nil {
		return nil, err
	}
	v := page.ItemView{}
	if v.State, err = d.queue.Get(ctx, id); err != nil {
		return nil, err
	}
	s, err := d.watch.Glance(ctx)
	if err != nil {
		return nil, err
	}
	p.Now = s.Now()
	of, _ := s.Find(v.WorkspaceID)
	v.Workspace = of.Name
	kinds, err := d.kinds(ctx, []queue.State{v.State})
	if err != nil {
		return nil, err
	}
	if v.Kind = kinds[page.Value(v.WorkflowDefinitionID)]; v.WorkflowType != nil {
		v.Kind = *v.WorkflowType
	}
	p.Title = v.Kind + " " + page.Short(id)
	if v.Activity, err = facts.ItemActivity[facts.Activity](ctx, d.Pool, id); err != nil {
		return nil, err
	}
	if v.Status == "PENDING" {
		waits, err := facts.Waits(ctx, d.Pool, facts.MostPlaces, id)
		if err != nil {
			return nil, err
		}
		v.Wait = waits[id]
		v.Wait.Reason = explained(v.Wait, s, of.Shard)
		starts, err := d.starts(ctx, map[uuid.UUID]admission.Reason{id: v.Wait.Reason}, id)
		if err != nil {
			return nil, err
		}
		v.Start = starts[id]
	}
	if v.MissingTypes, err = facts.MissingTypesOf(ctx, d.Pool, id); err != nil {
		return nil, err
	}
	if v.ExecutionID != nil {
		v.WebUI = d.links().Workflow(v.WorkflowID, page.Value(v.EngineRunID))
		if !v.Done() {
			asked, cancel := context.WithTimeout(ctx, glance)
			defer cancel()
			v.Awaits, _ = operate.Awaited(asked, d.Temporal, operate.KnownAs(v.State)) // a page can do without
		}
	}
	return page.Item(p, v), nil
}

// starts tells when items are expected to start that wait for these reasons.
func (d *dashboard) starts(ctx context.Context, why map[uuid.UUID]admission.Reason, items ...uuid.UUID) (map[uuid.UUID]estimates.Start, error) {
	if len(items) == 0 {
		return nil, nil
	}
	d.keep.Look(ctx)
	starts, err := estimates.Starts(ctx, d.Pool, items)
	for id, s := range starts {
		if why[id] == admission.Paused { // that the dispatcher is, only it knows
			starts[id] = estimates.Start{Why: string(admission.Paused), EstimatedAt: s.EstimatedAt}
		}
	}
	return starts, err
}

package dashboard

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/a-h/templ"
	"github.com/google/uuid"

	"sluice/admin"
	"sluice/internal/admission"
	"sluice/internal/store"
	"sluice/internal/store/facts"
	"sluice/internal/store/figures"
	"sluice/internal/web/dashboard/page"
	"sluice/internal/web/dashboard/series"
)

func (d *dashboard) workspaces(ctx context.Context, r *http.Request, p page.Page) (templ.Component, error) {
	s, err := d.watch.Look(ctx)
	if err != nil {
		return nil, err
	}
	p.Now = s.At
	v := r.URL.Query()
	q := page.WorkspacesQuery{Search: v.Get("q"), Plan: v.Get("plan"), Reason: v.Get("reason"), Sort: v.Get("sort")}
	q.Page, _ = strconv.Atoi(v.Get("page")) // anything else is the first
	return page.Workspaces(p, s, q), nil
}

// endedWithin is how far back the page of a workspace lists what has ended.
const endedWithin = 48 * time.Hour

func (d *dashboard) workspace(ctx context.Context, r *http.Request, p page.Page) (templ.Component, error) {
	id, err := workspaceID(r)
	if err != nil {
		return nil, err
	}
	s, err := d.watch.Look(ctx)
	if err != nil {
		return nil, err
	}
	p.Now = s.Now()
	v, err := d.limited(ctx, id)
	if err != nil {
		return nil, err
	}
	limits := v.Limits
	p.Title = limits.Name
	if found, known := s.Find(id); known { // or it has just been made
		v.Workspace = found
		v.Name, v.Plan, v.ExternalKey = limits.Name, limits.Plan, limits.ExternalKey
	}
	v.Workspace.Limit = v.Tier.MaxConcurrentWorkflows
	if limits.MaxConcurrentWorkflows != nil {
		v.Workspace.Limit = *limits.MaxConcurrentWorkflows
	}
	for _, t := range limits.Temporary {
		if t.Limit == "maxConcurrentWorkflows" {
			v.Workspace.Limit = int(t.To)
		}
	}
	if v.Pauses, err = d.admin.Pauses(ctx); err != nil {
		return nil, err
	}
	v.Pauses = slices.DeleteFunc(v.Pauses, func(p admin.Pause) bool { return !page.Keeps(p, id) })
	v.After, _ = strconv.Atoi(r.URL.Query().Get("after"))
	v.After = max(0, min(v.After, page.MostAfter-page.LineMost))
	if v.Line, err = figures.Line(ctx, d.Pool, id, v.After, page.LineMost); err != nil {
		return nil, err
	}
	if v.Waits, err = d.waits(ctx, s, v.Shard, v.Line); err != nil {
		return nil, err
	}
	line := make([]uuid.UUID, len(v.Line))
	for i := range v.Line {
		line[i] = v.Line[i].ID
	}
	if v.StartsIn, err = d.starts(ctx, v.Waits, line...); err != nil {
		return nil, err
	}
	if v.Held, err = figures.HeldOf(ctx, d.Pool, id, page.LineMost); err != nil {
		return nil, err
	}
	if v.Ended, err = figures.EndedOf(ctx, d.Pool, id, s.At.Add(-endedWithin), 20); err != nil {
		return nil, err
	}
	if v.History, err = figures.LimitHistory(ctx, d.Pool, id, 20); err != nil {
		return nil, err
	}
	return page.Workspace(p, v), nil
}

// limited is a workspace with its limits and its plan's.
func (d *dashboard) limited(ctx context.Context, id uuid.UUID) (v page.WorkspaceView, err error) {
	v.Workspace = series.Workspace{Usage: figures.Usage{ID: id}}
	if v.Limits, err = d.limitsOf(ctx, id); err != nil {
		return v, err
	}
	v.Name, v.Plan, v.ExternalKey = v.Limits.Name, v.Limits.Plan, v.Limits.ExternalKey
	if v.Plans, err = d.admin.Tiers(ctx); err != nil {
		return v, err
	}
	for _, tier := range v.Plans {
		if tier.Plan == v.Plan {
			v.Tier = tier
		}
	}
	return v, nil
}

// waits tells why the items of a line wait.
func (d *dashboard) waits(ctx context.Context, s *series.Snapshot, shard int, line []figures.Place) (map[uuid.UUID]admission.Reason, error) {
	ids := make([]uuid.UUID, len(line))
	for i := range line {
		ids[i] = line[i].ID
	}
	waits, err := facts.Waits(ctx, d.Pool, 0, ids...)
	reasons := make(map[uuid.UUID]admission.Reason, len(waits))
	for id, w := range waits {
		reasons[id] = explained(w, s, shard)
	}
	return reasons, err
}

// explained is why an item waits, with what only its dispatcher knows.
func explained(w facts.Wait, s *series.Snapshot, shard int) admission.Reason {
	if w.Reason != "" && w.Reason != admission.BehindPriority {
		return w.Reason
	}
	for _, of := range s.Dispatchers {
		switch {
		case of.Shard != shard || of.Status == nil:
		case of.Status.Pause != nil:
			return admission.Paused
		case w.Reason == "" && of.Status.Waiting[string(admission.BatchFull)] > 0:
			return admission.BatchFull
		}
	}
	return w.Reason
}

func workspaceID(r *http.Request) (uuid.UUID, error) {
	id, err := uuid.Parse(r.PathValue("id"))
	if err != nil {
		return id, &store.RequestError{Kind: store.ErrUnknownWorkspace, Message: "unknown workspace " + r.PathValue("id")}
	}
	return id, nil
}

func (d *dashboard) limitsOf(ctx context.Context, id uuid.UUID) (admin.WorkspaceLimits, error) {
	list, err := d.admin.WorkspaceLimits(ctx, id)
	if err != nil {
		return admin.WorkspaceLimits{}, err
	}
	if len(list) == 0 {
		return admin.WorkspaceLimits{}, &store.RequestError{Kind: store.ErrUnknownWorkspace, Message: "unknown workspace " + id.String()}
	}
	return list[0], nil
}

// setLimits changes those of a workspace's limits that were changed in a form: what others have changed since it was opened stays.
func (d *dashboard) setLimits(ctx context.Context, r *http.Request) (string, error) {
	id, err := workspaceID(r)
	if err != nil {
		return "", err
	}
	is, err := d.limitsOf(ctx, id)
	if err != nil {
		return "", err
	}
	f := form{r: r}
	change := admin.WorkspaceChange{
		MaxConcurrentWorkflows: whole(&f, "max", "running at once", is.MaxConcurrentWorkflows), Weight: whole(&f, "weight", "weight", is.Weight),
		NominalQuota: whole(&f, "nominal", "nominal quota", is.NominalQuota), BorrowingLimit: whole(&f, "borrowing", "borrowing limit", is.BorrowingLimit),
		LendingLimit: whole(&f, "lending", "lending limit", is.LendingLimit),
		Burst:        whole(&f, "burst", "burst", is.Burst), StartsPerSecond: rate(&f, "rate", is.StartsPerSecond), Cohort: word(&f, "cohort", is.Cohort),
	}
	plan, moved := f.field("plan")
	lasts, err := term(r)
	switch {
	case f.err != nil:
		return "", f.err
	case err != nil:
		return "", err
	case change == admin.WorkspaceChange{} && !moved:
		return "Nothing was changed: these were its limits already.", nil
	case lasts != (admin.Term{}):
		return d.setLimitsFor(ctx, r, id, change, moved, lasts)
	}
	if (change != admin.WorkspaceChange{}) {
		if is, err = d.admin.SetWorkspace(ctx, id, change, actor(r)); err != nil {
			return "", err
		}
	}
	if moved {
		if _, err := d.admin.SetPlan(ctx, id, plan, actor(r)); err != nil {
			return "", err
		}
	}
	return fmt.Sprintf("The limits of %s are changed, from the next claim on.", is.Name), nil
}

// setLimitsFor changes limits for a time.
func (d *dashboard) setLimitsFor(ctx context.Context, r *http.Request, id uuid.UUID, change admin.WorkspaceChange, moved bool, lasts admin.Term) (string, error) {
	if moved {
		return "", store.Invalid("a plan is set for good: leave it, or leave out for how long")
	}
	why, err := reason(r, "reason")
	if err != nil {
		return "", err
	}
	is, err := d.admin.SetWorkspaceFor(ctx, id, change, lasts, actor(r), why)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("The limits of %s are changed for a time, from the next claim on.", is.Name), nil
}

// endLimits has the limits of a workspace that hold for a time fall back.
func (d *dashboard) endLimits(ctx context.Context, r *http.Request) (string, error) {
	id, err := workspaceID(r)
	if err != nil {
		return "", err
	}
	n, err := d.admin.EndTemporary(ctx, id, actor(r))
	if err != nil {
		return "", err
	}
	return page.Plural(int(n), "limit has", "limits have") + " fallen back.", nil
}

// form reads fields until one of them is wrong.
type form struct {
	r   *http.Request
	err error
}

// field is what is written in a field, and whether somebody has written it: the form also has what was there.
func (f *form) field(name string) (text string, given bool) {
	text = strings.TrimSpace(f.r.PostFormValue(name))
	_, given = f.r.PostForm[name]
	return text, given && f.err == nil && text != f.r.PostFormValue("was-"+name)
}

// changed is the change from one value to another; nil: it is the same.
func changed[T comparable](is, to *T) *admin.Change[T] {
	if is == to || is != nil && to != nil && *is == *to {
		return nil
	}
	return &admin.Change[T]{To: to}
}

func whole(f *form, name, what string, is *int) *admin.Change[int] {
	text, given := f.field(name)
	if !given {
		return nil
	}
	if text == "" {
		return changed(is, nil)
	}
	n, err := number(text)
	if err != nil {
		f.err = store.Invalid("%s must be a whole number, not %q", what, text)
		return nil
	}
	return changed(is, &n)
}

func rate(f *form, name string, is *float64) *admin.Change[float64] {
	text, given := f.field(name)
	if !given {
		return nil
	}
	if text == "" {
		return changed(is, nil)
	}
	n, err := strconv.ParseFloat(text, 64)
	if err != nil {
		f.err = store.Invalid("starts a second must be a number, not %q", text)
		return nil
	}
	return changed(is, &n)
}

func word(f *form, name string, is *string) *admin.Change[string] {
	text, given := f.field(name)
	if !given {
		return nil
	}
	if text == "" {
		return changed(is, nil)
	}
	return changed(is, &text)
}

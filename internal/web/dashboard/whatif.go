package dashboard

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/a-h/templ"
	"github.com/google/uuid"

	"sluice/admin"
	"sluice/internal/bounds"
	"sluice/internal/store"
	"sluice/internal/web/dashboard/page"
	"sluice/internal/whatif"
	"sluice/workflows"
)

// whatIfSteps is how many values each line of a plot has.
const whatIfSteps = 120

// longestBack is as far back as a what-if reads.
const longestBack = 366 * 24 * time.Hour

var errTooLong = errors.New("playing what has run takes longer than a page may: look less far back, or ask with starter simulate")

// whatIf plays what has run of a workspace against the limits of its query; without a query it only asks for them.
func (d *dashboard) whatIf(ctx context.Context, r *http.Request, p page.Page) (templ.Component, error) {
	id, err := workspaceID(r)
	if err != nil {
		return nil, err
	}
	v := page.WhatIfView{Since: "24h"}
	if v.WorkspaceView, err = d.limited(ctx, id); err != nil {
		return nil, err
	}
	p.Title, p.Still = "What if: "+v.Name, true
	is := whatif.InForce(v.Limits, v.Tier)
	query := r.URL.Query()
	change, err := changeOf(query)
	if err != nil {
		return nil, err
	}
	v.Other = whatif.Changed(is, change)
	if v.Asked = len(query) > 0; !v.Asked {
		return page.WhatIf(p, v), nil
	}
	if query.Has("since") {
		v.Since = strings.TrimSpace(query.Get("since"))
	}
	since, err := bounds.Duration(v.Since)
	if err != nil || since <= 0 || since > longestBack {
		return nil, store.Invalid("how far back: %q is no duration such as 90m, 24h or 7d, of 366 days at most", v.Since)
	}
	q := whatif.Question{Since: since, Most: whatif.Most, Batch: workflows.DefaultBatchSize, Other: whatif.Other{Workspaces: map[uuid.UUID]admin.WorkspaceChange{id: change}}}
	if v.Comparison, err = d.play(ctx, q); err != nil {
		return nil, err
	}
	v.Own = v.Comparison.Of(id, whatIfSteps)
	return page.WhatIf(p, v), nil
}

// play plays one what-if after the other: each takes a processor that the dispatcher may need.
func (d *dashboard) play(ctx context.Context, q whatif.Question) (c whatif.Comparison, err error) {
	select {
	case d.plays <- struct{}{}:
		defer func() { <-d.plays }()
		c, err = whatif.Play(ctx, d.Pool, q)
	case <-ctx.Done():
		err = ctx.Err()
	}
	if errors.Is(err, context.DeadlineExceeded) {
		err = errTooLong
	}
	return c, err
}

// changeOf is what a query says: a limit that it does not have stays, and one that is empty is the plan's.
func changeOf(query url.Values) (c admin.WorkspaceChange, err error) {
	for _, f := range []struct {
		name, what string
		to         **admin.Change[int]
	}{
		{"max", "running at once", &c.MaxConcurrentWorkflows}, {"weight", "weight", &c.Weight}, {"nominal", "nominal quota", &c.NominalQuota},
		{"borrowing", "borrowing limit", &c.BorrowingLimit}, {"lending", "lending limit", &c.LendingLimit}, {"burst", "burst", &c.Burst},
	} {
		if !query.Has(f.name) {
			continue
		}
		*f.to = &admin.Change[int]{}
		if text := strings.TrimSpace(query.Get(f.name)); text != "" {
			n, err := number(text)
			if err != nil {
				return c, store.Invalid("%s must be a whole number, not %q", f.what, text)
			}
			(*f.to).To = &n
		}
	}
	if query.Has("rate") {
		c.StartsPerSecond = &admin.Change[float64]{}
		if text := strings.TrimSpace(query.Get("rate")); text != "" {
			n, err := strconv.ParseFloat(text, 64)
			if err != nil {
				return c, store.Invalid("starts a second must be a number, not %q", text)
			}
			c.StartsPerSecond.To = &n
		}
	}
	return c, c.Check()
}

package page

import (
	"fmt"
	"strconv"
	"time"

	"sluice/admin"
	"sluice/internal/whatif"
)

// WhatIfView is what the page of a what-if shows: a workspace with its limits, and with others.
type WhatIfView struct {
	WorkspaceView
	Other      admin.WorkspaceLimits // the other limits
	Since      string                // how far back is played
	Asked      bool                  // without, there is only the form
	Comparison whatif.Comparison
	Own        whatif.View
}

// otherLimit is a field of the form.
type otherLimit struct {
	limit
	other string // the value in the form
}

// otherLimits are those that make a difference: lending and borrowing do only in a cohort.
func (v WhatIfView) otherLimits() (list []otherLimit) {
	o := v.Other
	values := map[string]string{
		"max": written(o.MaxConcurrentWorkflows), "weight": written(o.Weight), "nominal": written(o.NominalQuota), "borrowing": written(o.BorrowingLimit),
		"lending": written(o.LendingLimit), "burst": written(o.Burst),
	}
	if o.StartsPerSecond != nil {
		values["rate"] = strconv.FormatFloat(*o.StartsPerSecond, 'g', -1, 64)
	}
	for _, l := range v.limits() {
		shared := l.field == "nominal" || l.field == "borrowing" || l.field == "lending"
		if l.field != "cohort" && (!shared || v.Limits.Cohort != nil) {
			list = append(list, otherLimit{l, values[l.field]})
		}
	}
	return list
}

func written(n *int) string {
	if n == nil {
		return ""
	}
	return strconv.Itoa(*n)
}

// playedRow is a row of the table.
type playedRow struct {
	name, limit, p50, p99, used, never string
}

func (v WhatIfView) rows() []playedRow {
	own := func(name string, s whatif.ViewSide) playedRow {
		r := playedRow{name, Count(s.Limit), "–", "–", share(s.Utilisation), Some(s.NeverStarted)}
		if s.NeverStarted < v.Own.Executions {
			r.p50, r.p99 = Span(s.Waits.P50), Span(s.Waits.P99)
		}
		return r
	}
	all := func(name string, s whatif.Side) playedRow {
		r := playedRow{name, "not limited", "–", "–", share(s.Utilisation), Some(s.NeverStarted)}
		if s.Config.Global != 0 {
			r.limit = Count(max(0, s.Config.Global))
		}
		if s.NeverStarted < v.Comparison.Executions {
			r.p50, r.p99 = Span(s.Waits.P50), Span(s.Waits.P99)
		}
		return r
	}
	name := OneLine(v.Name, 60)
	return []playedRow{
		own(name+", as it is", v.Own.Now), own(name+", with the other limits", v.Own.Then),
		all("All workspaces, as it is", v.Comparison.Now), all("All workspaces, with the other limits", v.Comparison.Then),
	}
}

// share is a part of a whole in percent.
func share(of float64) string {
	if of == 0 {
		return "–"
	}
	return fmt.Sprintf("%.0f %%", 100*of)
}

// courses are the plots: what ran and what waited.
func (v WhatIfView) courses() []Plot {
	is, other := v.Own.Now.Course, v.Own.Then.Course
	over := v.Own.Step * time.Duration(len(is.Running))
	plot := func(name string, is, other []float64) Plot {
		return Plot{
			Name: name, From: v.Own.From, Step: v.Own.Step, Scale: []string{minute(v.Own.From), "+" + Span(over/2), "+" + Span(over)}, Over: Span(over) + " of the simulations",
			Lines: []Line{{"as it is", "c-is", is}, {"with the other limits", "c-other", other}},
		}
	}
	return []Plot{plot("Running", is.Running, other.Running), plot("Waiting", is.Waiting, other.Waiting)}
}

// minute is a time to the minute, in UTC.
func minute(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }

// playedText says what was played.
func (v WhatIfView) playedText() string {
	text := fmt.Sprintf("%s of it, and %s of all workspaces, which share limits. Each takes as long as it did, from the moment it starts.",
		Plural(v.Own.Executions, "execution", "executions"), Count(v.Comparison.Executions))
	if v.Comparison.CutOff {
		text += fmt.Sprintf(" There are more in the last %s: only the newest, since %s, are played.", v.Since, minute(v.Comparison.From))
	}
	return text
}

package top

import (
	"fmt"

	"sluice/internal/admission"
	"sluice/internal/store/figures"
	"sluice/internal/web/dashboard/page"
)

// workspace is the open one: how it is, what runs of it, and its line, in at most so many lines.
func (m *Model) workspace(most int) []string {
	w, found := m.current()
	if !found {
		return []string{warn.Render("this workspace has been deleted; esc leads back")}
	}
	lines := []string{
		bold.Render(page.OneLine(w.Name, 100)) + "  " + faint.Render(w.ID.String()),
		fmt.Sprintf("plan %s  waiting %s  running %d/%d  starts %s  oldest %s  %s", page.OneLine(w.Plan, 40), page.Count(w.Pending), w.Running, w.Limit,
			page.Rate(w.Starts), page.Waited(w.Longest), styleOf(m.reason(w)).Render(m.reason(w))),
	}
	for _, p := range m.look.Pauses {
		if page.Value(p.WorkspaceID) == w.ID {
			what := "it"
			if p.WorkflowType != nil || p.DefinitionID != nil {
				what = scopeText(p)
			}
			lines = append(lines, warn.Render(what+" is paused by "+page.OneLine(p.Actor, 60)+untilText(p.Until, m.look.Now())+reasonText(p.Reason)))
		}
	}
	if m.unread != nil {
		lines = append(lines, bad.Render("the database does not answer: "+page.OneLine(m.unread.Error(), 300)))
	}
	if m.detail.workspace != w.ID {
		return append(lines, "reading…")
	}
	left := max(most-len(lines), 0)
	held := m.held(left / 2)
	lines = append(lines, held...)
	return append(lines, m.line(left-len(held))...)
}

// held is what runs of the open workspace.
func (m *Model) held(most int) []string {
	list := m.detail.held
	lines := section("RUNNING"+of(len(list)), most)
	if len(list) == 0 {
		return append(lines, faint.Render("nothing"))
	}
	for _, s := range list {
		since := "starting"
		if s.DispatchedAt != nil {
			since = page.Span(m.look.Now().Sub(*s.DispatchedAt))
		}
		lines = append(lines, m.item(s.ID.String(), s.Kind, since, s.Error))
	}
	return m.fit(lines, most)
}

// line is what waits, in the order in which it starts.
func (m *Model) line(most int) []string {
	list := m.detail.line
	lines := section("WAITING, IN ORDER"+of(len(list)), most)
	if len(list) == 0 {
		return append(lines, faint.Render("nothing"))
	}
	for i := range list {
		lines = append(lines, m.item(list[i].ID.String(), list[i].Kind, m.since(&list[i]), list[i].Error))
	}
	return m.fit(lines, most)
}

// section begins a list, with a blank line before it where there is room.
func section(title string, most int) []string {
	lines := []string{"", bold.Render(title)}
	if most < 8 {
		return lines[1:]
	}
	return lines
}

func (m *Model) since(p *figures.Place) string {
	if p.Scheduled {
		return string(admission.Scheduled) + " " + page.Ago(p.AvailableAt, m.look.Now())
	}
	return page.Span(m.look.Now().Sub(p.AvailableAt))
}

// item is a line about one: its id only where there is room.
func (m *Model) item(id, kind, since, problem string) string {
	text := cell(since, 12, false) + cell(page.OneLine(kind, 60), 26, false)
	if m.width >= 80 {
		text = id + "  " + text
	}
	if problem != "" {
		text += bad.Render(page.OneLine(problem, 200))
	}
	return text
}

func of(n int) string {
	switch n {
	case 0:
		return ""
	case mostOfDetail:
		return fmt.Sprintf(" (the first %d)", n)
	}
	return fmt.Sprintf(" (%d)", n)
}

// fit cuts lines to so many, and says how many more there are.
func (m *Model) fit(lines []string, most int) []string {
	if len(lines) <= most || most < 1 {
		return lines[:min(len(lines), max(most, 0))]
	}
	return append(lines[:most-1:most-1], faint.Render(fmt.Sprintf("… %d more", len(lines)-most+1)))
}

package top

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"charm.land/lipgloss/v2"
	"github.com/google/uuid"

	"sluice/admin"
	"sluice/internal/web/dashboard/page"
	"sluice/internal/web/dashboard/series"
)

// overview is what stands above the list, the most important first.
func (m *Model) overview() []string {
	s := m.look.Snapshot
	if s == nil {
		return m.beforeTheFirst()
	}
	lines := append([]string{m.title(s), totals(s)}, m.attention()...)
	if m.height >= 16 {
		lines = append(lines, m.throughput(s), reasons(s))
	}
	if m.height >= 30 && m.open == uuid.Nil {
		lines = append(lines, m.plans(s)...)
	}
	return append(lines, "")
}

func (m *Model) beforeTheFirst() []string {
	text := "looking for the first time…"
	if m.failed != nil {
		text = bad.Render("the database does not answer: " + page.OneLine(m.failed.Error(), 300))
	}
	return []string{bold.Render("Sluice"), text}
}

func (m *Model) title(s *series.Snapshot) string {
	live := 0
	for _, w := range s.Workers {
		if w.Live {
			live++
		}
	}
	var phases []string
	for _, d := range s.Dispatchers {
		phase := "does not answer"
		if d.Status != nil {
			phase = string(d.Status.Phase)
		}
		if !slices.Contains(phases, phase) {
			phases = append(phases, phase)
		}
	}
	noun := "dispatcher"
	if len(s.Dispatchers) > 1 {
		noun = fmt.Sprintf("%d dispatchers", len(s.Dispatchers))
	}
	return fmt.Sprintf("%s  %s  %s %s  %s", bold.Render("Sluice"), page.Clock(s.Now()), noun, strings.Join(phases, ", "), page.Plural(live, "worker", "workers"))
}

func totals(s *series.Snapshot) string {
	running := page.Count(s.Running)
	if s.Global != nil {
		running += "/" + page.Count(*s.Global)
	}
	starts, failed := 0, 0
	for _, p := range s.Plans {
		starts += p.Starts
	}
	for _, p := range s.Points {
		failed += p.Failed
	}
	text := fmt.Sprintf("waiting %s  running %s  starts %s  failed %s in 15m", strong(page.Count(s.Pending)), strong(running), strong(page.Rate(starts)), strong(page.Count(failed)))
	if s.Longest > 0 {
		text += "  oldest " + strong(page.Span(s.Longest))
		if w, found := s.Find(s.LongestOf); found {
			text += " of " + page.OneLine(w.Name, 40)
		}
	}
	return text
}

// attention says what an operator should know.
func (m *Model) attention() (lines []string) {
	s, say := m.look.Snapshot, func(style lipgloss.Style, format string, args ...any) {
		lines = append(lines, m.wrapped(style, fmt.Sprintf(format, args...))...)
	}
	switch age := m.age(); {
	case m.failed != nil:
		say(bad, "the database does not answer; what is shown is %s old: %s", page.Span(age), page.OneLine(m.failed.Error(), 300))
	case m.looking && m.now().Sub(m.lookBegan) > 3*time.Second:
		say(warn, "the database is slow to answer; what is shown is %s old", page.Span(age))
	}
	for _, p := range m.look.Pauses {
		if p.WorkspaceID == nil || p.WorkflowType != nil || p.DefinitionID != nil {
			say(warn, "%s is paused by %s%s%s", scopeText(p), page.OneLine(p.Actor, 60), untilText(p.Until, s.Now()), reasonText(p.Reason))
		}
	}
	for _, d := range s.Dispatchers {
		switch {
		case d.Status == nil:
			say(bad, "the dispatcher of shard %d does not answer: %s", d.Shard, page.OneLine(d.Error, 200))
		case d.Status.Pause != nil:
			say(warn, "the dispatcher of shard %d is paused by %s%s", d.Shard, page.OneLine(d.Status.Pause.Actor, 60), reasonText(d.Status.Pause.Reason))
		case d.Status.Phase == "backing-off":
			say(bad, "the dispatcher of shard %d is backing off: %s", d.Shard, page.OneLine(d.Status.LastError, 200))
		}
	}
	if s.Failing != nil {
		say(bad, "recovery fails: %s", page.OneLine(s.Failing.Error, 200))
	}
	if s.Unserved > 0 {
		say(bad, "%s that no worker carries on", page.Plural(s.Unserved, "execution", "executions"))
	}
	if s.Unanswered > 0 {
		say(bad, "%s without a usable answer", page.Plural(s.Unanswered, "start", "starts"))
	}
	for _, t := range s.Missing {
		say(bad, "no worker has the workflow type %s", page.OneLine(t.WorkflowType, 80))
	}
	return lines
}

// age is how old the figures are.
func (m *Model) age() time.Duration { return max(m.look.Now().Sub(m.look.At), 0) }

func scopeText(p admin.Pause) string {
	text := "everything"
	switch {
	case p.WorkflowType != nil:
		text = "type " + page.OneLine(*p.WorkflowType, 60)
	case p.DefinitionID != nil:
		text = "definition " + page.OneLine(page.Value(p.DefinitionName), 60)
	}
	if p.WorkspaceID != nil {
		text += " of workspace " + page.OneLine(page.Value(p.WorkspaceName), 60)
	}
	return text
}

func reasonText(reason string) string {
	if reason == "" {
		return ""
	}
	return " (" + page.OneLine(reason, 200) + ")"
}

func untilText(until *time.Time, now time.Time) string {
	if until == nil {
		return ""
	}
	return ", ends " + page.Ago(*until, now)
}

// throughput draws the starts of the last 15 minutes.
func (m *Model) throughput(s *series.Snapshot) string {
	counts := make([]int, len(s.Points))
	for i, p := range s.Points {
		counts[i] = p.Starts
	}
	wide := min(max(m.width-22, 1), 60)
	return "starts in 15m " + started.Render(spark(counts, wide))
}

// spark draws counts as a line of bars, so many wide.
func spark(counts []int, wide int) string {
	bars, sums, most := []rune("▁▂▃▄▅▆▇█"), make([]int, wide), 1
	for i, n := range counts {
		at := i * wide / len(counts)
		sums[at] += n
		most = max(most, sums[at])
	}
	line := make([]rune, wide)
	for i, n := range sums {
		line[i] = ' '
		if n > 0 {
			line[i] = bars[n*(len(bars)-1)/most]
		}
	}
	return string(line)
}

func reasons(s *series.Snapshot) string {
	var parts []string
	for _, r := range slices.Sorted(maps.Keys(s.Reasons)) {
		parts = append(parts, styleOf(string(r)).Render(fmt.Sprintf("%s %s", r, page.Count(s.Reasons[r]))))
	}
	if len(parts) == 0 {
		return faint.Render("no workspace has to wait")
	}
	return "workspaces that wait: " + strings.Join(parts, ", ")
}

// plans are the figures by plan.
func (m *Model) plans(s *series.Snapshot) []string {
	widths := []int{16, 12, 10, 14, 9, 9, 10, 10}
	line := func(cells ...string) string {
		var b strings.Builder
		for i, text := range cells {
			b.WriteString(cell(text, widths[i], i > 0))
		}
		return b.String()
	}
	lines := []string{"", bold.Render(line("PLAN", "WORKSPACES", "WAITING", "RUNNING", "STARTS", "OLDEST", "WAIT P50", "WAIT P99"))}
	for _, p := range s.Plans {
		p50, p99 := "–", "–"
		if p.Waits > 0 {
			p50, p99 = page.Span(p.P50), page.Span(p.P99)
		}
		lines = append(lines, line(page.OneLine(p.Plan, 15), page.Count(p.Workspaces), page.Some(p.Pending), fmt.Sprintf("%d/%d", p.Running, p.Slots),
			rate(p.Starts), page.Waited(p.Longest), p50, p99))
	}
	return lines
}

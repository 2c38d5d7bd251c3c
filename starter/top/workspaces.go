package top

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"
	"github.com/google/uuid"

	"sluice/internal/admission"
	"sluice/internal/web/dashboard/page"
	"sluice/internal/web/dashboard/series"
)

// order is what the list is sorted by. The largest comes first, and names as in the alphabet.
type order int

const (
	byPending order = iota
	byLongest
	byRunning
	byStarts
	byFailed
	byName
	orders
)

var orderNames = [orders]string{"waiting", "oldest", "running", "starts", "failed", "name"}

func (o order) compare(a, b series.Workspace) int {
	least := 0
	switch o {
	case byPending:
		least = cmp.Compare(b.Pending, a.Pending)
	case byLongest:
		least = cmp.Compare(b.Longest, a.Longest)
	case byRunning:
		least = cmp.Compare(b.Running, a.Running)
	case byStarts:
		least = cmp.Compare(b.Starts, a.Starts)
	case byFailed:
		least = cmp.Compare(b.Failed, a.Failed)
	case byName, orders: // below
	}
	return cmp.Or(least, cmp.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name)), strings.Compare(a.ID.String(), b.ID.String()))
}

// column is one of the list, with the width of the window from which on it is shown. The first takes what is left.
type column struct {
	title       string
	width, from int
	right       bool // aligned, as numbers are
	cell        func(m *Model, w series.Workspace) string
}

var columns = []column{
	{"WORKSPACE", 0, 0, false, func(_ *Model, w series.Workspace) string { return page.OneLine(w.Name, 200) }},
	{"PLAN", 11, 100, false, func(_ *Model, w series.Workspace) string { return page.OneLine(w.Plan, 40) }},
	{"WAITING", 9, 0, true, func(_ *Model, w series.Workspace) string { return page.Some(w.Pending) }},
	{"RUNNING", 11, 36, true, func(_ *Model, w series.Workspace) string { return fmt.Sprintf("%d/%d", w.Running, w.Limit) }},
	{"STARTS", 8, 70, true, func(_ *Model, w series.Workspace) string { return rate(w.Starts) }},
	{"FAILED", 8, 90, true, func(_ *Model, w series.Workspace) string { return page.Some(w.Failed) }},
	{"OLDEST", 8, 50, true, func(_ *Model, w series.Workspace) string { return page.Waited(w.Longest) }},
	{"  WHY IT WAITS", 19, 60, false, func(m *Model, w series.Workspace) string { return "  " + m.reason(w) }},
}

// paused tells whether a workspace, or with the nil id everything, is paused in the database.
func (m *Model) paused(workspace uuid.UUID) bool {
	for _, p := range m.look.Pauses {
		of := page.Value(p.WorkspaceID)
		if of == workspace && p.WorkflowType == nil && p.DefinitionID == nil {
			return true
		}
	}
	return false
}

// reason is why a workspace waits; of a paused one it says so even where nothing waits.
func (m *Model) reason(w series.Workspace) string {
	if w.Reason == "" && m.paused(w.ID) {
		return string(admission.Paused)
	}
	return string(w.Reason)
}

// arrange sorts and filters anew. The same workspace stays selected, as long as it is in the list.
func (m *Model) arrange() {
	if m.look.Snapshot == nil {
		return
	}
	wanted := strings.ToLower(strings.TrimSpace(m.filter.Value()))
	m.shown = m.shown[:0]
	for _, w := range m.look.Workspaces {
		if m.matches(w, wanted) {
			m.shown = append(m.shown, w)
		}
	}
	slices.SortFunc(m.shown, func(a, b series.Workspace) int {
		if m.reversed {
			a, b = b, a
		}
		return m.order.compare(a, b)
	})
	at := slices.IndexFunc(m.shown, func(w series.Workspace) bool { return w.ID == m.selected })
	if at < 0 {
		at = m.cursor
	}
	m.moveTo(at)
}

// moveTo selects the workspace at a place of the list, and scrolls as far as it takes to show it.
func (m *Model) moveTo(at int) {
	m.cursor = max(min(at, len(m.shown)-1), 0)
	m.selected = uuid.Nil
	if len(m.shown) > 0 {
		m.selected = m.shown[m.cursor].ID
	}
	rows := m.rows()
	m.top = max(min(m.top, m.cursor, len(m.shown)-rows), m.cursor-rows+1, 0)
}

func (m *Model) matches(w series.Workspace, wanted string) bool {
	for _, text := range []string{w.Name, page.Value(w.ExternalKey), w.Plan, m.reason(w), w.ID.String()} {
		if strings.Contains(strings.ToLower(text), wanted) {
			return true
		}
	}
	return false
}

// list is the heads of the columns that fit, and the rows from the first that is shown on, at most so many.
func (m *Model) list(most int) []string {
	left := m.width - len(mark)
	var fit []column
	for _, c := range columns {
		if m.width >= c.from {
			fit, left = append(fit, c), left-c.width
		}
	}
	fit[0].width = max(left, 1)
	var head strings.Builder
	for i, c := range fit {
		title := c.title
		if strings.EqualFold(title, orderNames[m.order]) || m.order == byName && i == 0 {
			title += map[bool]string{false: "▾", true: "▴"}[m.reversed]
		}
		head.WriteString(cell(title, c.width, c.right))
	}
	lines := []string{bold.Render(strings.Repeat(" ", len(mark)) + head.String())}
	if len(m.shown) == 0 {
		return append(lines, faint.Render("  no workspace"+map[bool]string{true: " that the filter lets through"}[m.filter.Value() != ""]))
	}
	for i := m.top; i < len(m.shown) && len(lines) < most; i++ {
		w := m.shown[i]
		var row strings.Builder
		for _, c := range fit {
			row.WriteString(cell(c.cell(m, w), c.width, c.right))
		}
		switch {
		case m.once:
			lines = append(lines, strings.Repeat(" ", len(mark))+row.String())
		case i == m.cursor:
			lines = append(lines, reverse.Render(mark+row.String()))
		case m.reason(w) == "":
			lines = append(lines, strings.Repeat(" ", len(mark))+row.String())
		default:
			lines = append(lines, styleOf(m.reason(w)).Render(strings.Repeat(" ", len(mark))+row.String()))
		}
	}
	return lines
}

// move selects another workspace.
func (m *Model) move(pressed tea.KeyPressMsg) {
	most := max(m.rows()-1, 1)
	switch {
	case key.Matches(pressed, keys.up):
		m.moveTo(m.cursor - 1)
	case key.Matches(pressed, keys.down):
		m.moveTo(m.cursor + 1)
	case key.Matches(pressed, keys.pageUp):
		m.moveTo(m.cursor - most)
	case key.Matches(pressed, keys.pageDown):
		m.moveTo(m.cursor + most)
	case key.Matches(pressed, keys.first):
		m.moveTo(0)
	case key.Matches(pressed, keys.last):
		m.moveTo(len(m.shown))
	}
}

// current is the workspace that keys are about: the open one, else the selected one.
func (m *Model) current() (w series.Workspace, found bool) {
	if m.look.Snapshot == nil {
		return w, false
	}
	id := m.selected
	if m.open != uuid.Nil {
		id = m.open
	}
	return m.look.Find(id)
}

// rate is that of starts, and a dash for none.
func rate(perMinute int) string {
	if perMinute == 0 {
		return page.Some(0)
	}
	return page.Rate(perMinute)
}

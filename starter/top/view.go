package top

import (
	"strings"

	"charm.land/bubbles/v2/help"
	tea "charm.land/bubbletea/v2"
	"charm.land/lipgloss/v2"
	"github.com/charmbracelet/x/ansi"
	"github.com/google/uuid"

	"sluice/internal/admission"
)

// mark stands before the selected workspace: without colours, and where nothing can be shown in reverse, it tells which it is.
const mark = "> "

// Colours are those of the terminal's own palette: they are readable on its background.
var (
	bold    = lipgloss.NewStyle().Bold(true)
	faint   = lipgloss.NewStyle().Faint(true)
	reverse = lipgloss.NewStyle().Reverse(true)
	bad     = lipgloss.NewStyle().Foreground(lipgloss.Red)
	warn    = lipgloss.NewStyle().Foreground(lipgloss.Yellow)
	started = lipgloss.NewStyle().Foreground(lipgloss.Green)
	plain   = lipgloss.NewStyle()
)

func strong(text string) string { return bold.Render(text) }

func styleOf(reason string) lipgloss.Style {
	switch admission.Reason(reason) {
	case "unserved", "start-unanswered":
		return bad
	case admission.Paused:
		return warn
	}
	return plain
}

// cell is a text padded to a width, or cut so that a blank is left.
func cell(text string, width int, right bool) string {
	text = ansi.Truncate(text, max(width-1, 1), "…")
	pad := strings.Repeat(" ", max(width-ansi.StringWidth(text), 0))
	if right {
		return pad + text
	}
	return text + pad
}

// View is the whole screen.
func (m *Model) View() tea.View {
	v := tea.NewView(strings.Join(m.screen(), "\n"))
	v.AltScreen, v.WindowTitle = true, "starter top"
	return v
}

// screen is its lines: no more than the window has, and none wider.
func (m *Model) screen() []string {
	head, foot := m.head(), m.foot()
	room := max(m.height-len(head)-len(foot), 0)
	lines := append(head, m.body(room)...)
	lines = lines[:min(len(lines), len(head)+room)]
	for len(lines) < len(head)+room {
		lines = append(lines, "")
	}
	lines = append(lines, foot...)
	lines = lines[:min(len(lines), max(m.height, 0))]
	for i := range lines {
		lines[i] = cut(lines[i], m.width)
	}
	return lines
}

// head is the overview, cut where the window is small: the list keeps half of it.
func (m *Model) head() []string {
	lines := m.overview()
	if m.once {
		return lines
	}
	return lines[:min(len(lines), max(m.height/2, 1))]
}

func (m *Model) body(room int) []string {
	switch {
	case m.help:
		h := help.New()
		h.SetWidth(m.width)
		return strings.Split(h.FullHelpView(shortHelp{}.FullHelp()), "\n")
	case m.look.Snapshot == nil:
		return nil
	case m.open != uuid.Nil:
		return m.workspace(room)
	}
	return m.list(room)
}

// wrapped is a text in as many lines as it takes.
func (m *Model) wrapped(style lipgloss.Style, text string) []string {
	return strings.Split(style.Render(ansi.Wrap(text, max(m.width, 1), "")), "\n")
}

// rows is how many workspaces there is room for.
func (m *Model) rows() int { return max(m.height-len(m.head())-len(m.foot())-1, 1) }

// foot is what is asked, or else what was said last, and which keys there are.
func (m *Model) foot() []string {
	if m.once {
		return nil
	}
	if m.asking != nil {
		m.asking.reason.SetWidth(max(m.width-len(m.asking.reason.Prompt)-2, 1))
		return append(m.wrapped(warn, m.asking.text()), m.asking.reason.View(), faint.Render("enter does it, esc does not"))
	}
	said := m.said
	switch {
	case m.filtering:
		m.filter.SetWidth(max(m.width-len(m.filter.Prompt)-2, 1))
		said = m.filter.View()
	case said != "" && m.bad:
		said = bad.Render(said)
	case said == "" && m.filter.Value() != "":
		said = faint.Render("filter: ") + m.filter.Value() + faint.Render("  (esc ends it)")
	}
	h := help.New()
	h.SetWidth(m.width)
	return []string{said, h.ShortHelpView(shortHelp{}.ShortHelp())}
}

func cut(line string, width int) string { return ansi.Truncate(line, width, "…") }

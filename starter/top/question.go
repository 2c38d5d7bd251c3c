package top

import (
	"charm.land/bubbles/v2/textinput"
	tea "charm.land/bubbletea/v2"
	"github.com/google/uuid"

	"sluice/internal/bounds"
	"sluice/internal/web/dashboard/page"
)

// question is what the user has asked for and has not confirmed yet.
type question struct {
	pauses    bool
	workspace uuid.UUID // nil: everything
	name      string    // as it is shown
	reason    textinput.Model
}

func input(prompt string) textinput.Model {
	in := textinput.New()
	in.Prompt = prompt
	in.SetVirtualCursor(true)
	in.Focus()
	return in
}

// askFor opens the question for the selected workspace, or for everything.
func (m *Model) askFor(pauses, everything bool) {
	q := &question{pauses: pauses, name: "everything", reason: input("reason (may be empty): ")}
	q.reason.CharLimit = bounds.MaxReason
	if !everything {
		w, found := m.current()
		if !found {
			m.say("no workspace is selected", true)
			return
		}
		q.workspace, q.name = w.ID, "workspace "+page.OneLine(w.Name, 60)
	}
	m.asking = q
}

func (q *question) text() string {
	if q.pauses {
		return "Pause " + q.name + "? Nothing new of it starts; what runs goes on."
	}
	return "Resume " + q.name + "?"
}

// answer is a key while a question is open.
func (m *Model) answer(pressed tea.KeyPressMsg) tea.Cmd {
	q := m.asking
	switch pressed.String() {
	case "enter":
		if err := bounds.Reason(q.reason.Value(), bounds.MaxReason); err != nil {
			m.say("reason "+err.Error(), true)
			return nil
		}
		m.asking = nil
		m.say("…", false)
		return m.act(q)
	case "esc", "ctrl+c":
		m.asking = nil
		m.say("nothing was changed", false)
		return nil
	}
	var cmd tea.Cmd
	q.reason, cmd = q.reason.Update(pressed)
	return cmd
}

// acted is what has become of an action.
type acted struct {
	text string
	err  error
}

func (m *Model) act(q *question) tea.Cmd {
	do, reason := m.source.resume, q.reason.Value()
	if q.pauses {
		do = m.source.pause
	}
	return func() tea.Msg {
		ctx, cancel := m.within()
		defer cancel()
		text, err := do(ctx, q.workspace, reason)
		return acted{q.name + ": " + text, err}
	}
}

package top

import (
	"context"
	"time"

	"charm.land/bubbles/v2/key"
	"charm.land/bubbles/v2/textinput"
	tea "charm.land/bubbletea/v2"
	"github.com/google/uuid"

	"sluice/internal/web/dashboard/page"
	"sluice/internal/web/dashboard/series"
)

// actionTimeout is how long anything that is read or done may take.
const actionTimeout = 20 * time.Second

// saidFor is how long it is shown what became of an action, unless a key is pressed before.
const saidFor = 10 * time.Second

// Model is the state of the view.
type Model struct {
	ctx    context.Context
	source source
	now    func() time.Time

	width, height int
	help          bool
	once          bool // it is printed: nothing can be pressed

	look      look // its Snapshot is nil before the first
	looking   bool
	lookBegan time.Time
	failed    error // of the last look; nil: it went well

	order     order
	reversed  bool
	filter    textinput.Model
	filtering bool
	shown     []series.Workspace // those that the filter leaves, in order
	selected  uuid.UUID
	cursor    int // where it is in shown
	top       int // the first of shown on the screen

	open    uuid.UUID // the workspace whose detail is shown, nil: the list
	detail  detail
	reading bool
	rest    time.Time // until when the detail is not read again
	unread  error     // of the last reading

	asking *question
	said   string
	saidAt time.Time
	bad    bool
}

func newModel(ctx context.Context, s source, now func() time.Time) *Model {
	m := &Model{ctx: ctx, source: s, now: now, width: 80, height: 24, filter: input("filter: ")}
	m.filter.Blur()
	return m
}

// tick comes each second.
type tick struct{}

// looked and described are what has been read.
type looked struct {
	look look
	err  error
}

type described struct {
	detail detail
	took   time.Duration
	err    error
}

func ticking() tea.Cmd { return tea.Tick(refresh, func(time.Time) tea.Msg { return tick{} }) }

// Init begins to look.
func (m *Model) Init() tea.Cmd { return tea.Batch(m.lookAgain(), ticking()) }

func (m *Model) within() (context.Context, context.CancelFunc) {
	return context.WithTimeout(m.ctx, actionTimeout)
}

func (m *Model) lookAgain() tea.Cmd {
	if m.looking {
		return nil
	}
	m.looking, m.lookBegan = true, m.now()
	return func() tea.Msg {
		ctx, cancel := m.within()
		defer cancel()
		l, err := m.source.look(ctx)
		return looked{l, err}
	}
}

func (m *Model) readDetail() tea.Cmd {
	if m.open == uuid.Nil || m.reading || m.now().Before(m.rest) {
		return nil
	}
	m.reading = true
	workspace := m.open
	return func() tea.Msg {
		ctx, cancel := m.within()
		defer cancel()
		began := time.Now()
		d, err := m.source.detail(ctx, workspace)
		return described{d, time.Since(began), err}
	}
}

// Update takes a message. It only changes the model; what is to be read or done is in the command that it returns.
func (m *Model) Update(message tea.Msg) (tea.Model, tea.Cmd) {
	var cmd tea.Cmd
	switch message := message.(type) {
	case tea.WindowSizeMsg:
		m.width, m.height = message.Width, message.Height
	case tick:
		if m.now().Sub(m.saidAt) > saidFor {
			m.said = ""
		}
		cmd = tea.Batch(m.lookAgain(), m.readDetail(), ticking())
	case looked:
		m.looking, m.failed = false, message.err
		if message.err == nil {
			m.look = message.look
		}
	case described:
		m.reading, m.unread = false, message.err
		m.rest = m.now().Add(10 * message.took)
		if message.err == nil {
			m.detail = message.detail
		}
	case acted:
		m.say(page.OneLine(message.text, 400), false)
		if message.err != nil {
			m.say(page.OneLine(message.err.Error(), 400), true)
		}
		cmd = m.lookAgain()
	case tea.KeyPressMsg:
		cmd = m.press(message)
	case tea.PasteMsg:
		m.paste(message)
	}
	m.arrange()
	return m, cmd
}

func (m *Model) say(text string, bad bool) { m.said, m.bad, m.saidAt = text, bad, m.now() }

func (m *Model) paste(text tea.PasteMsg) {
	switch {
	case m.asking != nil:
		m.asking.reason, _ = m.asking.reason.Update(text)
	case m.filtering:
		m.filter, _ = m.filter.Update(text)
	}
}

func (m *Model) press(pressed tea.KeyPressMsg) tea.Cmd {
	switch {
	case m.asking != nil:
		return m.answer(pressed)
	case m.filtering:
		return m.narrow(pressed)
	}
	m.said = ""
	switch {
	case key.Matches(pressed, keys.quit):
		return tea.Quit
	case key.Matches(pressed, keys.help):
		m.help = !m.help
	case key.Matches(pressed, keys.back):
		m.goBack()
	case key.Matches(pressed, keys.pause):
		m.askFor(true, false)
	case key.Matches(pressed, keys.resume):
		m.askFor(false, false)
	case key.Matches(pressed, keys.pauseAll):
		m.askFor(true, true)
	case key.Matches(pressed, keys.resumeAll):
		m.askFor(false, true)
	case m.open != uuid.Nil: // the rest is for the list
	case key.Matches(pressed, keys.filter):
		m.filtering = true
		return m.filter.Focus()
	case key.Matches(pressed, keys.sort):
		m.order, m.reversed = (m.order+1)%orders, false
	case key.Matches(pressed, keys.reverse):
		m.reversed = !m.reversed
	case key.Matches(pressed, keys.open):
		if w, found := m.current(); found {
			m.open, m.detail, m.rest, m.unread = w.ID, detail{}, time.Time{}, nil
			return m.readDetail()
		}
	default:
		m.move(pressed)
	}
	return nil
}

// goBack leaves what is open: the help, the workspace, then the filter.
func (m *Model) goBack() {
	switch {
	case m.help:
		m.help = false
	case m.open != uuid.Nil:
		m.open = uuid.Nil
	default:
		m.filter.Reset()
	}
}

// narrow is a key while the filter is typed.
func (m *Model) narrow(pressed tea.KeyPressMsg) tea.Cmd {
	switch pressed.String() {
	case "esc", "ctrl+c":
		m.filter.Reset()
		fallthrough
	case "enter", "up", "down":
		m.filtering = false
		m.filter.Blur()
		return nil
	}
	var cmd tea.Cmd
	m.filter, cmd = m.filter.Update(pressed)
	return cmd
}

package top

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"sluice/admin"
	"sluice/internal/admission"
	"sluice/internal/store/figures"
	"sluice/internal/web/dashboard/series"
)

// fake is a source of figures that a test sets.
type fake struct {
	now  look
	err  error
	of   detail
	done []string // what was paused and resumed
}

func (f *fake) look(context.Context) (look, error) { return f.now, f.err }

func (f *fake) detail(_ context.Context, workspace uuid.UUID) (detail, error) {
	d := f.of
	d.workspace = workspace
	return d, f.err
}

func (f *fake) pause(_ context.Context, workspace uuid.UUID, reason string) (string, error) {
	f.done = append(f.done, fmt.Sprintf("pause %s %q", workspace, reason))
	return "paused", f.err
}

func (f *fake) resume(_ context.Context, workspace uuid.UUID, reason string) (string, error) {
	f.done = append(f.done, fmt.Sprintf("resume %s %q", workspace, reason))
	return "resumed", f.err
}

func id(n int) uuid.UUID { return uuid.UUID{15: byte(n)} }

func workspace(n int, name string, pending int) series.Workspace {
	return series.Workspace{Usage: figures.Usage{ID: id(n), Name: name, Plan: "PRO", Limit: 20, Pending: pending}}
}

// bundle is a view of some workspaces.
type bundle struct {
	*Model
	fake *fake
	t    *testing.T
}

func setup(t *testing.T, workspaces ...series.Workspace) *bundle {
	t.Helper()
	f := &fake{now: look{Snapshot: &series.Snapshot{At: time.Now(), Workspaces: workspaces}}}
	b := &bundle{Model: newModel(t.Context(), f, time.Now), fake: f, t: t}
	b.run(b.lookAgain())
	return b
}

// run carries out a command, as the program does.
func (b *bundle) run(cmd tea.Cmd) {
	if cmd == nil {
		return
	}
	_, next := b.Update(cmd())
	b.run(next)
}

// keys presses some. Those of one character are typed.
func (b *bundle) keys(pressed ...string) {
	special := map[string]rune{"enter": tea.KeyEnter, "esc": tea.KeyEscape, "up": tea.KeyUp, "down": tea.KeyDown, "end": tea.KeyEnd, "pgdown": tea.KeyPgDown}
	for _, k := range pressed {
		key := tea.KeyPressMsg{Code: special[k]}
		if key.Code == 0 {
			key = tea.KeyPressMsg{Code: []rune(k)[0], Text: k}
		}
		_, cmd := b.Update(key)
		if k == "enter" {
			b.run(cmd)
		}
	}
}

func (b *bundle) typed(text string) { b.keys(strings.Split(text, "")...) }

func (b *bundle) screenText() string { return ansi.Strip(strings.Join(b.screen(), "\n")) }

func (b *bundle) selectedName() string {
	for _, line := range strings.Split(b.screenText(), "\n") {
		if name, found := strings.CutPrefix(line, mark); found {
			return strings.Fields(name)[0]
		}
	}
	return ""
}

func TestWorkspacesAreSortedAndFiltered(t *testing.T) {
	t.Parallel()
	b := setup(t, workspace(1, "acme", 3), workspace(2, "globex", 9), workspace(3, "initech", 0))
	names := func() (list []string) {
		for _, w := range b.shown {
			list = append(list, w.Name)
		}
		return list
	}
	require.Equal(t, []string{"globex", "acme", "initech"}, names())
	b.keys("S")
	require.Equal(t, []string{"initech", "acme", "globex"}, names())
	for b.order != byName {
		b.keys("s")
	}
	require.Equal(t, []string{"acme", "globex", "initech"}, names())
	b.keys("/")
	b.typed("EX")
	require.Equal(t, []string{"globex"}, names())
	b.keys("enter", "esc")
	require.Len(t, names(), 3)
	b.keys("/")
	b.typed("nobody")
	require.Contains(t, b.screenText(), "no workspace that the filter lets through")
	b.keys("enter", "p")
	require.Nil(t, b.asking)
	require.Contains(t, b.screenText(), "no workspace is selected")
}

func TestTheSameWorkspaceStaysSelected(t *testing.T) {
	t.Parallel()
	b := setup(t, workspace(1, "acme", 3), workspace(2, "globex", 9))
	b.keys("down")
	require.Equal(t, "acme", b.selectedName())
	b.fake.now.Snapshot = &series.Snapshot{At: time.Now(), Workspaces: []series.Workspace{workspace(1, "acme", 30), workspace(2, "globex", 9)}}
	b.run(b.lookAgain())
	require.Equal(t, "acme", b.shown[0].Name)
	require.Equal(t, "acme", b.selectedName())
}

// While the reason is typed the list goes on changing, and the workspace may even go.
func TestAQuestionIsAboutWhatWasSelectedWhenItWasAsked(t *testing.T) {
	t.Parallel()
	b := setup(t, workspace(1, "acme", 3), workspace(2, "globex", 9))
	b.keys("p")
	require.Contains(t, b.screenText(), "Pause workspace globex?")
	b.fake.now.Snapshot = &series.Snapshot{At: time.Now(), Workspaces: []series.Workspace{workspace(1, "acme", 30)}}
	b.run(b.lookAgain())
	b.typed("late")
	b.keys("enter")
	require.Equal(t, []string{fmt.Sprintf(`pause %s "late"`, id(2))}, b.fake.done)
}

func TestNothingIsDoneWithoutAnAnswer(t *testing.T) {
	t.Parallel()
	b := setup(t, workspace(1, "acme", 3))
	for _, k := range []string{"p", "r", "P", "R"} {
		b.keys(k, "esc")
		require.Contains(t, b.screenText(), "nothing was changed")
	}
	require.Empty(t, b.fake.done)
	b.keys("P", "q", "enter", "R", "enter", "r", "enter")
	require.Equal(t, []string{
		fmt.Sprintf(`pause %s "q"`, uuid.Nil), fmt.Sprintf(`resume %s ""`, uuid.Nil), fmt.Sprintf(`resume %s ""`, id(1)),
	}, b.fake.done)
}

func TestALostDatabaseIsSaidAndTheLastFiguresStay(t *testing.T) {
	t.Parallel()
	b := setup(t, workspace(1, "acme", 3))
	b.fake.err = errors.New("connection \x1b[2Jrefused")
	b.run(b.lookAgain())
	require.Contains(t, b.screenText(), "the database does not answer")
	require.Contains(t, b.screenText(), `\x1b[2Jrefused`)
	require.Equal(t, "acme", b.selectedName())
	b.keys("p", "enter")
	require.Contains(t, b.screenText(), "refused", "what was asked for has failed")
	b.fake.err = nil
	b.run(b.lookAgain())
	require.NotContains(t, b.screenText(), "does not answer")
}

func TestBeforeTheFirstLookItSaysWhatItWaitsFor(t *testing.T) {
	t.Parallel()
	f := &fake{err: errors.New("refused")}
	b := &bundle{Model: newModel(t.Context(), f, time.Now), fake: f, t: t}
	require.Contains(t, b.screenText(), "looking for the first time")
	b.run(b.lookAgain())
	b.keys("down", "enter", "s", "p")
	require.Contains(t, b.screenText(), "the database does not answer: refused")
}

// hostile is what a tenant may have written into any field.
const hostile = "evil\x1b[2J\x1b]0;title\x07\u202egnp\nforged row\ttab\x9b31m"

func everything() *fake {
	text := hostile
	long, until := strings.Repeat("name ", 60), time.Now().Add(time.Hour)
	s := &series.Snapshot{At: time.Now(), Longest: time.Hour, LongestOf: id(1), Pending: 1_000_000, Running: 7, Unserved: 2, Unanswered: 1,
		Reasons:     map[admission.Reason]int{admission.AtCapacity: 3, admission.Paused: 1},
		Dispatchers: []series.Dispatcher{{Error: hostile}, {Shard: 1}}, Plans: []series.Plan{{Plan: hostile, Waits: 1, P99: time.Minute}},
		Points: make([]series.Point, series.Steps)}
	for i := range 40 {
		w := workspace(i+1, fmt.Sprintf("w%d %s", i, []string{hostile, long, "宽字符的名字很长很长很长很长"}[i%3]), i*1000)
		w.Reason, w.ExternalKey = admission.AtCapacity, &text
		s.Workspaces = append(s.Workspaces, w)
	}
	pause := admin.Pause{WorkflowType: &text, WorkspaceName: &text, Actor: hostile, Reason: hostile, Until: &until, Since: time.Now()}
	of := id(39)
	mine := pause
	mine.WorkspaceID = &of
	f := &fake{now: look{Snapshot: s, Pauses: []admin.Pause{pause, mine}}}
	for i := range 60 {
		f.of.line = append(f.of.line, figures.Place{ID: id(i), Kind: hostile, Error: hostile, Scheduled: i > 30})
		f.of.held = append(f.of.held, figures.Slot{ID: id(i), Kind: hostile, Error: hostile})
	}
	return f
}

// visit shows every state of the view.
func visit(b *bundle, see func(state string)) {
	b.run(b.lookAgain())
	see("list")
	b.keys("pgdown", "down")
	see("further down")
	b.keys("/")
	b.typed("w3")
	see("filter")
	b.keys("enter", "p")
	see("question")
	b.keys("esc", "?")
	see("help")
	b.keys("esc", "enter")
	see("workspace")
	b.fake.err = errors.New(hostile)
	b.run(b.lookAgain())
	see("no database")
}

func TestNothingThatTenantsWriteControlsTheTerminal(t *testing.T) {
	t.Parallel()
	f := everything()
	b := &bundle{Model: newModel(t.Context(), f, time.Now), fake: f, t: t}
	b.width, b.height = 160, 50
	visit(b, func(state string) {
		text := strings.Join(b.screen(), "\n")
		for _, sequence := range []string{"\x1b[2J", "\x1b]", "\x07", "\u202e", "\u009b", "\t"} {
			require.NotContains(t, text, sequence, state)
		}
		for _, line := range strings.Split(ansi.Strip(text), "\n") {
			require.False(t, strings.HasPrefix(strings.TrimSpace(line), "forged row"), "%s: %q", state, line)
		}
	})
	require.Contains(t, b.screenText(), `evil\x1b[2J`)
}

func TestTheScreenFitsAnyWindow(t *testing.T) {
	t.Parallel()
	for _, size := range [][2]int{{1, 1}, {2, 3}, {10, 4}, {20, 8}, {40, 12}, {59, 16}, {80, 24}, {100, 31}, {240, 70}, {0, 0}} {
		f := everything()
		b := &bundle{Model: newModel(t.Context(), f, time.Now), fake: f, t: t}
		b.Update(tea.WindowSizeMsg{Width: size[0], Height: size[1]})
		visit(b, func(state string) {
			lines := b.screen()
			require.LessOrEqual(t, len(lines), size[1], "%v %s", size, state)
			for _, line := range lines {
				require.LessOrEqual(t, ansi.StringWidth(line), size[0], "%v %s: %q", size, state, line)
			}
			if size[1] >= 12 && (state == "list" || state == "further down") {
				require.NotEmpty(t, b.selectedName(), "%v %s: the selected workspace is on the screen", size, state)
			}
		})
	}
}

func TestEachWorkspaceCanBeReached(t *testing.T) {
	t.Parallel()
	b := setup(t, everything().now.Workspaces...)
	seen := map[string]bool{}
	for range 60 {
		seen[b.selectedName()] = true
		b.keys("down")
	}
	require.Len(t, seen, 40)
	b.keys("end")
	require.Equal(t, 39, b.cursor)
}

// A look that takes long is waited for, and none is begun beside it.
func TestOneLookIsInFlightAtOnce(t *testing.T) {
	t.Parallel()
	b := setup(t, workspace(1, "acme", 3))
	first := b.lookAgain()
	require.NotNil(t, first)
	require.Nil(t, b.lookAgain())
	b.now = func() time.Time { return time.Now().Add(time.Minute) }
	b.arrange()
	require.Contains(t, b.screenText(), "the database is slow to answer")
	b.run(first)
	require.NotContains(t, b.screenText(), "slow")
	require.NotNil(t, b.lookAgain())
}

func TestWhatBecameOfAnActionIsShownForAWhile(t *testing.T) {
	t.Parallel()
	b := setup(t, workspace(1, "acme", 3))
	at := time.Now()
	b.now = func() time.Time { return at }
	b.Update(acted{text: "paused"})
	require.Contains(t, b.foot()[0], "paused")
	at = at.Add(saidFor - time.Second)
	b.Update(tick{})
	require.Contains(t, b.foot()[0], "paused")
	at = at.Add(2 * time.Second)
	b.Update(tick{})
	require.NotContains(t, b.foot()[0], "paused")
}

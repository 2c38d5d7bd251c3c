package top

import (
	"context"
	"io"
	"os"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/colorprofile"
	"github.com/charmbracelet/x/term"
)

// Terminal is where the view is shown, and the environment that says what it can show.
type Terminal struct {
	In  io.Reader
	Out io.Writer
	Env []string
}

// onceWidth is how wide a frame is that is not printed on a terminal.
const onceWidth = 120

// OnTerminal tells whether a stream is a terminal.
func OnTerminal(stream any) bool {
	file, ok := stream.(*os.File)
	return ok && term.IsTerminal(file.Fd())
}

// Run shows the view until the user quits or the context ends.
func Run(ctx context.Context, c Config, t Terminal) error {
	return run(ctx, newModel(ctx, newSource(c), time.Now), t)
}

// run quits where the context ends, as the user does. Bubble Tea's own context would not wait for the goroutine that reads the
// terminal, which then races with the end of its reader.
func run(ctx context.Context, m tea.Model, t Terminal) error {
	p := tea.NewProgram(m, tea.WithInput(t.In), tea.WithOutput(t.Out), tea.WithEnvironment(t.Env), tea.WithoutSignalHandler())
	defer context.AfterFunc(ctx, p.Quit)()
	_, err := p.Run()
	return err
}

// Once prints one frame, with all workspaces.
func Once(ctx context.Context, c Config, t Terminal) error {
	m := newModel(ctx, newSource(c), time.Now)
	m.once, m.width = true, onceWidth
	if file, ok := t.Out.(*os.File); ok {
		if width, _, err := term.GetSize(file.Fd()); err == nil && width > 0 {
			m.width = width
		}
	}
	l, err := m.source.look(ctx)
	if err != nil {
		return err
	}
	m.look, m.height = l, len(l.Workspaces)+1000 // it takes what it needs
	m.arrange()
	lines := append(m.head(), m.list(m.height)...)
	for i := range lines {
		lines[i] = cut(lines[i], m.width)
	}
	_, err = io.WriteString(colorprofile.NewWriter(t.Out, t.Env), strings.Join(lines, "\n")+"\n")
	return err
}

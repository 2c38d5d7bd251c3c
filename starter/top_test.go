package main

import (
	"context"
	"io"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/charmbracelet/x/vt"
	"github.com/creack/pty"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"sluice/internal/operate/operatetest"
)

// terminal is a pseudo-terminal on which starter top runs, with what it has written.
type terminal struct {
	t       *testing.T
	control *os.File
	ended   chan int

	mu      sync.Mutex
	written strings.Builder
	screen  *vt.Emulator
}

// onTerminal runs starter top in a terminal of 100 columns and 30 lines.
func (c cli) onTerminal(t *testing.T) *terminal {
	t.Helper()
	control, screen, err := pty.Open()
	require.NoError(t, err)
	require.NoError(t, pty.Setsize(control, &pty.Winsize{Rows: 30, Cols: 100}))
	c.env["TERM"], c.env["NO_COLOR"] = "xterm-256color", "1"
	term := &terminal{t: t, control: control, ended: make(chan int, 1), screen: vt.NewEmulator(100, 30)}
	go func() { _, _ = io.Copy(control, term.screen) }() // what a terminal answers when it is asked what it can do
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		buffer := make([]byte, 4096)
		for {
			n, err := control.Read(buffer)
			if err != nil {
				return
			}
			term.mu.Lock()
			term.written.Write(buffer[:n])
			_, _ = term.screen.Write(buffer[:n])
			term.mu.Unlock()
		}
	}()
	var stderr strings.Builder
	go func() {
		term.ended <- run(ctx, surroundings{stdin: screen, stdout: screen, stderr: &stderr, env: c.env, user: "ann", now: time.Now}, []string{"top"})
	}()
	t.Cleanup(func() {
		cancel()
		select {
		case <-term.ended:
		case <-time.After(time.Minute):
			t.Error("starter top did not end with its context")
		}
		_ = screen.Close()
		_ = term.screen.InputPipe().(io.Closer).Close()
		_ = control.Close()
	})
	return term
}

func (term *terminal) output() string {
	term.mu.Lock()
	defer term.mu.Unlock()
	return term.written.String()
}

func (term *terminal) press(keys string) {
	term.t.Helper()
	_, err := term.control.WriteString(keys)
	require.NoError(term.t, err)
}

// shows waits until a text is on the screen.
func (term *terminal) shows(text string) {
	term.t.Helper()
	require.Eventually(term.t, func() bool {
		term.mu.Lock()
		defer term.mu.Unlock()
		return strings.Contains(term.screen.String(), text)
	}, 2*time.Minute, 20*time.Millisecond, text)
}

func TestTopPausesAndResumesAWorkspace(t *testing.T) {
	t.Parallel()
	c := onPostgres(t) // Temporal is down, and not needed
	workspace, definition := c.workspace()
	c.ok("enqueue", "--workspace", workspace, "--definition", definition)
	term := c.onTerminal(t)
	term.shows("acme")
	term.press("p")
	term.shows("Pause workspace acme?")
	term.press("unpaid")
	term.shows("unpaid")
	require.Nil(t, c.array("list")[0]["reason"], "nothing is done before it is confirmed")
	term.press("\r")
	term.shows("nothing new starts")
	require.Equal(t, "paused", c.array("list")[0]["reason"])
	term.press("r")
	term.shows("Resume workspace acme?")
	term.press("\r")
	term.shows("workspace acme: resumed")
	require.Nil(t, c.array("list")[0]["reason"])
	require.Equal(t, []string{"paused starter:ann unpaid", "resumed starter:ann"},
		c.texts(`SELECT concat_ws(' ', action, actor, details ->> 'reason') FROM sluice.activity WHERE workspace_id = $1 AND action IN ('paused', 'resumed') ORDER BY at`, uuid.MustParse(workspace)))
	require.NotRegexp(t, "\x1b\\[[0-9;]*3[0-7]m", term.output(), "NO_COLOR is set")
	term.press("q")
	require.Eventually(t, func() bool { return len(term.ended) == 1 }, time.Minute, 20*time.Millisecond)
	code := <-term.ended
	term.ended <- code
	require.Zero(t, code)
	require.Eventually(t, func() bool { return strings.Contains(term.output(), "\x1b[?1049l") }, time.Minute, 20*time.Millisecond, "the screen is what it was before")
}

// The dispatchers' own pause, which the command line sets, ends here too.
func TestTopResumesTheDispatchers(t *testing.T) {
	t.Parallel()
	c := onBoth(t)
	operatetest.Worker(t, c.temporal())
	c.ok("start")
	c.ok("pause", "--reason", "deploy")
	term := c.onTerminal(t)
	term.shows("is paused by starter:ann (deploy)")
	term.press("R")
	term.shows("Resume everything?")
	term.press("\r")
	term.shows("everything: resumed")
	require.Nil(t, c.object("status")["dispatcher"].(map[string]any)["pause"])
}

func TestTopSaysThatTheDatabaseIsGoneAndGoesOnWhenItIsBack(t *testing.T) {
	t.Parallel()
	c := onPostgres(t)
	c.workspace()
	term := c.onTerminal(t)
	term.shows("acme")
	config, err := pgx.ParseConfig(c.env["DATABASE_URL"])
	require.NoError(t, err)
	database := config.Database
	config.Database = "postgres"
	server, err := pgx.ConnectConfig(t.Context(), config)
	require.NoError(t, err)
	t.Cleanup(func() { _ = server.Close(context.WithoutCancel(t.Context())) })
	exec := func(sql string, args ...any) {
		_, err := server.Exec(t.Context(), sql, args...)
		require.NoError(t, err)
	}
	exec(`ALTER DATABASE ` + pgx.Identifier{database}.Sanitize() + ` ALLOW_CONNECTIONS false`)
	exec(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1`, database)
	term.shows("the database does not answer")
	exec(`ALTER DATABASE ` + pgx.Identifier{database}.Sanitize() + ` ALLOW_CONNECTIONS true`)
	c.object("workspace", "create", "globex")
	term.shows("globex")
}

func TestTopNeedsATerminalUnlessItPrintsOnce(t *testing.T) {
	t.Parallel()
	c := onPostgres(t)
	c.workspace()
	out := c.run("top")
	require.Equal(t, exitUsage, out.code)
	require.Contains(t, out.stderr, "top needs a terminal")
	require.Contains(t, out.stderr, "--once")
	frame := c.ok("top", "--once")
	require.Contains(t, frame, "acme")
	require.NotContains(t, frame, "\x1b")
	require.Equal(t, exitUsage, c.run("top", "--json").code)
}

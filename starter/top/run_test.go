package top

import (
	"context"
	"io"
	"testing"
	"time"

	"github.com/creack/pty"
	"github.com/stretchr/testify/require"
)

// Under the race detector, this fails where the terminal is still read when the view has ended.
func TestTheViewEndsWithItsContextAndLeavesTheTerminal(t *testing.T) {
	t.Parallel()
	for range 20 {
		control, screen, err := pty.Open()
		require.NoError(t, err)
		require.NoError(t, pty.Setsize(control, &pty.Winsize{Rows: 30, Cols: 100}))
		shown := make(chan struct{})
		read := make(chan struct{})
		go func() {
			defer close(read)
			_, _ = control.Read(make([]byte, 1))
			close(shown)
			_, _ = io.Copy(io.Discard, control)
		}()
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() {
			ended <- run(ctx, newModel(ctx, &fake{}, time.Now), Terminal{In: screen, Out: screen, Env: []string{"TERM=xterm-256color"}})
		}()
		<-shown
		cancel()
		require.NoError(t, <-ended)
		require.NoError(t, screen.Close())
		require.NoError(t, control.Close())
		<-read
	}
}

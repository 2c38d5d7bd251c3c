package activities

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/temporal"
)

func TestSignsOfLifeThatAreNotAnsweredEndNoCall(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		sent := 0
		a := &Activities{beat: func(ctx context.Context, _ int32) error {
			sent++
			<-ctx.Done()
			return serviceerror.NewUnavailable("away")
		}}
		ctx, _, quiet := a.live(t.Context(), 0, true)
		time.Sleep(time.Hour)
		require.NoError(t, ctx.Err())
		quiet()
		require.InDelta(t, time.Hour/callBeat, sent, 1)
	})
}

func TestACallEndsWhenNobodyWaitsForIt(t *testing.T) {
	t.Parallel()
	for _, end := range []error{serviceerror.NewNotFound("workflow execution already completed"), temporal.NewCanceledError()} {
		synctest.Test(t, func(t *testing.T) {
			a := &Activities{beat: func(context.Context, int32) error { return end }}
			ctx, _, quiet := a.live(t.Context(), 0, true)
			defer quiet()
			time.Sleep(callBeat + time.Second)
			require.ErrorIs(t, context.Cause(ctx), end)
		})
	}
}

func TestNoCallIsMadeThatTemporalDoesNotKnow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var said []int32
		var answer error
		a := &Activities{beat: func(_ context.Context, attempts int32) error {
			said = append(said, attempts)
			return answer
		}}
		ctx, s, quiet := a.live(t.Context(), 3, true)
		answer = serviceerror.NewUnavailable("away")
		require.ErrorIs(t, s.attempt(ctx), answer) // but it may have heard
		answer = nil
		s.notMade(ctx)
		s.notMade(ctx)
		time.Sleep(callBeat + time.Second)
		synctest.Wait()
		require.NoError(t, s.attempt(ctx))
		time.Sleep(callBeat)
		quiet()
		require.Equal(t, []int32{4, 3, 3, 4, 4}, said)
	})
}

func TestACallThatIsMadeAtOnceSaysNothingBefore(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		waits time.Duration
		said  []int32
	}{"at once": {0, []int32{3}}, "after a while": {time.Second, []int32{2, 3, 3}}} {
		synctest.Test(t, func(t *testing.T) {
			var said []int32
			a := &Activities{beat: func(_ context.Context, attempts int32) error {
				said = append(said, attempts)
				return nil
			}}
			ctx, s, quiet := a.live(t.Context(), 2, false)
			time.Sleep(c.waits)
			require.NoError(t, s.attempt(ctx))
			time.Sleep(callBeat)
			synctest.Wait()
			quiet()
			require.Equal(t, c.said, said, name)
		})
	}
}

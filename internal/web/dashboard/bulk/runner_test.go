package bulk

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"sluice/admin"
)

// held is work that goes on until it is broken off, three items on.
func held(ctx context.Context, _ Order, progress admin.Progress) (Outcome, error) {
	progress(3)
	<-ctx.Done()
	return Outcome{Done: 4}, ctx.Err()
}

func TestAnOperationTellsHowFarItIsAndCanBeStopped(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRunner(held)
		defer r.Close()
		id, err := r.Start(Order{Actor: "ann"})
		require.NoError(t, err)
		synctest.Wait()
		o, known := r.Find(id)
		require.True(t, known)
		require.True(t, o.GoesOn())
		require.EqualValues(t, 3, o.Done)
		require.Equal(t, "ann", o.Actor)
		r.Stop(uuid.New())
		r.Stop(id)
		synctest.Wait()
		o, _ = r.Find(id)
		require.False(t, o.GoesOn())
		require.True(t, o.Stopped)
		require.EqualValues(t, 4, o.Done)
		require.ErrorIs(t, o.Err, context.Canceled)
	})
}

func TestFewOperationsGoOnAtOnceAndCloseEndsThem(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRunner(held)
		var ids []uuid.UUID
		for range Most {
			id, err := r.Start(Order{})
			require.NoError(t, err)
			ids = append(ids, id)
		}
		_, err := r.Start(Order{})
		require.ErrorIs(t, err, admin.ErrInvalid)
		r.Stop(ids[1])
		synctest.Wait()
		_, err = r.Start(Order{})
		require.NoError(t, err, "there is room again")
		r.Close()
		for _, o := range r.List() {
			require.False(t, o.GoesOn())
			require.Equal(t, o.ID == ids[1], o.Stopped, "it ended with the process otherwise")
		}
		_, err = r.Start(Order{})
		require.Error(t, err)
	})
}

func TestWhatIsOverIsForgottenInTheEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		failed := errors.New("it is down")
		r := newRunner(func(context.Context, Order, admin.Progress) (Outcome, error) { return Outcome{Done: 1}, failed })
		defer r.Close()
		first, err := r.Start(Order{})
		require.NoError(t, err)
		var last uuid.UUID
		for range remembered {
			synctest.Wait()
			last, err = r.Start(Order{})
			require.NoError(t, err)
		}
		synctest.Wait()
		_, known := r.Find(first)
		require.False(t, known)
		require.Len(t, r.List(), remembered)
		o, known := r.Find(last)
		require.True(t, known)
		require.ErrorIs(t, o.Err, failed)
		require.Equal(t, last, r.List()[0].ID)
	})
}

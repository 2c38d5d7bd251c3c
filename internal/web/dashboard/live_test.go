package dashboard

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// However many look at a page, its live part is made once; a change from here has it made anew.
func TestAllWhoLookAtAPageShareItsLivePart(t *testing.T) {
	t.Parallel()
	for range 5 {
		began := time.Now()
		if made := lookTogether(t); made == 1 || time.Since(began) < leastLive {
			require.EqualValues(t, 1, made)
			break
		} // else the machine stood still for longer than a page is live
	}
	var pages livePages
	var made atomic.Int32
	ask := func(at string, status int) (int, string) {
		status, body, err := pages.of(t.Context(), liveKey{at: at}, func() (int, []byte) {
			return status, fmt.Append(nil, made.Add(1))
		})
		if err != nil {
			t.Error(err)
		}
		return status, string(body)
	}
	_, body := ask("/items", http.StatusOK)
	require.Equal(t, "1", body)
	_, other := ask("/items?status=FAILED", http.StatusServiceUnavailable)
	require.Equal(t, "2", other)
	_, other = ask("/items?status=FAILED", http.StatusOK)
	require.Equal(t, "3", other, "an error is not kept")
	pages.forget()
	_, body = ask("/items", http.StatusOK)
	require.Equal(t, "4", body)
	for n := range 3 * mostLive {
		ask(fmt.Sprint("/items?type=", n), http.StatusOK)
	}
	require.LessOrEqual(t, len(pages.byPage), mostLive)
}

// lookTogether has fifty look at a page at once, and returns how often it was made.
func lookTogether(t *testing.T) int32 {
	var pages livePages
	var made atomic.Int32
	var group sync.WaitGroup
	for range 50 {
		group.Go(func() {
			_, body, err := pages.of(t.Context(), liveKey{at: "/items"}, func() (int, []byte) {
				return http.StatusOK, fmt.Append(nil, made.Add(1))
			})
			if err != nil || string(body) != "1" && made.Load() == 1 {
				t.Error(string(body), err)
			}
		})
	}
	group.Wait()
	return made.Load()
}

// What pages cost is bounded for all that are looked at together: the more they take, the longer each serves.
func TestLivePartsShareTheTimeThatTheyTake(t *testing.T) {
	t.Parallel()
	var pages livePages
	began := time.Now()
	for _, at := range []liveKey{{at: "/"}, {at: "/items"}, {at: "/types"}} {
		pages.note(pages.page(at), began.Add(-100*time.Millisecond))
	}
	forgotten := pages.page(liveKey{at: "/activity"})
	pages.note(forgotten, began.Add(-time.Hour))
	forgotten.made = began.Add(-2 * lookedAt)
	all := pages.note(pages.page(liveKey{at: "/items"}), began.Add(-200*time.Millisecond))
	require.GreaterOrEqual(t, all, 400*time.Millisecond)
	require.Less(t, all, lookedAt, "nobody looks at that any more")
}

// Who waits for a page that another asks for can give up.
func TestOneWhoGivesUpDoesNotWaitForALivePart(t *testing.T) {
	t.Parallel()
	var pages livePages
	making, finish := make(chan struct{}), make(chan struct{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _, _ = pages.of(context.Background(), liveKey{at: "/"}, func() (int, []byte) {
			close(making)
			<-finish
			return http.StatusOK, nil
		})
	}()
	<-making
	gone, leave := context.WithTimeout(t.Context(), time.Millisecond)
	defer leave()
	_, _, err := pages.of(gone, liveKey{at: "/"}, func() (int, []byte) { panic("it is being made") })
	require.ErrorIs(t, err, context.DeadlineExceeded)
	close(finish)
	<-done
}

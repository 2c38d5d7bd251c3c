package browsers_test

import (
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"sluice/bench/browsers"
)

func TestEachBrowserOpensAPageAndKeepsItLive(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	opened, live := map[string]int{}, map[string]int{}
	o, err := browsers.Hold(t.Context(), http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if r.Header.Get("HX-Request") == "true" {
			live[r.URL.Path]++
		} else {
			opened[r.URL.Path]++
		}
	}), 4, []string{"/", "/items"})
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		mu.Lock()
		defer mu.Unlock()
		return live["/"] >= 2 && live["/items"] >= 2
	}, time.Minute, 10*time.Millisecond)
	pages, err := o.Close()
	require.NoError(t, err)
	require.GreaterOrEqual(t, pages, 8)
	require.Equal(t, map[string]int{"/": 2, "/items": 2}, opened)
}

func TestAPageThatFailsIsAnError(t *testing.T) {
	t.Parallel()
	asked := make(chan struct{}, 100)
	o, err := browsers.Hold(t.Context(), http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusInternalServerError)
		asked <- struct{}{}
	}), 1, []string{"/"})
	require.NoError(t, err)
	<-asked
	<-asked // the first is answered by now
	_, err = o.Close()
	require.ErrorContains(t, err, "500")
}

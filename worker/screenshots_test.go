package main

import (
	"flag"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"sluice/internal/devstack"
	"sluice/internal/store"
	"sluice/queue"
)

var screenshots = flag.String("screenshots", "", "a `directory`, such as ../docs/images: make the pictures of the documents from the running demo")

// mostPicture is how many bytes a picture may have that everybody loads with the README.
const mostPicture = 200 << 10

// TestMakeScreenshots runs the demo, and makes the pictures of the dashboard that the documents show while it is busy: task screenshots.
func TestMakeScreenshots(t *testing.T) {
	if *screenshots == "" {
		t.Skip("it makes pictures for the documents: task screenshots")
	}
	b := newTab(t)
	dir := filepath.Join(t.TempDir(), "dev")
	stdout, _, _ := start(t, settings(func(c *config) {
		c.dev, c.demo, c.devDir, c.http, c.shutdownTimeout = true, true, dir, address{hostPort: "127.0.0.1:0", explicit: true}, 5*time.Second
	}))
	require.Eventually(t, isReady(stdout), startPatience, 20*time.Millisecond)
	running, err := devstack.ReadAddresses(dir)
	require.NoError(t, err)
	pool, err := store.Open(t.Context(), running.DatabaseURL, 2)
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	at := dashboardOf(t, stdout)
	q := queue.New(pool)
	var done, waits []queue.State
	require.Eventually(t, func() bool {
		var errDone, errWaits error
		done, errDone = q.List(t.Context(), queue.Filter{Status: "COMPLETED", Limit: 200})
		waits, errWaits = q.List(t.Context(), queue.Filter{Status: "PENDING"})
		return errDone == nil && errWaits == nil && len(done) >= 60 && len(waits) > 0
	}, 5*time.Minute, 100*time.Millisecond)

	b.size(1280, 860)
	b.scheme("light")
	take := func(name, page, when string) {
		b.open(at + page)
		b.until(when)
		raw, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
		require.NoError(t, err)
		require.Less(t, len(raw), mostPicture, name)
		require.NoError(t, os.WriteFile(filepath.Join(*screenshots, name+".png"), raw, 0o644))
	}
	take("overview", "/", `document.querySelector("#attention .good")`) // on a busy machine Temporal may be slow to answer
	take("workspace", "/workspaces/"+waits[0].WorkspaceID.String(), "true")
	graph := slices.IndexFunc(done, func(s queue.State) bool {
		return s.WorkflowDefinitionID != nil && len(s.Input) > 0 && len(s.Output) > 0
	})
	require.NotEqual(t, -1, graph, "no definition has completed")
	take("item", "/items/"+done[graph].ID.String(), "true")
}

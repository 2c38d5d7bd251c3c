package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/require"
)

// tab is a tab of a real Chromium.
type tab struct {
	t   *testing.T
	ctx context.Context
}

// newTab opens Chromium. Where there is none the test is skipped, and says so.
func newTab(t *testing.T) *tab {
	t.Helper()
	found := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable"} {
		if path, err := exec.LookPath(name); err == nil {
			found = path
			break
		}
	}
	if found == "" {
		t.Skip("NOT RUN: there is no Chromium here, so nobody has looked at the dashboard. Install it: apt-get install chromium")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(found))
	if os.Geteuid() == 0 {
		options = append(options, chromedp.NoSandbox)
	}
	allocator, free := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(free)
	b := &tab{t: t}
	ctx, leave := chromedp.NewContext(allocator)
	t.Cleanup(leave)
	ctx, stop := context.WithTimeout(ctx, 9*time.Minute)
	t.Cleanup(stop)
	b.ctx = ctx
	t.Cleanup(func() { _ = chromedp.Cancel(ctx) })
	b.size(1400, 900)
	return b
}

func (b *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	require.NoError(b.t, chromedp.Do(b.ctx, steps...))
}

func (b *tab) size(width, height int64) {
	b.t.Helper()
	b.do(chromedp.EmulateViewport(width, height))
}

// scheme has the system say light or dark.
func (b *tab) scheme(value string) {
	b.t.Helper()
	_, err := chromedp.Call(b.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: value}}})
	require.NoError(b.t, err)
}

// open goes to a page and waits until it is live.
func (b *tab) open(at string) {
	b.t.Helper()
	b.do(chromedp.Navigate(at))
	b.until(`document.readyState === "complete" && document.getElementById("pulse")?.dataset.state === "live"`)
}

// eval is the value of an expression in the page.
func eval[T any](b *tab, expression string) T {
	b.t.Helper()
	v, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	require.NoError(b.t, err, expression)
	return v
}

// until waits until an expression is true. The page may be on its way to another meanwhile.
func (b *tab) until(expression string) {
	b.t.Helper()
	require.Eventually(b.t, func() bool {
		is, err := chromedp.Run(b.ctx, chromedp.Evaluate[bool]("Boolean("+expression+")"))
		return err == nil && is
	}, 2*time.Minute, 100*time.Millisecond, expression)
}

// says waits until a part of the page shows a text.
func (b *tab) says(selector, text string) {
	b.t.Helper()
	b.until(fmt.Sprintf(`(document.querySelector(%q)?.innerText ?? "").replace(/\s+/g, " ").includes(%q)`, selector, text))
}

// press presses keys one after the other.
func (b *tab) press(keys ...string) {
	b.t.Helper()
	for _, key := range keys {
		b.do(chromedp.KeyEvent(key))
	}
}

// tabTo presses the tabulator until an element that is like this has the focus.
func (b *tab) tabTo(selector string) {
	b.t.Helper()
	for range 80 {
		if eval[bool](b, fmt.Sprintf(`document.activeElement?.matches(%q) ?? false`, selector)) {
			return
		}
		b.press(kb.Tab)
	}
	b.t.Fatalf("%s cannot be reached with the keyboard; the focus is on %s", selector, eval[string](b, `document.activeElement?.outerHTML.slice(0, 200) ?? ""`))
}

// fits says that a page is no wider than its window.
func (b *tab) fits(at string) {
	b.t.Helper()
	require.LessOrEqual(b.t, eval[int](b, `document.documentElement.scrollWidth`), eval[int](b, `innerWidth`), "%s is wider than its window", at)
}

// picture writes what the tab shows into SLUICE_PICTURES, for people.
func (b *tab) picture(name string) {
	b.t.Helper()
	dir := os.Getenv("SLUICE_PICTURES")
	if dir == "" {
		return
	}
	raw, err := chromedp.Run(b.ctx, chromedp.FullScreenshot(100))
	require.NoError(b.t, err)
	require.NoError(b.t, os.WriteFile(filepath.Join(dir, name+".png"), raw, 0o644))
}

// axeVersion is that of axe-core, which finds what is hard or impossible to use for some.
const axeVersion = "4.14.1"

// axe is the source of axe-core from the npm registry, empty where that cannot be reached.
func axe(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	pack := exec.CommandContext(ctx, "npm", "pack", "--silent", "--pack-destination", dir, "axe-core@"+axeVersion)
	unpack := exec.CommandContext(ctx, "tar", "-xzf", filepath.Join(dir, "axe-core-"+axeVersion+".tgz"), "-C", dir, "package/axe.min.js")
	if err := errors.Join(pack.Run(), unpack.Run()); err != nil {
		t.Logf("NOT RUN: axe-core cannot be had from npm (%v), so nobody has looked whether the pages can be used by all", err)
		return ""
	}
	raw, err := os.ReadFile(filepath.Join(dir, "package", "axe.min.js"))
	require.NoError(t, err)
	return string(raw)
}

// usable says that axe-core has no serious finding on the page.
func (b *tab) usable(source, at string) {
	b.t.Helper()
	if source == "" {
		return
	}
	eval[int](b, source+"\n;0")
	raw := eval[string](b, `axe.run(document, {resultTypes: ["violations"]}).then(r => JSON.stringify(r.violations.filter(v => v.impact === "serious" || v.impact === "critical")
		.map(v => ({id: v.id, help: v.help, nodes: v.nodes.slice(0, 3).map(n => n.html.slice(0, 200) + " " + n.failureSummary)}))))`)
	require.Equal(b.t, "[]", raw, at)
}

// dashboardOf is the address that the worker has printed.
func dashboardOf(t *testing.T, stdout *output) string {
	t.Helper()
	_, rest, found := strings.Cut(stdout.String(), "dashboard: ")
	require.True(t, found, stdout.String())
	at, _, _ := strings.Cut(rest, "\n")
	parsed, err := url.Parse(at)
	require.NoError(t, err)
	return strings.TrimSuffix(parsed.String(), "/")
}

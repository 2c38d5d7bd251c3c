// Package page is how the dashboard looks: typed templates, and the words and plots in them.
//
// Each *_templ.go is generated from the .templ beside it, by the version of templ that go.mod names; both are committed, so that a build
// needs nothing else. After a change: go generate ./internal/web/dashboard/page
//
// It must not ask the database or Temporal: a template gets what it shows. It owns the addresses of pages, so that a number links to what
// it counts.
//
// Invariants:
//   - what a workspace wrote is shown as text: templates escape it, and nothing is marked as safe but plots made of numbers;
//   - a page works without JavaScript, which only keeps it live; no element has a style or a handler of its own, so the
//     Content-Security-Policy allows neither;
//   - what is red, amber or green says so in words too.
package page

//go:generate go run -C ../../../.. github.com/a-h/templ/cmd/templ@v0.3.1100 generate -log-level error

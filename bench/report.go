package main

import (
	"context"
	"fmt"
	"html"
	"io"
	"math"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// report is all that a run has found.
type report struct {
	options  options
	machine  machine
	began    time.Time
	took     time.Duration
	sections []section
}

// markdown writes it.
func (r report) markdown(out io.Writer) error {
	var text strings.Builder
	p := func(format string, args ...any) { fmt.Fprintf(&text, format+"\n", args...) }
	p("## Benchmarks\n")
	p("    %s\n", r.command())
	p("%s, took %s. %s\n", r.began.UTC().Format("2 January 2006, 15:04 MST"), r.took.Round(time.Second), r.machine)
	if r.options.scale != full {
		p("A %s run shows that every scenario works. Its figures say nothing and are not judged.\n", r.options.scale)
	}
	p("| | median of %d | range | gate | |", r.options.repeat)
	p("|---|---:|---:|---:|---|")
	r.gated(func(l line) {
		p("| %s `%s` | %s | %s | %s | %s |", l.gate.What, l.name, withUnit(l.median, l.unit), l.spread(), l.gate.limit(), r.verdict(l))
	})
	for _, s := range r.sections {
		p("\n### %s\n\n%s\n", s.scenario.name, s.scenario.about)
		p("| figure | median | range |")
		p("|---|---:|---:|")
		for _, l := range s.lines {
			p("| `%s` | %s | %s |", l.name, withUnit(l.median, l.unit), l.spread())
		}
	}
	if r.options.scale == full {
		p("\nbench: %d gates missed", r.missed())
	}
	_, err := io.WriteString(out, text.String())
	return err
}

// command repeats this run.
func (r report) command() string {
	words := fmt.Sprintf("go run ./bench --scale %s --repeat %d", r.options.scale, r.options.repeat)
	if len(r.options.only) > 0 {
		words += " --only " + strings.Join(r.options.only, ",")
	}
	return words
}

// gated visits the figures that have a gate.
func (r report) gated(visit func(line)) {
	for _, s := range r.sections {
		for _, l := range s.lines {
			if l.gate != nil {
				visit(l)
			}
		}
	}
}

// missed counts the gates that were.
func (r report) missed() (n int) {
	r.gated(func(l line) {
		if !l.gate.met(l.median) {
			n++
		}
	})
	return n
}

func (r report) verdict(l line) string {
	switch {
	case r.options.scale != full:
		return "not judged"
	case l.gate.met(l.median):
		return "met"
	}
	return "**missed**"
}

func (l line) spread() string {
	if l.low == l.high || math.IsNaN(l.median) {
		return ""
	}
	return number(l.low) + " to " + number(l.high)
}

func withUnit(value float64, unit string) string {
	if math.IsNaN(value) {
		return "nothing measured"
	}
	return strings.TrimSpace(number(value) + " " + unit)
}

// number shows what matters of a value: four figures, but whole numbers whole.
func number(value float64) string {
	if math.Abs(value) >= 100 || value == math.Trunc(value) {
		return strconv.FormatFloat(value, 'f', 0, 64)
	}
	return strconv.FormatFloat(value, 'g', 4, 64)
}

// The chart in pixels.
const (
	chartLabels = 210
	chartGate   = 240 // from the labels to where a gate is just met
	chartEnd    = 2.0 // how many times the gate the bars go to
	chartRow    = 22
)

// chart draws each gated figure as a bar, in parts of what its gate allows: shorter than the line is good. Figures that
// must be large are drawn by their inverse.
func (r report) chart() string {
	var bars strings.Builder
	y := chartRow
	r.gated(func(l line) {
		part, colour := allowance(l), "#2e7d32"
		switch {
		case r.options.scale != full:
			colour = "#9e9e9e" // not judged
		case !l.gate.met(l.median):
			colour = "#c62828"
		}
		fmt.Fprintf(&bars, `<text x="%d" y="%d" text-anchor="end">%s</text>`, chartLabels-8, y+13, html.EscapeString(l.name))
		fmt.Fprintf(&bars, `<rect x="%d" y="%d" width="%.0f" height="%d" fill="%s"/>`, chartLabels, y+3, part*chartGate, chartRow-6, colour)
		fmt.Fprintf(&bars, `<text x="%.0f" y="%d">%s</text>`+"\n", chartLabels+part*chartGate+6, y+13, html.EscapeString(withUnit(l.median, l.unit)))
		y += chartRow
	})
	width := chartLabels + int(chartEnd*chartGate) + 110
	return fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" font-family="sans-serif" font-size="12">
<rect width="100%%" height="100%%" fill="white"/>
<text x="%d" y="14" text-anchor="middle">gate</text>
%s<line x1="%d" y1="18" x2="%d" y2="%d" stroke="black" stroke-dasharray="3"/>
</svg>
`, width, y+8, chartLabels+chartGate, bars.String(), chartLabels+chartGate, chartLabels+chartGate, y)
}

// allowance is how much of what its gate allows a figure uses; more than 1 misses it, and what is off the chart is cut.
func allowance(l line) float64 {
	var part float64
	switch {
	case l.gate.AtMost != nil && *l.gate.AtMost == 0:
		part = l.median * chartEnd
	case l.gate.AtMost != nil:
		part = l.median / *l.gate.AtMost
	default:
		part = *l.gate.AtLeast / l.median
	}
	if math.IsNaN(part) {
		return chartEnd
	}
	return min(max(part, 0), chartEnd)
}

// machine is what a run was measured on.
type machine struct {
	cores    int
	system   string
	goes     string   // version of Go
	postgres []string // versions and settings of the servers, normally one; none if none was needed
	temporal []string
}

func (m machine) String() string {
	parts := []string{fmt.Sprintf("%d cores, %s, %s", m.cores, m.system, m.goes)}
	parts = append(parts, m.postgres...)
	for _, version := range m.temporal {
		parts = append(parts, "Temporal dev server "+version+" on SQLite")
	}
	return strings.Join(parts, "; ") + "; everything on this machine."
}

func thisMachine() machine {
	return machine{cores: runtime.NumCPU(), system: runtime.GOOS + "/" + runtime.GOARCH, goes: runtime.Version()}
}

// sawTemporal notes the version of a server.
func (b *bench) sawTemporal(version string) {
	if !slices.Contains(b.machine.temporal, version) {
		b.machine.temporal = append(b.machine.temporal, version)
	}
}

// sawPostgres notes the version of a server and the settings its speed depends on.
func (b *bench) sawPostgres(ctx context.Context, url string) error {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return fmt.Errorf("connect to PostgreSQL: %w", err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	var text string
	err = conn.QueryRow(ctx, `
		SELECT 'PostgreSQL ' || split_part(current_setting('server_version'), ' ', 1)
		       || ' (' || string_agg(name || ' ' || current_setting(name), ', ') || ')'
		FROM unnest(ARRAY['fsync', 'synchronous_commit', 'shared_buffers']) AS name`).Scan(&text)
	if err != nil {
		return fmt.Errorf("ask PostgreSQL for its version: %w", err)
	}
	if !slices.Contains(b.machine.postgres, text) {
		b.machine.postgres = append(b.machine.postgres, text)
	}
	return nil
}

package main

import (
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"
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

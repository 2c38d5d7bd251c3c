package main

import (
	"fmt"
	"io"
	"math"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"
)

// report is all that the rounds have shown.
type report struct {
	options  options
	began    time.Time
	took     time.Duration
	postgres string
	results  [][]result // by system and round
}

// about says how to read the table.
const about = `The same work for each, in turn on one server: %s items that do nothing, in %s workspaces, of which %d may run
at once in each. Executions per second from the first admission to the last recorded outcome. The last column is the
most that a workspace had running at one time, by the records of the system itself; River has no cap per key. DBOS and
River run the items and record their outcomes; of Sluice this is the admission engine alone, and whatever Temporal
takes comes on top.`

// markdown writes it.
func (r report) markdown(out io.Writer) error {
	var text strings.Builder
	p := func(format string, args ...any) { fmt.Fprintf(&text, format+"\n", args...) }
	size := r.options.scale.size()
	p("## Admission beside other queues on Postgres\n")
	p("    go run . --scale %s --repeat %d\n", r.options.scale, r.options.repeat)
	p("%s, took %s. %d cores, %s/%s, %s; %s; everything on this machine.\n", r.began.UTC().Format("2 January 2006, 15:04 MST"),
		r.took.Round(time.Second), runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, runtime.Version(), r.postgres)
	if r.options.scale != full {
		p("A %s run shows that every system does the work. Its figures say nothing.\n", r.options.scale)
	}
	p(about+"\n", thousands(size.workspaces*size.each), thousands(size.workspaces), size.limit)
	p("| system | version | setting | executions/s, median of %d | range | of the first line's | at once, cap %d |", r.options.repeat, size.limit)
	p("|---|---|---|---:|---:|---:|---:|")
	for i, s := range systems {
		rates, ratios, most := r.figures(i)
		p("| %s | %s | %s | %s | %s | %s | %s |", s.name, version(s.module), s.setting, thousands(int(math.Round(median(rates)))),
			spread(rates), strconv.FormatFloat(median(ratios), 'g', 2, 64), kept(s, most))
	}
	_, err := io.WriteString(out, text.String())
	return err
}

// figures returns the rates of a system, what each was of the first system's in the same round, and the most at once.
func (r report) figures(i int) (rates, ratios []float64, most int) {
	for n, one := range r.results[i] {
		rates = append(rates, one.rate)
		ratios = append(ratios, one.rate/r.results[0][n].rate)
		most = max(most, one.atOnce)
	}
	return rates, ratios, most
}

// kept is the most that a workspace had running at one time.
func kept(s system, most int) string {
	if !s.capped {
		return fmt.Sprintf("%d, no cap", most)
	}
	return strconv.Itoa(most)
}

// version is that of a module which this program was built with.
func version(module string) string {
	if module == "" {
		return "this one"
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, dep := range info.Deps {
			if dep.Path == module {
				return dep.Version
			}
		}
	}
	return "unknown"
}

// median is the middle value, or the mean of the two in the middle; 0 of none.
func median(values []float64) float64 {
	n := len(values)
	if n == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// spread is the lowest and the highest of the values.
func spread(values []float64) string {
	low, high := slices.Min(values), slices.Max(values)
	if low == high {
		return ""
	}
	return thousands(int(math.Round(low))) + " to " + thousands(int(math.Round(high)))
}

// thousands shows a number with its thousands apart.
func thousands(n int) string {
	digits := strconv.Itoa(n)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

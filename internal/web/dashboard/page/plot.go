package page

import (
	"encoding/json"
	"math"
	"strings"
	"time"

	"sluice/internal/admission"
	"sluice/internal/web/dashboard/series"
)

// Plot is a plot of the history: lines beside one another, or areas on top of one another.
type Plot struct {
	Name    string
	Lines   []Line
	Stacked bool
	Unit    string
	From    time.Time
	Step    time.Duration
	Scale   []string // what stands below it, from left to right; none: it ends now, after 15 minutes
	Over    string   // the time that it covers, in words; empty: the last 15 minutes
}

// Line is one series of a plot. What is not known is NaN.
type Line struct {
	Name, Class string
	Values      []float64
}

// Plots are drawn in these coordinates and stretched to their place.
const (
	plotWidth, plotHeight   = 600, 140
	sparkWidth, sparkHeight = 120, 28
)

// scale is what stands below the plot.
func (p Plot) scale() []string {
	if p.Scale == nil {
		return []string{"−15 min", "−10", "−5", "now"}
	}
	return p.Scale
}

// label says in words what the plot shows.
func (p Plot) label() string { return p.Name + ", over " + first(p.Over, "the last 15 minutes") }

// top is a round number that no value exceeds.
func (p Plot) top() float64 {
	most := 0.0
	for i := range p.at() {
		sum := 0.0
		for _, l := range p.Lines {
			switch v := l.Values[i]; {
			case math.IsNaN(v):
			case p.Stacked:
				sum += v
			default:
				sum = max(sum, v)
			}
		}
		most = max(most, sum)
	}
	if p.Unit == "" {
		most = max(most, 1)
	}
	return roundUp(most)
}

func (p Plot) at() []float64 {
	if len(p.Lines) == 0 {
		return nil
	}
	return p.Lines[0].Values
}

// roundUp is the next of 0.1, 0.2, 0.5, 1, 2, 5, 10 and so on.
func roundUp(v float64) float64 {
	if v <= 0.1 {
		return 0.1
	}
	size := math.Pow(10, math.Floor(math.Log10(v)))
	for _, n := range []float64{1, 2, 5, 10} {
		if v <= n*size {
			return n * size
		}
	}
	return v
}

// areas are the outlines of stacked lines, from the lowest.
func (p Plot) areas() []string {
	n := len(p.at())
	floor, outlines := make([]float64, n), make([]string, len(p.Lines))
	top := p.top()
	for i, l := range p.Lines {
		ceiling := make([]float64, n)
		for j, v := range l.Values {
			ceiling[j] = floor[j] + v // NaN stays
		}
		outlines[i] = between(floor, ceiling, top, plotWidth, plotHeight)
		for j := range floor {
			if !math.IsNaN(ceiling[j]) {
				floor[j] = ceiling[j]
			}
		}
	}
	return outlines
}

// between is the area between two lines, in one piece for each stretch that is known.
func between(floor, ceiling []float64, top, width, height float64) string {
	var b strings.Builder
	for i := 0; i < len(ceiling); i++ {
		if math.IsNaN(ceiling[i]) {
			continue
		}
		j := i
		for j < len(ceiling) && !math.IsNaN(ceiling[j]) {
			j++
		}
		for k := i; k < j; k++ {
			b.WriteString(point(k == i, k, len(ceiling), ceiling[k], top, width, height))
		}
		if j == i+1 { // one sample is as wide as a step
			b.WriteString(point(false, j, len(ceiling), ceiling[i], top, width, height))
			b.WriteString(point(false, j, len(ceiling), floor[i], top, width, height))
		}
		for k := j - 1; k >= i; k-- {
			b.WriteString(point(false, k, len(ceiling), floor[k], top, width, height))
		}
		b.WriteString("Z")
		i = j
	}
	return b.String()
}

func point(first bool, i, n int, v, top, width, height float64) string {
	command := "L"
	if first {
		command = "M"
	}
	x, y := float64(i)*width/float64(max(n-1, 1)), height-v/top*(height-2)-1
	return command + number(x) + " " + number(y)
}

// line is the path of a line, with gaps where nothing is known.
func line(values []float64, top, width, height float64) string {
	var b strings.Builder
	gap := true
	for i, v := range values {
		if math.IsNaN(v) {
			gap = true
			continue
		}
		b.WriteString(point(gap, i, len(values), v, top, width, height))
		gap = false
	}
	return b.String()
}

// under is the area below a line, with the same gaps.
func under(values []float64, top, width, height float64) string {
	return between(make([]float64, len(values)), values, top, width, height)
}

// data is what the script shows beside the pointer.
func (p Plot) data() string {
	type entry struct {
		Name   string `json:"name"`
		Class  string `json:"class"`
		Values []*int `json:"values"` // tenths
	}
	list := make([]entry, len(p.Lines))
	for i, l := range p.Lines {
		list[i] = entry{l.Name, l.Class, make([]*int, len(l.Values))}
		for j, v := range l.Values {
			if !math.IsNaN(v) {
				tenths := int(math.Round(10 * v))
				list[i].Values[j] = &tenths
			}
		}
	}
	raw, _ := json.Marshal(list) // it has strings and numbers only
	return string(raw)
}

// highest is the top of a sparkline.
func highest(values []float64) float64 {
	most := 0.0
	for _, v := range values {
		if !math.IsNaN(v) {
			most = max(most, v)
		}
	}
	return max(most, 1e-9)
}

// thin makes at most so many values of more, by their mean.
func thin(values []float64, most int) []float64 {
	per := (len(values) + most - 1) / most
	if per <= 1 {
		return values
	}
	var out []float64
	for i := 0; i < len(values); i += per {
		sum, n := 0.0, 0
		for _, v := range values[i:min(i+per, len(values))] {
			if !math.IsNaN(v) {
				sum, n = sum+v, n+1
			}
		}
		if n == 0 {
			out = append(out, math.NaN())
			continue
		}
		out = append(out, sum/float64(n))
	}
	return out
}

// over is a series of the history: how it was at the end of each step.
func over(s *series.Snapshot, value func(series.Point) float64) []float64 {
	values := make([]float64, len(s.Points))
	for i, p := range s.Points {
		values[i] = value(p)
	}
	return values
}

// during is one of what happened in each step; the last one is not over.
func during(s *series.Snapshot, value func(series.Point) float64) []float64 {
	values := over(s, func(p series.Point) float64 { return when(p.Known, value(p)) })
	if n := len(values); n > 0 {
		values[n-1] = math.NaN()
	}
	return values
}

func perSecond(n int) float64 { return float64(n) / series.Step.Seconds() }

func when(known bool, v float64) float64 {
	if !known {
		return math.NaN()
	}
	return v
}

func startsOver(s *series.Snapshot) []float64 {
	return during(s, func(p series.Point) float64 { return perSecond(p.Starts) })
}

func failedOver(s *series.Snapshot) []float64 {
	return during(s, func(p series.Point) float64 { return float64(p.Failed) })
}

func backlogOver(s *series.Snapshot) []float64 {
	return over(s, func(p series.Point) float64 { return when(p.Level, float64(p.Backlog)) })
}

func runningOver(s *series.Snapshot) []float64 {
	return over(s, func(p series.Point) float64 { return when(p.Level, float64(p.Running)) })
}

func longestOver(s *series.Snapshot) []float64 {
	return over(s, func(p series.Point) float64 { return when(p.Sampled, p.Longest.Seconds()) })
}

func planOver(p series.Plan) []float64 {
	values := make([]float64, 0, len(p.StartsIn))
	for _, n := range p.StartsIn[:max(len(p.StartsIn)-1, 0)] {
		values = append(values, perSecond(n))
	}
	return values
}

func throughput(s *series.Snapshot) Plot {
	return Plot{Name: "Starts and ends a second", Unit: "/s", From: s.Points[0].At, Step: series.Step, Lines: []Line{
		{"ended", "c-ended", thin(during(s, func(p series.Point) float64 { return perSecond(p.Ended) }), 90)},
		{"started", "c-started", thin(startsOver(s), 90)},
	}}.every(2)
}

// every says that a value stands for so many steps.
func (p Plot) every(n int) Plot {
	p.Step *= time.Duration(n)
	return p
}

// Reasons are the wait reasons in the order in which they are shown.
var Reasons = append(admission.Reasons(), "unserved", "start-unanswered")

func waitReasons(s *series.Snapshot) Plot {
	p := Plot{Name: "Workspaces that wait, by reason", Stacked: true, From: s.Points[0].At, Step: series.Step}
	for _, r := range Reasons {
		some := false
		values := over(s, func(p series.Point) float64 {
			some = some || p.Reasons[r] > 0
			return when(p.Sampled, float64(p.Reasons[r]))
		})
		if some {
			p.Lines = append(p.Lines, Line{string(r), "r-" + string(r), values})
		}
	}
	return p
}

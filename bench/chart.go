package main

import (
	"fmt"
	"html"
	"math"
	"strings"
)

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

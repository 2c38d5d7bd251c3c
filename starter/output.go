package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"sluice/internal/bounds"
	"sluice/internal/web/dashboard/page"
)

// result prints the outcome of a command: the value as JSON, or what human writes.
func (a *app) result(value any, human func(io.Writer)) error {
	if !a.flags.json {
		var text strings.Builder
		human(&text)
		_, err := io.WriteString(a.stdout, visible(text.String()))
		return err
	}
	return writeJSON(a.stdout, value, "  ")
}

// writeJSON writes a value in the form in which it may go to a program and to a terminal alike.
func writeJSON(w io.Writer, value any, indent string) error {
	var text strings.Builder
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", indent)
	if err := encoder.Encode(value); err != nil {
		return err
	}
	_, err := io.WriteString(w, bounds.ShownJSON(text.String()))
	return err
}

// visible is a text of several lines as it may go to a terminal. What workspaces have written may hold what clears the screen, or turns
// the direction of writing.
func visible(text string) string {
	lines := strings.Split(text, "\n")
	for i := range lines {
		lines[i] = bounds.Shown(lines[i])
	}
	return strings.Join(lines, "\n")
}

// How many characters of a value are shown; --json has all of them.
const (
	mostOfCell  = 150
	mostOfField = 1000
)

// oneLine is a value as it is shown in one line, cut where it is long: a tab or a line break would ruin a table, or forge a row.
func oneLine(text string, most int) string {
	runes := []rune(strings.Join(strings.Fields(text), " "))
	if len(runes) > most {
		runes = append(runes[:most-1:most-1], '…')
	}
	return bounds.Shown(string(runes))
}

// table aligns rows of cells under a header.
func table(w io.Writer, header []string, rows [][]string) {
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	line := func(cells []string) {
		clean := make([]string, len(cells))
		for i, cell := range cells {
			clean[i] = orElse(oneLine(cell, mostOfCell), "-")
		}
		_, _ = fmt.Fprintln(t, strings.Join(clean, "\t"))
	}
	line(header)
	for _, row := range rows {
		line(row)
	}
	_ = t.Flush() // into memory
}

// fields aligns names and values; empty values are left out.
func fields(w io.Writer, pairs ...string) {
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			_, _ = fmt.Fprintf(t, "%s\t%s\n", pairs[i], oneLine(pairs[i+1], mostOfField))
		}
	}
	_ = t.Flush()
}

// relative tells a time as people say it: "3s ago", "in 5m".
func relative(t *time.Time, now time.Time) string {
	if t == nil || t.IsZero() {
		return ""
	}
	switch d := now.Sub(*t); {
	case d >= time.Second:
		return span(d) + " ago"
	case d <= -time.Second:
		return "in " + span(page.Ahead(-d))
	}
	return "now"
}

// span is a duration in its largest unit, two for the middle ones: 850ms, 12s, 3m20s, 5h10m, 4d.
func span(d time.Duration) string {
	switch {
	case d < time.Second:
		return d.Round(time.Millisecond).String()
	case d < time.Minute:
		return d.Truncate(time.Second).String()
	case d < time.Hour && d%time.Minute < time.Second:
		return fmt.Sprintf("%dm", d/time.Minute)
	case d < time.Hour:
		return d.Truncate(time.Second).String()
	case d < 48*time.Hour && d%time.Hour < time.Minute:
		return fmt.Sprintf("%dh", d/time.Hour)
	case d < 48*time.Hour:
		return strings.TrimSuffix(d.Truncate(time.Minute).String(), "0s")
	}
	return fmt.Sprintf("%dd", d/(24*time.Hour))
}

// stamp is the exact time in the zone of the server that recorded it.
func stamp(t *time.Time) string {
	if t == nil {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

func deref[T any](p *T) T {
	var zero T
	if p == nil {
		return zero
	}
	return *p
}

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

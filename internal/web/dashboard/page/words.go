package page

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"sluice/internal/bounds"
	"sluice/internal/store/estimates"
)

// Page is what every page has.
type Page struct {
	Title string
	At    string // its address, with the query: it is asked for again to stay live
	Under string // the entry of the navigation that it belongs to
	Said  string // what became of an action
	Bad   bool   // Said is an error
	Actor string // on whose behalf actions are done
	Now   time.Time
	Live  bool // only the part that changes is asked for
	Looks bool // who asks may change nothing: there are no buttons
	Still bool // it does not stay live: what it shows is asked for once
}

// Count is a number with its thousands apart.
func Count(n int) string {
	digits := strconv.Itoa(n)
	sign := ""
	if n < 0 {
		sign, digits = "−", digits[1:]
	}
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return sign + digits
}

// Some is a count, and a dash for none.
func Some(n int) string {
	if n == 0 {
		return "–"
	}
	return Count(n)
}

// Span is a duration in its largest units: 850ms, 12.4s, 3m20s, 5h10m, 4d.
func Span(d time.Duration) string {
	switch {
	case d < 0:
		return "0s"
	case d < time.Second:
		return fmt.Sprintf("%dms", d.Milliseconds())
	case d < 10*time.Second:
		return fmt.Sprintf("%.1fs", d.Seconds())
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm%02ds", int(d.Minutes()), int(d.Seconds())%60)
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh%02dm", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%dd", int(d.Hours()/24))
}

// Waited is a span, and a dash for none.
func Waited(d time.Duration) string {
	if d <= 0 {
		return "–"
	}
	return Span(d)
}

// soon is what counts as now: a page may show what happened after the moment that it counts from.
const soon = 3 * time.Second

// Ago tells a time as people say it.
func Ago(t, now time.Time) string {
	switch d := now.Sub(t); {
	case d >= time.Minute:
		return Span(d) + " ago"
	case d >= time.Second:
		return fmt.Sprintf("%ds ago", int(d.Seconds()))
	case d <= -soon:
		return "in " + Span(Ahead(-d))
	}
	return "now"
}

// Ahead is how long it is until a time, as somebody said it who asked for so long a moment ago: 2h, and not 1h59m59s.
func Ahead(d time.Duration) time.Duration {
	if whole := d.Round(time.Minute); whole > d && whole-d <= 2*time.Second {
		return whole
	}
	return d.Round(time.Second)
}

// Stamp is the exact time, in UTC.
func Stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05.000 UTC") }

// Clock is the time of day, in UTC.
func Clock(t time.Time) string { return t.UTC().Format("15:04:05") }

// Rate is so many in a minute, by the second where that is one or more.
func Rate(perMinute int) string {
	switch {
	case perMinute == 0:
		return "0/s"
	case perMinute < 60:
		return fmt.Sprintf("%d/min", perMinute)
	case perMinute < 600:
		return fmt.Sprintf("%.1f/s", float64(perMinute)/60)
	}
	return Count((perMinute+30)/60) + "/s"
}

// Plural is a number with what it counts.
func Plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return Count(n) + " " + many
}

// Percent of a whole; empty where there is none.
func Percent(part, whole int) string {
	if whole <= 0 {
		return ""
	}
	return fmt.Sprintf("%d %%", (100*part+whole/2)/whole)
}

// OneLine is what somebody wrote, as it can be shown in a line of at most so many characters.
func OneLine(text string, most int) string {
	runes := []rune(strings.Join(strings.Fields(text), " "))
	if len(runes) > most {
		runes = append(runes[:most-1:most-1], '…')
	}
	return bounds.Shown(string(runes))
}

// Sentence is a message with a capital at its beginning and a full stop at its end.
func Sentence(message string) string {
	if message == "" {
		return ""
	}
	first, size := utf8.DecodeRuneInString(message)
	return string(unicode.ToUpper(first)) + strings.TrimSuffix(message[size:], ".") + "."
}

// Short is the part of an id by which people tell it from others: its end. Ids of one time begin alike.
func Short(id fmt.Stringer) string {
	text := id.String()
	return "…" + text[len(text)-12:]
}

// Value is what a pointer points to, or the zero value.
func Value[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}

func number(f float64) string { return strconv.FormatFloat(f, 'f', 1, 64) }

const rfc3339 = time.RFC3339Nano

// first is the first of the texts that is not empty.
func first(texts ...string) string {
	for _, text := range texts {
		if text != "" {
			return text
		}
	}
	return ""
}

// StartsIn is in what time an item is expected to start, or why that is not known.
func StartsIn(s estimates.Start, now time.Time) string {
	if s.After == nil || s.Before == nil {
		return "– " + s.Why
	}
	after, before := Span(s.After.Sub(now)), Span(s.Before.Sub(now))
	if after == before {
		return "about " + after
	}
	return after + " to " + before
}

package main

import (
	"testing"
	"time"
	"unicode/utf8"

	"sluice/internal/bounds"
)

// What is given for a limit is understood or refused, and never becomes another number.
func FuzzLimitFlags(f *testing.F) {
	for _, seed := range []string{"none", "5", "-1", "2147483648", "5/s", "30/m", "1e-300/h", "NaN/s", "Inf/s", "1/0", "30d", "65535d", "65536d", "-1d", "12h", "1e9h", "", "/", "d", "9999999999999999999/s"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		var whole wholeFlag
		if err := whole.Set(value); err == nil && value != none && whole.change.To == nil {
			t.Fatalf("%q takes a limit away", value)
		}
		var rate rateFlag
		if err := rate.Set(value); err == nil && value != none && rate.change.To == nil {
			t.Fatalf("%q takes a rate away", value)
		}
		var days daysFlag
		if err := days.Set(value); err == nil && len(value) > 0 && value[len(value)-1] == 'd' && *days.duration < 0 {
			t.Fatalf("%q is %s", value, *days.duration)
		}
		_, _ = parseTime("--available-at", value)
		_, _ = itemID(value)
		_ = relative(new(time.Unix(int64(len(value)), 0)), time.Now())
	})
}

// A cell has one line, of a length that fits on a screen, without anything that a terminal acts on.
func FuzzOneLine(f *testing.F) {
	for _, seed := range []string{"acme", "\x1b[2J", "\u202egnp", "a\nb\tc\r", "\xff\xfe", "\u0000", "\u2028"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		shown := oneLine(text, mostOfCell)
		if shown != bounds.Shown(shown) || !utf8.ValidString(shown) || utf8.RuneCountInString(shown) > 10*mostOfCell {
			t.Fatalf("%q is shown as %q", text, shown)
		}
		if again := visible(text); again != visible(again) {
			t.Fatalf("%q is shown as %q", text, again)
		}
	})
}

// FuzzArguments gives the command line words of any kind; no server is there, so it is the parsing that answers.
func FuzzArguments(f *testing.F) {
	for _, seed := range [][2]string{{"enqueue", "--count"}, {"list", "--status=\x00"}, {"workspace", "set"}, {"--json", "--timeout"}, {"tier", "--"}, {"cancel", "execution-"}, {"simulate", "--tier=A=rate:1/0"}} {
		f.Add(seed[0], seed[1], "1")
	}
	f.Add("--json", "--timeout", "\x7f") // which JSON may hold as it is
	c := newCLI(f)
	f.Fuzz(func(t *testing.T, first, second, third string) {
		for _, word := range []string{first, second, third} {
			if len(word) > 0 && (word[0] == '@' || word == "simulate" || word == "migrate" || word == "audit") {
				t.Skip("reads files, or waits for a server")
			}
		}
		c := c
		c.t = t
		out := c.run(first, second, third)
		if out.code < exitOK || out.code > exitUnreachable {
			t.Fatalf("%q %q %q: exit code %d", first, second, third, out.code)
		}
		if visible(out.stderr) != out.stderr {
			t.Fatalf("%q %q %q: %q goes to the terminal", first, second, third, out.stderr)
		}
	})
}

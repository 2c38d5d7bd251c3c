// Package referencetest keeps the tables of flags and metrics in docs/reference.md as the programs have them, for the tests of the programs.
//
// A command has a section of its own, and in it one table of its flags, which is written from what --help prints; so has a kind of metrics.
// All else of the section is written by hand and stays.
package referencetest

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"

	"sluice/internal/metric"
)

// Table is a table in a section of the reference: of flags or of metrics.
type Table struct {
	Section string // its heading, without what follows the command's name
	Head    string // of the column of flags
	Flags   *pflag.FlagSet
	Metrics []metric.Metric
}

// Require fails the test unless the reference has these tables, or with update writes them. The sections must be there.
func Require(t testing.TB, file string, update bool, tables ...Table) {
	t.Helper()
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	want := string(text)
	for _, table := range tables {
		want = table.replace(t, want)
	}
	if update {
		require.NoError(t, os.WriteFile(file, []byte(want), 0o644))
		return
	}
	require.Equal(t, want, string(text), "write it with: go test -run %s -update", t.Name())
}

// replace returns the reference with the table as it should be.
func (table Table) replace(t testing.TB, reference string) string {
	t.Helper()
	at := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(table.Section) + `( .*)?\n`).FindStringIndex(reference)
	require.NotNil(t, at, "docs/reference.md has no section %s", table.Section)
	before, section := reference[:at[1]], reference[at[1]:]
	after := ""
	if end := regexp.MustCompile(`(?m)^#+ `).FindStringIndex(section); end != nil {
		section, after = section[:end[0]], section[end[0]:]
	}
	head := "| " + table.Head + " | |\n|---|---|\n"
	if table.Metrics != nil {
		head = "| metric | type | labels | |\n|---|---|---|---|\n"
	}
	above, rest, found := strings.Cut(section, head)
	rest = rest[len(regexp.MustCompile(`^(\|.*\n)*`).FindString(rest)):]
	rows := table.rows()
	if !found {
		above, rest = strings.TrimRight(section, "\n")+"\n\n", "\n"
	}
	if rows == "" {
		require.False(t, found, "docs/reference.md: %s has a table of nothing", table.Section)
		return reference
	}
	return before + above + head + rows + rest + after
}

var inTable = strings.NewReplacer("<", "&lt;", ">", "&gt;", "|", `\|`)

var aFlag = regexp.MustCompile(`--[a-z][a-z-]*`)

// rows has each flag as --help prints it, and each metric as /metrics does.
func (table Table) rows() string {
	var rows strings.Builder
	for _, m := range table.Metrics {
		labels := ""
		if len(m.Labels) > 0 {
			labels = "`" + strings.Join(m.Labels, "`, `") + "`"
		}
		rows.WriteString("| `" + m.Name + "` | " + string(m.Type) + " | " + labels + " | " + inTable.Replace(m.Help) + " |\n")
	}
	if table.Flags == nil {
		return rows.String()
	}
	table.Flags.VisitAll(func(f *pflag.Flag) {
		if f.Hidden || f.Name == "help" {
			return
		}
		alone := pflag.NewFlagSet("", pflag.ContinueOnError)
		alone.AddFlag(f)
		name, usage, _ := strings.Cut(strings.TrimSpace(alone.FlagUsages()), "   ")
		usage = inTable.Replace(usage)
		rows.WriteString("| `" + name + "` | " + aFlag.ReplaceAllString(usage, "`$0`") + " |\n")
	})
	return rows.String()
}

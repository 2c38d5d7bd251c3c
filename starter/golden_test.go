package main

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write what was printed to testdata/*.golden")

// requireGolden compares a text with testdata/<name>.golden.
func requireGolden(t *testing.T, name, text string) {
	t.Helper()
	path := filepath.Join("testdata", name+".golden")
	if *update {
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
		return
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err, "write it with: go test ./starter -update")
	require.Equal(t, string(want), text, "if this is meant: go test ./starter -update")
}

var volatile = []struct {
	pattern     *regexp.Regexp
	replacement string
}{
	{regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`), "<id>"},
	{regexp.MustCompile(`\d{4}-\d{2}-\d{2}T[0-9:.]+(Z|[+-]\d{2}:\d{2})`), "<time>"},
	{regexp.MustCompile(`\(now\)|\(\d+s ago\)`), "(<ago>)"},
	{regexp.MustCompile(`waits [0-9hms]+`), "waits <span>"},
	{regexp.MustCompile(`\bnow\b|\b\d+s ago`), "<ago>"},
	{regexp.MustCompile(`[ \t]+`), " "}, // the columns follow what was replaced
}

// masked replaces what differs from run to run.
func masked(text string) string {
	for _, v := range volatile {
		text = v.pattern.ReplaceAllString(text, v.replacement)
	}
	return text
}

func TestHelp(t *testing.T) {
	t.Parallel()
	var visit func(command *cobra.Command)
	visit = func(command *cobra.Command) {
		path := strings.Fields(command.CommandPath())
		t.Run(strings.Join(path, " "), func(t *testing.T) {
			t.Parallel()
			requireGolden(t, "help_"+strings.Join(path, "_"), newCLI(t).ok(append(path[1:], "--help")...))
		})
		for _, child := range command.Commands() {
			visit(child)
		}
	}
	visit(newRoot(&app{}))
}

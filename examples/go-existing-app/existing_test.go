package existing_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"sluice/internal/devstack/devtest"
	"sluice/internal/exampletest"
)

func TestMain(m *testing.M) { devtest.Main(m) }

// code is the lines of a program from its package clause on.
func code(t *testing.T, program string) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(program, "main.go"))
	require.NoError(t, err)
	_, rest, found := strings.Cut(string(text), "\npackage main\n")
	require.True(t, found)
	return strings.Split(rest, "\n")
}

func TestOneLineAndItsImportsAreAdded(t *testing.T) {
	t.Parallel()
	before, added := code(t, "before"), []string{}
	for _, line := range code(t, "after") {
		if len(before) > 0 && line == before[0] {
			before = before[1:]
			continue
		}
		added = append(added, strings.TrimSpace(line))
	}
	require.Empty(t, before, "nothing is changed or taken away")
	require.Equal(t, []string{`"sluice/admit"`, `"sluice/queue"`, `admit.Install(&options, queue.New(pool), nil)`}, added)
}

func TestTheApplicationRunsBeforeAndAfter(t *testing.T) {
	s := exampletest.Start(t)
	receipts := func(program string, first int) {
		t.Helper()
		out := exampletest.Run(t, s.Command("", exampletest.Build(t, "sluice/examples/go-existing-app/"+program)))
		var want strings.Builder
		for i := range 12 {
			fmt.Fprintf(&want, "invoice %d for %s\n", first+i, []string{"acme", "globex"}[i%2])
		}
		require.Equal(t, want.String(), out)
	}
	receipts("before", 1)
	require.Zero(t, s.Items(t))
	receipts("after", 13)
	require.Equal(t, 12, s.Items(t))
	s.RequireWithinLimit(t, "acme", 6)
	s.RequireWithinLimit(t, "globex", 6)
}

// Package layers keeps the structure of the project as docs/concepts.md describes it.
package layers_test

import (
	"encoding/json"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// layers are the packages from the bottom up: each may import those in the rows before its own. Test files may import more.
var layers = [][]string{
	{"internal/alive", "internal/bounds", "internal/metric", "internal/places", "internal/postgres"},
	{"schema", "internal/admission", "internal/admission/share", "internal/audit", "internal/definition", "internal/gather", "internal/connect", "internal/devstack", "internal/layers", "internal/request"},
	{"internal/store", "internal/outbound", "workflows", "internal/admission/slots", "internal/devstack/devtest"},
	{"internal/admission/simulate", "internal/estimate", "internal/store/catalog", "internal/store/controls", "internal/store/estimates", "internal/store/facts", "internal/store/figures", "internal/store/fleet", "internal/store/tokens", "internal/dispatch", "internal/recovery"},
	{"queue", "admin", "internal/callback", "internal/pairing", "internal/estimate/keep"},
	{"activities", "internal/admitted"},
	{"internal/operate", "worker/host", "admit", "internal/gateway", "internal/whatif"},
	{"internal/operate/operatetest", "internal/exampletest", "internal/overview", "internal/referencetest", "internal/web/dashboard/assets", "internal/web/dashboard/bulk", "internal/web/dashboard/series", "starter/bulk"},
	{"internal/web/access", "internal/web/dashboard/page"},
	{"internal/web/api", "internal/web/apiclient", "internal/web/dashboard", "starter/top"},
	{"worker", "starter"},
	// What drives the whole from outside.
	{"bench/browsers", "bench/history", "internal/chaos/ledger", "internal/chaos/parts", "internal/chaos/plan", "internal/chaos/progress", "internal/chaos/weather", "internal/chaos/cluster", "internal/chaos/counts", "internal/chaos/forged", "internal/e2e"},
	{"internal/chaos", "internal/chaos/failover", "bench"},
}

// mostFiles is how many files a package may have, tests apart: beyond that it holds a second idea.
const mostFiles = 25

type listed struct {
	ImportPath string
	Imports    []string
	GoFiles    []string
}

func list(t *testing.T) (packages []listed) {
	t.Helper()
	command := exec.Command("go", "list", "-json=ImportPath,Imports,GoFiles", "sluice/...")
	out, err := command.Output()
	require.NoError(t, err)
	for decoder := json.NewDecoder(strings.NewReader(string(out))); decoder.More(); {
		var p listed
		require.NoError(t, decoder.Decode(&p))
		packages = append(packages, p)
	}
	return packages
}

func layerOf(path string) int {
	return slices.IndexFunc(layers, func(layer []string) bool { return slices.Contains(layer, strings.TrimPrefix(path, "sluice/")) })
}

func TestNoImportRunsBackUp(t *testing.T) {
	t.Parallel()
	for _, p := range list(t) {
		if strings.HasPrefix(p.ImportPath, "sluice/examples/") {
			for _, i := range p.Imports {
				require.NotContains(t, i, "sluice/internal/", "%s is an application", p.ImportPath)
			}
			continue
		}
		own := layerOf(p.ImportPath)
		require.NotEqual(t, -1, own, "%s has no layer: give it one", p.ImportPath)
		for _, i := range p.Imports {
			if strings.HasPrefix(i, "sluice/") {
				require.Less(t, layerOf(i), own, "%s imports %s", p.ImportPath, i)
			}
		}
	}
}

func TestNoPackageHasGrownTooLarge(t *testing.T) {
	t.Parallel()
	for _, p := range list(t) {
		require.LessOrEqual(t, len(p.GoFiles), mostFiles, "%s holds more than one idea by now", p.ImportPath)
	}
}

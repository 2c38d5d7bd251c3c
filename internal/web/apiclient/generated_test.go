package apiclient_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"

	"sluice/internal/web/api"
)

var update = flag.Bool("update", false, "write openapi.json")

// generator is the one that doc.go runs.
const generator = "github.com/oapi-codegen/oapi-codegen/v2"

func TestTheDocumentIsTheOneServed(t *testing.T) {
	t.Parallel()
	raw, err := api.Document()
	require.NoError(t, err)
	var document bytes.Buffer
	require.NoError(t, json.Indent(&document, raw, "", "  "))
	document.WriteByte('\n')
	if *update {
		require.NoError(t, os.WriteFile("openapi.json", document.Bytes(), 0o644))
		return
	}
	committed, err := os.ReadFile("openapi.json")
	require.NoError(t, err)
	require.Equal(t, string(committed), document.String(), "the API has changed: go generate ./internal/web/apiclient")
}

// The generator is downloaded once, through the Go module proxy.
func TestTheClientIsTheOneMadeFromTheDocument(t *testing.T) {
	t.Parallel()
	doc, err := os.ReadFile("doc.go")
	require.NoError(t, err)
	version := regexp.MustCompile(regexp.QuoteMeta(generator) + `/cmd/oapi-codegen(@\S+)`).FindSubmatch(doc)
	require.NotNil(t, version)
	if out, err := exec.CommandContext(t.Context(), "go", "mod", "download", generator+string(version[1])).CombinedOutput(); err != nil {
		t.Skipf("%s cannot be downloaded: %s", generator, out)
	}
	made := filepath.Join(t.TempDir(), "client.go")
	out, err := exec.CommandContext(t.Context(), "go", "run", generator+"/cmd/oapi-codegen"+string(version[1]), "-config", "oapi-codegen.yaml", "-o", made, "openapi.json").CombinedOutput()
	require.NoError(t, err, string(out))
	want, err := os.ReadFile(made)
	require.NoError(t, err)
	got, err := os.ReadFile("client_gen_test.go")
	require.NoError(t, err)
	require.True(t, bytes.Equal(want, got), "the client is not the one of this document: go generate ./internal/web/apiclient")
}
